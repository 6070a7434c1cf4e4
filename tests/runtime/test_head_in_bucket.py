"""Whole jobs whose workspace is a bucket: whatever dies and whenever, they end as in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.errors import LeaseHeld
from batchio.runtime.replay import Fold
from batchio.stores.bucket import BucketWorkspace
from batchio.testing import Attempt, Ends, FakeClock, ScriptedProvider
from tests.core.machines import spec
from tests.mortal import Crash, MortalStore
from tests.runtime.jobs import Job, runs
from tests.stores.moody import MOODS, Mood, MoodyBucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchio.core.spec import JobSpec


class BucketJob(Job):
    """One job in a bucket in memory that may have moods."""

    def __init__(
        self, root: Path, job: JobSpec, script: Callable[[Attempt], Ends], **nodes: Any
    ) -> None:
        self.clock = FakeClock()
        self.provider = ScriptedProvider(self.clock, script, **nodes)
        self.place = BucketWorkspace("memory:///", root / "copies")
        self.moody = MoodyBucket(self.place._bucket)
        self.place._bucket = cast("Any", self.moody)
        with self.place.draft(self.clock.now()) as draft:
            draft.commit([ev.encode(ev.JobSubmitted(self.clock.now(), draft.id, job.to_json()))])
        self.id = draft.id
        self.store = MortalStore(self.place.job(self.id))
        self.asked = 0

    def journaled(self, kind: type[ev.Event]) -> list[Any]:
        return [event for _, event in self.store.reader().events() if isinstance(event, kind)]


def five(root: Path) -> BucketJob:
    """A job of five tasks on two slots, of which one leaves a file."""
    return BucketJob(
        root,
        spec(5, collect=str(root / "out")),
        lambda attempt: Ends(seconds=5, leaves={"a": b"1"} if attempt.task == 1 else None),
        slots=2,
    )


def need_all(job: BucketJob) -> None:
    """Every task ran once, nothing is left, and a reader sees what the head knew."""
    assert runs(job) == [(task, 1) for task in range(5)]
    assert job.provider.rented == set()
    parts = job.store.parts()
    [(task, kept)] = parts.kept().items()
    data = b"".join(parts.read(task, kept.attempt, kept.first))
    assert (task, [crc32(data)]) == (1, [part.crc32 for part in kept.parts])
    fold = Fold(job.store.reader())
    fold.catch_up()
    assert fold.machine.outcome is Outcome.SUCCEEDED
    assert job.store.leader() is None


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_a_job_ends_the_same_at_whichever_write_its_head_dies(
    tmp_path: Path, *, written: bool
) -> None:
    fatal, crashed = 1, True
    while crashed:
        root = tmp_path / str(fatal)
        job = five(root)
        job.store.written = written
        job.store.fatal = lambda nth, _, fatal=fatal: nth == fatal
        try:
            outcome = job.lead()
            crashed = False
        except Crash:
            job.store.fatal = None
            outcome = job.lead()
        assert outcome is Outcome.SUCCEEDED
        need_all(job)
        fatal += 1

    assert fatal > 10, "the job has many steps, and each was a place to die"


class Cut(Exception):
    """The process has ended in the middle of a request."""


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_job_ends_the_same_at_whichever_request_to_the_bucket_its_head_dies(
    tmp_path: Path, *, carried_out: bool
) -> None:
    fatal, crashed = 1, True
    while crashed:
        root = tmp_path / str(fatal)
        job = five(root)
        crashed = _lead_until(job, fatal, carried_out=carried_out)
        assert job.lead() is Outcome.SUCCEEDED
        need_all(job)
        fatal += 1

    assert fatal > 20, "the head asks the bucket for many things"


def _lead_until(job: BucketJob, fatal: int, *, carried_out: bool) -> bool:
    """Lead the job until its process dies in a write, whose lease then nobody renews."""
    writes, died = 0, False

    def mood(verb: str, key: str) -> Mood:
        nonlocal writes, died
        writes += verb in ("put", "put_new", "swap", "delete")
        died = died or writes == fatal
        if died and not (carried_out and writes == fatal):
            raise Cut
        return "well"

    job.moody.mood = mood
    try:
        job.lead()
    except (Cut, BaseExceptionGroup):
        assert died
    finally:
        job.moody.mood = lambda verb, key: "well"
    if died:  # 60 seconds later
        job.moody.delete([f"jobs/{job.id}/lease"])
    return died


@pytest.mark.parametrize("mood", MOODS)
def test_a_job_whose_bucket_takes_every_third_write_badly_ends_well(
    tmp_path: Path, mood: Mood
) -> None:
    job = five(tmp_path)
    asked = 0

    def every_third(verb: str, key: str) -> Mood:
        nonlocal asked
        asked += verb == "put_new" and "journal" in key
        return mood if asked % 3 == 2 and verb == "put_new" else "well"

    job.moody.mood = every_third

    assert job.lead() is Outcome.SUCCEEDED
    need_all(job)


def test_while_the_bucket_does_not_answer_tasks_run_on_and_then_all_goes_on(
    tmp_path: Path,
) -> None:
    job = five(tmp_path)

    def down() -> None:
        job.moody.mood = lambda verb, key: "down"

    def up() -> None:
        job.moody.mood = lambda verb, key: "well"

    assert job.lead((2, down), (602, up), limit=2000) is Outcome.SUCCEEDED
    need_all(job)
    assert any("did not answer" in note.text for note in job.journaled(ev.Noted))


def test_a_head_that_was_taken_over_ends_and_the_other_finishes(tmp_path: Path) -> None:
    job = BucketJob(tmp_path, spec(1), lambda _: Ends(seconds=900))

    def rob() -> None:
        job.moody.delete([f"jobs/{job.id}/lease"])
        job.place.job(job.id).lead()

    with pytest.raises(LeaseHeld, match="another head has taken over"):
        job.lead((100, rob), limit=200)
    job.moody.delete([f"jobs/{job.id}/lease"])

    assert job.lead() is Outcome.SUCCEEDED
    assert [head.epoch for head in job.journaled(ev.HeadStarted)] == [1, 3]
    assert runs(job) == [(0, 1)]


def test_a_request_from_anywhere_reaches_the_head(tmp_path: Path) -> None:
    job = BucketJob(tmp_path, spec(2), lambda _: Ends(seconds=900))

    def cancel() -> None:
        job.place.job(job.id).ask({"kind": "cancel"})

    assert job.lead((5, cancel), limit=100) is Outcome.CANCELLED
    assert job.store.asked() == []


def test_looking_for_requests_costs_one_request_a_second_while_nobody_rings(
    tmp_path: Path,
) -> None:
    job = BucketJob(tmp_path, spec(1), lambda _: Ends(seconds=300))

    assert job.lead() is Outcome.SUCCEEDED
    bells = [key for _, key in job.moody.requests if key.endswith("/bell")]
    assert 290 <= len(bells) <= 310
    assert [key for verb, key in job.moody.requests if "inbox" in key and verb == "keys"] == []
    assert len(job.moody.requests) - len(bells) < 110


def test_a_long_task_costs_two_segments_and_an_hour_few_other_writes(tmp_path: Path) -> None:
    job = BucketJob(
        tmp_path, spec(100), lambda attempt: Ends(seconds=60 + attempt.task % 30), nodes=10
    )

    assert job.lead() is Outcome.SUCCEEDED
    segments = [key for verb, key in job.moody.requests if verb == "put_new" and "/journal/" in key]
    writes = [verb for verb, _ in job.moody.requests if verb in ("put", "put_new", "swap")]
    assert len(segments) <= 2.2 * 100
    assert len(writes) - len(segments) <= 50 + 1000 * job.clock.passed / 3600
