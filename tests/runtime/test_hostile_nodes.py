"""A node that sends what no agent of ours sends is lost alone: its head and all others go on."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.plan import Offer
from batchio.core.task import Outcome
from batchio.runtime.remarks import MOST
from batchio.runtime.setup import setup_for
from batchio.stores.log_records import read_records
from batchio.testing import Attempt, Ends
from batchio.testing.memory_logs import MemorySink
from tests.core.machines import spec
from tests.runtime.garbage import BAD_FRAMES, BAD_MESSAGES, RECORD, bad_records, message
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.testing.agents import Line
    from batchio.testing.nodes import ScriptedNode

CASES: list[bytes] = [
    *BAD_FRAMES.values(),
    *(message(*said) for said in BAD_MESSAGES if isinstance(said, list)),
    *(message("done", 1, [record]) for record in bad_records()),
]


def says_instead(node: ScriptedNode, tag: str, data: bytes) -> None:
    """Where it is told `tag`, the node sends these bytes, and does nothing."""
    hear = node.hear

    def heard(line: Line, told: list[Any]) -> None:
        if told[0] == tag:
            node.heard.append(told)
            line.reader.feed_data(data)
        else:
            hear(line, told)

    node.hear = heard  # type: ignore[method-assign,assignment]


def hosts(count: int) -> list[Offer]:
    return [Offer(f"h{number}", limit=1, slots=1) for number in range(count)]


def job_of(tmp_path: Path, tag: str, cases: list[bytes]) -> Job:
    """One task a node; every node but the last sends one of these when it is told `tag`."""
    job = Job(
        tmp_path,
        spec(len(cases) + 1, max_infra_retries=9, max_workers=None),
        lambda _: Ends(seconds=30),
        offers=hosts(len(cases) + 1),
    )
    job.provider.on_node = lambda node: (
        says_instead(node, tag, cases[int(node.name[1:])]) if int(node.name[1:]) < len(cases) else 0
    )
    return job


@pytest.mark.parametrize("tag", ["hello", "setup", "start", "ping"])
def test_each_node_that_talks_garbage_is_lost_and_all_its_tasks_run_elsewhere(
    tmp_path: Path, tag: str
) -> None:
    few = tag in ("setup", "ping")
    cases = [case for case in CASES[:: 15 if few else 3] if b'["refused"' not in case]
    job = job_of(tmp_path, tag, cases)

    assert job.lead(limit=100_000) is Outcome.SUCCEEDED
    lost = job.journaled(ev.NodeLost)
    assert len(lost) == len(cases)
    assert {event.final for event in lost} == {True}
    assert all("its agent does not speak our protocol: " in event.why for event in lost)
    assert not any(job.provider.nodes[f"n{n}"].running for n in range(len(cases) + 1))


def test_a_job_on_such_nodes_alone_ends_by_itself(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3), nodes=1)
    job.provider.on_node = lambda node: says_instead(node, "start", message("done", 1, [[0]]))

    assert job.lead() is Outcome.LOST
    assert not job.provider.nodes["n0"].listens("/n0/s")


@pytest.mark.parametrize("tag", ["setup", "start"])
def test_a_node_that_refuses_what_it_is_told_is_lost_and_not_asked_for_ever(
    tmp_path: Path, tag: str
) -> None:
    job = job_of(tmp_path, tag, [message("refused", "memory is no number")])

    assert job.lead(limit=100_000) is Outcome.SUCCEEDED
    [lost] = job.journaled(ev.NodeLost)
    assert lost.final
    assert "it refuses what it is told: memory is no number" in lost.why


@pytest.mark.parametrize("data", [message("done", "x", []), BAD_FRAMES["that is no JSON"]])
def test_a_job_on_such_a_node_can_be_cancelled(tmp_path: Path, data: bytes) -> None:
    job = Job(tmp_path, spec(2), lambda _: Ends(seconds=500))
    job.provider.on_node = lambda node: says_instead(node, "stop", data)

    assert job.lead((5, lambda: job.ask(kind="cancel", why="enough"))) is Outcome.CANCELLED


def test_a_node_that_says_good_bye_in_garbage_is_tidied_up_by_hand(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1))
    job.provider.on_node = lambda node: says_instead(node, "bye", b"HTTP/1.1 400 Bad Request")

    assert job.lead() is Outcome.SUCCEEDED
    assert job.provider.nodes["n0"].removals == 1


def test_what_fails_in_a_session_costs_the_node_and_not_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No input is known that does this: a mistake of ours is made for the test."""
    monkeypatch.setattr(
        "batchio.runtime.session.setup_for",
        lambda *args: 1 // 0 if args[1] == 0 else setup_for(*args),
    )
    job = Job(tmp_path, spec(2), offers=hosts(2))

    assert job.lead() is Outcome.SUCCEEDED
    [lost] = job.journaled(ev.NodeLost)
    assert lost.why.startswith("batchio failed there (ZeroDivisionError: ")
    assert "Traceback" in caplog.text


