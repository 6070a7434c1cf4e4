"""Explanations in plain sentences: why a job, or a task, is in its state. Pure.

Each sentence stands alone: what happened or what is waited for, then what happens next,
then what a person can do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core.awaited import closed, no_room, waiting_for
from batchio.core.concerns import Kind as Known
from batchio.core.concerns import concerns, noted, sentences
from batchio.core.dispatch import pinned
from batchio.core.job import JobState
from batchio.core.last_words import explained
from batchio.core.node import NodeState
from batchio.core.retry import SHELL_SIGNAL_BASE, SUSPECT_LOSSES
from batchio.core.rows import failure_groups, row_at, signal_name
from batchio.core.sending import preparing
from batchio.core.sizes import format_bytes, format_duration
from batchio.core.task import Outcome, TaskState
from batchio.core.verdict import CALM, Kind, tells, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchio.core.concerns import Concern
    from batchio.core.machine import Machine
    from batchio.core.node import Node
    from batchio.core.rows import TaskRow
    from batchio.core.sending import Seen
    from batchio.core.verdict import Verdict


LONG_S = 600.0
"""Seconds after which a person should look why a node is not given back."""

MOST_IDS = 40
"""Characters of a list of task ids that are shown, at most."""


def why_job(
    machine: Machine,
    now: float,
    seen: Seen | None = None,
    known: Sequence[Concern] | None = None,
) -> list[str]:
    """Return sentences that say why the job is in its state.

    Args:
        seen: How far its files were sent to nodes.
        known: What people must know of its nodes; None: what the machine alone tells.
    """
    return list(_job(machine, now, seen or {}, concerns(machine) if known is None else known))


def why_task(
    machine: Machine,
    task: int,
    now: float,
    seen: Seen | None = None,
    known: Sequence[Concern] | None = None,
) -> list[str]:
    """Return sentences that say why the task at this position is in its state; as `why_job`."""
    known = concerns(machine) if known is None else known
    said = list(_task(machine, task, now, seen or {}, known))
    left = sentences(machine, now, [c for c in known if c.kind == Known.UNATTENDED])
    return [*said, *(sentence for sentence in left if sentence not in said)]


def clip(ids: str) -> str:
    """Shorten a list of ids to MOST_IDS characters: "0-3,7,9, …"."""
    return ids if len(ids) <= MOST_IDS else f"{ids[:MOST_IDS].rpartition(',')[0]}, …"


# ---- the job ------------------------------------------------------------------------


def _job(m: Machine, now: float, seen: Seen, known: Sequence[Concern]) -> Iterator[str]:
    job, state = m.running_job, m.state
    if state is JobState.DONE:
        yield from _job_done(m, now, known)
        return
    age = _ago(now - job.submitted)
    match state:
        case JobState.PENDING:
            yield f"The job was submitted {age} ago and has not asked for a node yet."
        case JobState.PROVISIONING:
            yield f"The job was submitted {age} ago, and none of its nodes is ready yet."
        case _:
            yield f"The job runs: {_progress(m)}."
    said = verdict(m, now, known)
    yield from _verdict(m, now, said, known)
    yield from waiting_for(m, now)
    yield from _nodes(m, now, seen, [concern for concern in known if not tells(said, concern)])
    yield from noted(m)
    yield from _failures(m, attended=said.kind != Kind.UNATTENDED)
    if job.spec.job_timeout and job.running:
        left = job.running + job.spec.job_timeout - now
        yield f"Its --job-timeout ends in {_ago(left)}; unfinished tasks are stopped then."
    if not m.undone:
        if job.to_merge:
            yield f"Every task has ended; output files are being copied to {job.spec.sync}."
        else:
            yield "Every task has ended; it waits for its nodes to be released."


def _job_done(m: Machine, now: float, known: Sequence[Concern]) -> Iterator[str]:
    job, outcome = m.running_job, m.outcome
    took = _ago(job.closed - job.submitted)
    yield f"The job {_ended(outcome)} after {took}: {_progress(m)}."
    said = verdict(m, now, known)
    yield from _verdict(m, now, said, ())
    if job.spec.sync and not job.merges:
        yield f"To bring its output files: batchio wait {job.id} --sync {job.spec.sync}"
    if job.why and job.why not in said.text:
        yield f"It ended early: {job.why}."
    yield from sentences(m, now, [concern for concern in known if not tells(said, concern)])
    yield from noted(m)
    yield from _failures(m)
    if outcome is not Outcome.SUCCEEDED:
        yield f"To run the failed tasks again: batchio retry {job.id} --failed"


def _verdict(m: Machine, now: float, said: Verdict, known: Sequence[Concern]) -> Iterator[str]:
    """Yield the verdict with its command; nothing when all is well, as the first sentence says."""
    told = [concern for concern in known if tells(said, concern)]
    yield from sentences(m, now, told)
    if said.kind in CALM or told:
        return
    here = said.command == f"batchio explain {m.running_job.id}"
    yield f"{said.text}; type: {said.command}" if said.command and not here else f"{said.text}."


def _ended(outcome: Outcome) -> str:
    words = {
        Outcome.CANCELLED: "was cancelled",
        Outcome.TIMED_OUT: "timed out",
        Outcome.LOST: "was lost, because nodes were not available or failed,",
    }
    return words.get(outcome, outcome.label)


def _progress(m: Machine) -> str:
    """Return "10 of 12 tasks are done (9 succeeded, 1 failed), 2 run"."""
    tasks = m.tasks
    done = tasks.by_state[TaskState.DONE]
    parts = [
        f"{tasks.by_outcome[outcome]} {outcome.label.replace('_', ' ')}"
        for outcome in Outcome
        if outcome and tasks.by_outcome[outcome]
    ]
    said = f"{done} of {_count(tasks.count, 'task')} {'is' if done == 1 else 'are'} done"
    said += f" ({', '.join(parts)})" if parts else ""
    running = tasks.by_state[TaskState.RUNNING] + tasks.by_state[TaskState.COLLECTING]
    said += f", {running} {_s('run', running)}" if running else ""
    waiting = tasks.by_state[TaskState.PENDING] + tasks.by_state[TaskState.ASSIGNED]
    return said + (f", {waiting} {_s('wait', waiting)}" if waiting else "")


def _failures(m: Machine, *, attended: bool = False) -> Iterator[str]:
    for group in failure_groups(m, attempts=True, attended=attended)[:5]:
        last = f'; last words: "{group.last_words}"' if group.last_words else ""
        how = group.outcome.replace("_", " ")
        if group.cause != m.running_job.why:  # which the verdict says
            how += f" ({group.cause})"
        often = (
            f" after {_count(group.attempts, 'attempt')}" if group.attempts > group.count else ""
        )
        on = "; it still goes on" if group.going_on and group.attempts > 1 else ""
        if group.count:
            yield f"{_count(group.count, 'task')} {how}{often}: {clip(group.ids)}{last}{on}"
        else:
            what = _count(group.attempts, "attempt")
            yield f"{what} {how}, the newest of task {group.task}, and began anew{last}{on}"


def _nodes(m: Machine, now: float, seen: Seen, known: Sequence[Concern]) -> Iterator[str]:
    told = {concern.name for concern in known if concern.kind in (Known.SILENT, Known.TRYING)}
    for node in m.nodes:
        line = _node_trouble(node, now, seen)
        if line and not (node.name in told and node.state in (NodeState.BOOTING, NodeState.SILENT)):
            yield line
    said = m.offers is None and m.tasks.by_state[TaskState.PENDING]  # `closed` said so
    yield from sentences(m, now, [c for c in known if not (said and c.kind == Known.PROVIDER)])


def _node_trouble(node: Node, now: float, seen: Seen) -> str:
    since = _ago(now - node.since)
    match node.state:
        case NodeState.WANTED:
            return f"Node {node.name} was asked for {since} ago{_delayed(node, now)}."
        case NodeState.UNWANTED:
            return (
                f"Node {node.name} is not needed any more, but it is unknown whether it was "
                f"started{_delayed(node, now)}."
            )
        case NodeState.BOOTING:
            doing = preparing(node, seen)
            return f"Node {node.name} has been getting ready for {since}{doing and f': {doing}'}."
        case NodeState.SILENT:
            broke = f"The connection to node {node.name} broke {since} ago"
            return f"{broke}; its tasks may still be running."
        case NodeState.READY if node.deadline_at:
            left = _ago(node.deadline_at - now)
            return (
                f"Node {node.name} will be reclaimed in {left} ({node.why}); it gets no more tasks."
            )
        case NodeState.DRAINING if node.delayed:
            line = f"It waits for confirmation that node {node.name} is released"
            return f"{line}{_delayed(node, now)}.{_costs(node, now)}"
        case NodeState.DRAINING:
            return f"Node {node.name} is being released: {node.why}."
        case _:
            return ""


def _delayed(node: Node, now: float) -> str:
    """Return ": throttled; its provider is asked again in 4 s", or "" when it has answered."""
    again = _ago(node.again - now)
    return f": {node.delayed}; next try in {again}" if node.delayed else ""


def _costs(node: Node, now: float) -> str:
    """Return what to do about a node that could not be given back for LONG_S; else ""."""
    if now - node.since < LONG_S:
        return ""
    look = f"look for {node.handle} in your cloud account"
    return f" This has failed for {_ago(now - node.since)}: {look}."


# ---- one task -----------------------------------------------------------------------


def _task(m: Machine, at: int, now: float, seen: Seen, known: Sequence[Concern]) -> Iterator[str]:
    state = TaskState(m.tasks.state[at])
    row = row_at(m, at, now)
    if state is TaskState.DONE:
        yield from _task_done(m, at, row)
        return
    if state is TaskState.PENDING:
        yield from _task_pending(m, at, row, now, seen)
        if m.tasks.losses[at] < SUSPECT_LOSSES:
            yield from _nodes(m, now, seen, known)
    else:
        yield from _task_active(m, at, row, now)
    if m.tasks.stopping[at]:
        how = Outcome(m.tasks.stopping[at]).label.replace("_", " ")
        yield f"It is being stopped and will count as {how}."


def _task_pending(m: Machine, at: int, row: TaskRow, now: float, seen: Seen) -> Iterator[str]:
    yield f"Task {row.id} is waiting to run{_attempt(row)}."
    yield from _spent(m, at)
    due = m.queue._due.get(at)
    if due is not None and due > now:
        yield f"It waits for its backoff to pass: another {_ago(due - now)}."
        return
    if m.scheduler is not None and at in pinned(m.running_job.spec):
        yield f"It must run on the scheduler's node, {m.nodes[m.scheduler].name}."
    if m.tasks.losses[at] >= SUSPECT_LOSSES:
        yield "It waits for a node of its own, because nodes were lost while it ran."
        return
    yield closed(m, now) or no_room(m) or "It is next."


def _task_active(m: Machine, at: int, row: TaskRow, now: float) -> Iterator[str]:
    tasks, node = m.tasks, m.nodes[m.tasks.node[at]]
    match TaskState(tasks.state[at]):
        case TaskState.ASSIGNED:
            yield f"Task {row.id} was sent to node {node.name} and waits there for a free slot."
        case TaskState.RUNNING:
            ran = _ago(row.duration or 0.0)
            yield f"Task {row.id} has been running on node {node.name} for {ran}{_attempt(row)}."
            limit = m.running_job.spec.task_timeout
            if limit and row.duration is not None:
                yield f"Its --task-timeout ends in {_ago(limit - row.duration)}."
        case _:
            ended = f"Task {row.id} has ended{_how(row)}"
            yield f"{ended}; its output files are being copied from {node.name}."
    if node.state is NodeState.SILENT:
        yield _node_trouble(node, now, {})


def _task_done(m: Machine, at: int, row: TaskRow) -> Iterator[str]:
    outcome = Outcome(m.tasks.outcome[at])
    where = f" on node {row.node}" if row.node else ""
    after = f" after {_ago(row.duration)}" if row.duration is not None else ""
    ran = f"{_how(row)}{after}{where}{_attempt(row)}"
    match outcome:
        case Outcome.SUCCEEDED:
            yield f"Task {row.id} succeeded{after}{where}{_attempt(row)}."
            if row.reason:
                yield f"But its output files could not be copied: {row.reason}."
            return
        case Outcome.FAILED:
            refused = f": {row.reason}" if row.exit_code == 0 and row.reason else ""
            yield f"Task {row.id} failed{ran}{refused}."
        case Outcome.TIMED_OUT:
            yield f"Task {row.id} was stopped{after}{where}: {_which_timeout(m)}."
        case Outcome.CANCELLED:
            why = row.reason if row.reason not in ("", "cancelled") else m.running_job.why
            yield f"Task {row.id} was cancelled{after}{where}{f': {why}' if why else ''}."
        case _:
            yield f"Task {row.id} was lost{where}: {row.reason or 'its node was lost'}."
    yield from _causes(row)
    yield from explained(row.last_words)
    yield from _spent(m, at)
    yield from _no_more(m, at, row)
    yield f"To run it again: batchio retry {m.running_job.id} --task {row.id}"


def _how(row: TaskRow) -> str:
    """Return " with exit code 3" or ", killed by SIGKILL"; "" when neither is known."""
    if row.signal:
        return f", killed by {row.signal}"
    return f" with exit code {row.exit_code}" if row.exit_code is not None else ""


def _causes(row: TaskRow) -> Iterator[str]:
    """Yield the known or likely causes of an exit code or a signal."""
    if row.reason == "out of memory":
        peak = f" at a peak of {format_bytes(row.memory)}" if row.memory else ""
        yield f"It ran out of memory{peak}; to get more: --memory"
    elif row.reason == "could not be started":
        yield "It could not be started."
    elif row.signal == "SIGKILL" and not row.reason:
        yield "Something else killed it, often the kernel when memory runs out."
    elif row.exit_code is not None and row.exit_code > SHELL_SIGNAL_BASE:
        name = signal_name(row.exit_code - SHELL_SIGNAL_BASE)
        if name.startswith("SIG"):
            yield f"Exit code {row.exit_code} is how a shell reports {name}."


def _which_timeout(m: Machine) -> str:
    spec, job = m.running_job.spec, m.running_job
    if job.timed_out or not spec.task_timeout:
        return job.why or "the job reached its --job-timeout"
    return f"it ran longer than --task-timeout {format_duration(spec.task_timeout)}"


def _spent(m: Machine, at: int) -> Iterator[str]:
    """Yield how much of its two retry budgets the task has spent."""
    spec, tasks = m.running_job.spec, m.tasks
    if failures := tasks.failures[at]:
        yield f"Its program failed before: {failures} of {_count(spec.max_retries, 'retry')} used."
    if losses := tasks.losses[at]:
        yield (
            f"Its node was lost before: {losses} of {_count(spec.max_infra_retries, 'retry')} for "
            f"lost nodes used."
        )


def _no_more(m: Machine, at: int, row: TaskRow) -> Iterator[str]:
    """Yield why a failed task was not tried again."""
    spec, tasks = m.running_job.spec, m.tasks
    if row.outcome not in ("failed", "timed_out") or tasks.stopping[at]:
        return
    if not spec.max_retries:
        yield "It was not tried again: the job has no retries (--max-retries)."
    elif tasks.failures[at] < spec.max_retries and row.outcome == "failed":
        yield f"It was not tried again: {row.ending} is not in --retry-on."


def _attempt(row: TaskRow) -> str:
    return f" (attempt {row.attempt})" if row.attempt > 1 else ""


def _ago(seconds: float) -> str:
    return format_duration(max(seconds, 0.0))


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _s(verb: str, number: int) -> str:
    return f"{verb}s" if number == 1 else verb
