"""A list is right at any moment, and opens no journal of a job that is led or done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from batchio.core.cards import TOPIC, card_of
from batchio.core.events import JobSubmitted, TasksFinished, encode
from batchio.core.job import JobState
from batchio.core.task import Outcome
from batchio.core.views import JobSummary, job_summary
from batchio.errors import JournalFull
from batchio.runtime.cards import EVERY_S, list_cards, read_card, unattended, watch_cards
from batchio.runtime.host import plainly
from batchio.stores import journal_file
from batchio.stores.folder import FolderWorkspace
from batchio.stores.folder_job import FolderJobStore
from batchio.testing import Ends, FakeClock, MemoryJobStore, MemoryWorkspace
from tests.core.machines import replay, spec
from tests.making import bodies, make
from tests.mortal import Crash
from tests.runtime.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

A, B, C = "2b7l9lg7dl", "2b7l9lhbbb", "2b7m222222"


def listed(job: Job) -> JobSummary:
    [row] = list_cards(job.workspace, None, job.clock)
    return row


def refuse_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise AssertionError("a journal was opened")

    monkeypatch.setattr(MemoryJobStore, "reader", refuse)
    monkeypatch.setattr(FolderJobStore, "reader", refuse)


# --- the head keeps it -------------------------------------------------------------------


def test_the_card_of_a_job_that_is_led_or_done_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=10))
    seen: list[JobSummary] = []

    def look() -> None:
        with monkeypatch.context() as patched:
            refuse_readers(patched)
            seen.append(listed(job))

    job.lead(*((at, look) for at in (1, 12, 23)))
    look()

    assert [row.counts.succeeded for row in seen] == [0, 1, 2, 3]
    assert [row.standing for row in seen] == ["running", "running", "running", "succeeded"]
    assert seen[-1] == job_summary(job.machine, job.clock.now())


def test_a_card_is_written_when_the_state_changes_and_else_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, spec(2000), lambda _: Ends(seconds=0.1), slots=10)
    shown: list[tuple[float, str]] = []
    real = MemoryJobStore.show

    def show(store: MemoryJobStore, topic: str, facts: Mapping[str, Any]) -> None:
        if topic == TOPIC:
            shown.append((job.clock.now(), facts["state"]))
        real(store, topic, facts)

    monkeypatch.setattr(MemoryJobStore, "show", show)
    assert job.lead() is Outcome.SUCCEEDED

    changes = len(JobState) + 2  # and when the head comes and goes
    assert len(shown) <= job.clock.passed / EVERY_S + changes
    assert len(job.past.batches) > 3 * len(shown)
    assert [state for _, state in shown][-1] == "done"


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_wherever_a_head_dies_the_list_says_what_the_journal_says(
    tmp_path: Path, *, written: bool
) -> None:
    fatal, crashed = 1, True
    while crashed:
        job = Job(tmp_path / str(fatal), spec(3), lambda _: Ends(seconds=5), slots=2)
        job.store.written = written
        job.store.fatal = lambda nth, _, fatal=fatal: nth == fatal
        try:
            job.lead()
            crashed = False
        except Crash:
            row = listed(job)
            assert row == job_summary(job.machine, job.clock.now(), attended=row.attended)
            assert (row.attended is False) == bool(unattended(job.workspace, None, job.clock))
            led = job.machine.running_job.epoch > 0
            assert unattended(job.workspace, None, job.clock) == [job.id] * led * (
                not listed(job).finished
            )
            job.store.fatal = None
            job.lead()
        assert listed(job) == job_summary(job.machine, job.clock.now())
        assert unattended(job.workspace, None, job.clock) == []
        fatal += 1

    assert fatal > 6


def test_a_head_that_could_not_write_leaves_no_card_that_says_more_than_the_journal(
    tmp_path: Path,
) -> None:
    job = Job(tmp_path, spec(3), lambda _: Ends(seconds=10))

    def fill() -> None:
        job.past.full = True

    with pytest.raises(JournalFull):
        job.lead((5, fill))

    assert listed(job) == job_summary(job.machine, job.clock.now(), attended=False)


# --- a reader makes it anew --------------------------------------------------------------


@pytest.mark.parametrize("left", ["", "{", "[]", '{"layout": 99}'])
def test_a_card_that_is_missing_torn_or_of_another_batchio_is_made_from_the_journal(
    tmp_path: Path, left: str
) -> None:
    workspace = FolderWorkspace(tmp_path)
    make(workspace, A, [encode(JobSubmitted(5.0, A, spec(3).to_json()))])
    store = workspace.job(A)
    if left:
        (store.folder / "card.json").write_text(left)

    expected = card_of(replay(bodies(store)), 0.0, is_open=False)
    assert read_card(store) == expected
    assert list_cards(workspace, None, FakeClock())[0].counts.total == 3
    card = store.folder / "card.json"
    assert (card.read_text() if card.exists() else "") == left


def test_a_card_that_cannot_be_replaced_is_removed(tmp_path: Path) -> None:
    workspace = FolderWorkspace(tmp_path)
    store = workspace.job(make(workspace, A, [encode(JobSubmitted(5.0, A, spec(3).to_json()))]))
    store.show(TOPIC, {"layout": 1})
    (store.folder / "card.part").mkdir()  # stands for a disk without room

    store.show(TOPIC, {"layout": 1, "open": True})

    assert store.shown(TOPIC) == {}
    assert read_card(store)["counts"]["total"] == 3


def test_a_job_that_is_damaged_locked_or_being_removed_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "BUSY_S", 0.01)
    workspace = FolderWorkspace(tmp_path)
    for job in (A, B, C):
        make(workspace, job, [encode(JobSubmitted(5.0, job, spec(1).to_json()))], name=f"n{job}")
    (workspace.job(A).folder / "journal.sqlite").write_bytes(b"no database")
    path = workspace.job(B).folder / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")

        first, second, third = list_cards(workspace, None, FakeClock())

        assert unattended(workspace, None, FakeClock()) == [
            C
        ]  # submitted long ago, and no head ever came

    assert (first.id, first.standing) == (C, "unattended")
    assert (second.id, second.standing, second.name) == (B, "unreadable", f"n{B}")
    assert second.why.startswith(f"another program has locked the journal {path}")
    assert (third.id, third.standing) == (A, "unreadable")
    assert f"the journal {workspace.job(A).folder}/journal.sqlite is damaged" in third.why


def test_a_job_that_is_removed_between_two_looks_is_not_listed(tmp_path: Path) -> None:
    class Removing(MemoryWorkspace):
        def jobs(self) -> list[str]:
            found = super().jobs()
            self._jobs.pop(A, None)
            return found

    workspace = Removing(tmp_path)
    for job in (A, B):
        make(workspace, job, [encode(JobSubmitted(5.0, job, spec(1).to_json()))])

    assert [row.id for row in list_cards(workspace, None, FakeClock())] == [B]


def test_finished_tasks_count_although_the_head_died_with_an_older_card(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(4), lambda _: Ends(seconds=0.2), slots=1)
    seen: list[int] = []

    def fatal(nth: int, events: Any) -> bool:
        seen.extend('["f"' in body for body in events)
        return sum(seen) == 3

    job.store.fatal = fatal
    with pytest.raises(Crash):
        job.lead()

    ended = sum(len(event.records) for event in job.journaled(TasksFinished))
    assert ended >= 3
    assert listed(job).counts.succeeded == ended


def test_a_list_that_is_watched_is_told_when_it_changes_and_not_else(tmp_path: Path) -> None:
    """Each look makes something happen, or nothing; only what happened is told."""
    workspace = FolderWorkspace(tmp_path / "ws")
    made = [encode(JobSubmitted(0.0, job, spec(1).to_json())) for job in (A, B)]

    class Looks(FakeClock):
        """Between looks: nothing, a job, nothing, another."""

        left: ClassVar = [None, (A, made[0]), None, (B, made[1])]

        async def sleep(self, seconds: float) -> None:
            if (new := self.left.pop(0)) is not None:
                make(workspace, new[0], [new[1]])

    async def work() -> list[list[str]]:
        watched = watch_cards(workspace, None, Looks())
        return [[row.id for row in await anext(watched)] for _ in range(3)]

    assert plainly(work()) == [[], [A], [B, A]]