def test_a_node_leaves_each_note_once_and_not_more_than_a_few(tmp_path: Path) -> None:
    flood = b"".join(message("trouble", f"no {n // 2}: " + "x" * 9000) for n in range(3_000))
    job = Job(tmp_path, spec(1))
    job.provider.on_node = lambda node: says_instead(node, "ping", flood)

    assert job.lead() is Outcome.SUCCEEDED
    notes = [event.text for event in job.journaled(ev.Noted)]
    assert len(notes) == len(set(notes)) == MOST + 1
    assert notes[-1] == f"scripted has more than {MOST} notes; the rest is left out"
    assert max(map(len, notes)) < 5000


def test_what_tasks_print_waits_on_the_node_while_there_is_no_room_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, spec(4), lambda attempt: Ends(seconds=10, stdout=b"line\n" * 100))
    write, begun = MemorySink.write, job.clock.now()

    async def full(self: MemorySink, offset: int, data: memoryview) -> None:
        if job.clock.now() < begun + 25:
            raise OSError(errno.ENOSPC, "No space left on device")
        await write(self, offset, data)

    monkeypatch.setattr(MemorySink, "write", full)

    assert job.lead() is Outcome.SUCCEEDED
    assert runs(job) == [(task, 1) for task in range(4)]
    assert not job.journaled(ev.NodeSilent)
    notes = {(note.node, note.waits): note.text for note in job.journaled(ev.Noted)}
    why = "No space left on device"
    for number, name in enumerate(job.provider.nodes):
        told = f"{name}: the output of its tasks cannot be saved here for now: {why}"
        assert notes.pop((number, True)) == told
        assert notes.pop((number, False)) == f"{name}: the output of its tasks is saved again"
    assert notes == {}
    printed = read_records(job.store.logs(), 0)
    assert [record.task for record in printed] == [0, 1, 2, 3]


def test_times_of_a_node_whose_clock_is_set_lie_never_ahead(tmp_path: Path) -> None:
    late = [*RECORD[:4], 2e10, 3e10, *RECORD[6:9], 0, 0, 0, ""]
    job = Job(tmp_path, spec(1))
    job.provider.on_node = lambda node: says_instead(node, "start", message("done", 1, [late]))

    assert job.lead() is Outcome.SUCCEEDED
    [event] = job.journaled(ev.TasksFinished)
    assert event.records[0].ended <= event.at + 2


def test_a_node_that_lost_its_spool_loses_no_line_of_what_runs_there_after(tmp_path: Path) -> None:
    def script(attempt: Attempt) -> Ends:
        return Ends(seconds=20, stdout=f"{attempt.task} of {attempt.number}\n".encode() * 50)

    job = Job(tmp_path, spec(4), script)

    def reboot() -> None:
        node = job.provider.nodes["n0"]
        node.kill()
        node.forget()
        node.cut()

    assert job.lead((50, reboot)) is Outcome.SUCCEEDED
    printed = {(r.task, r.attempt): r.payload for r in read_records(job.store.logs(), 0)}
    assert printed.keys() == {(0, 1), (1, 1), (2, 2), (3, 1)}
    tasks = job.machine.tasks
    for task in range(4):
        found = read_records(job.store.logs(), 0, tasks.log_from[task], tasks.log_to[task])
        assert [record.task for record in found] == [task]
