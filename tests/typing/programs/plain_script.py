"""A plain script: no loop, no await."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from batchio import BatchioError, FailureGroup, JobFailed, TaskRow, UsageError
from batchio import sync as bs

script = Path("work.sh")
script.write_text('echo "$1" > result; [ "$1" != two ] || [ -e ../../ok ] || exit 4\n')


def slowest(rows: list[TaskRow]) -> TaskRow:
    """Return the task that took longest."""
    return max(rows, key=lambda row: row.duration or 0.0)


job = bs.run(
    [script, "$BATCHIO_TASK_INPUT"],
    map_over_values=["one", "two", "three"],
    job_timeout=timedelta(minutes=5),
    tag={"who": "me"},
)
try:
    job.wait(check=True)
except JobFailed as error:
    groups: list[FailureGroup] = error.result.failures()
    print("failed", error.failed, [group.cause for group in groups])
    print("again", error.job == job, error.hint)
    print("why", job.explain(error.failed[0])[0])
    print("slowest", slowest(list(error.result.tasks)).id in range(3))

print("retried", job.retry())
print("after", job.wait(timeout=60).outcome, [len(job.attempts(task)) for task in range(3)])
print("files", sorted(str(p.relative_to(job.outputs())) for p in job.outputs().rglob("result")))
for line in bs.run("echo one; echo two").logs(follow=True):
    print("line", line.text)
with bs.run("true").live() as live:
    for _ in live.changes(timeout=60):
        pass
    print("live", live.done, live.view.outcome)
try:
    bs.run(["echo", "3"], ntasks=0)
except UsageError as wrong:
    assert isinstance(wrong, BatchioError)
    print("wrong", wrong)
