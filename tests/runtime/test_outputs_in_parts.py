"""Outputs that nodes put into the workspace's bucket themselves, and what may be in their way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.errors import JournalDown, WorkspaceError
from batchio.runtime import parts
from batchio.runtime.bringing import bring_outputs
from batchio.runtime.replay import Fold
from batchio.testing import Attempt, Ends, MemoryParts
from tests.core.machines import spec
from tests.runtime.test_head_in_bucket import BucketJob

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.runtime.copying import Download
    from batchio.testing import ScriptedNode

PART = 1 << 20
WHOLE = MemoryParts.read
LARGE = os.urandom(3_500_000)


class PartsJob(BucketJob):
    """A job in a bucket, whose nodes reach it unless they are told otherwise."""

    def __init__(self, root: Path, count: int = 1, **options: Any) -> None:
        def leaves(attempt: Attempt) -> Ends:
            return Ends(leaves={"large": LARGE, "id": b"%d" % attempt.task})

        super().__init__(root, spec(count, **options), leaves)
        self.outputs = MemoryParts(direct=True)
        self.store.parts = lambda: self.outputs  # type: ignore[attr-defined]
        self.provider.on_node = self.prepare
        self.refuses: dict[str, str] = {}
        """Why the store refuses, by URL."""

    def prepare(self, node: ScriptedNode) -> None:
        node.puts = self.put

    def put(self, url: str, data: bytes) -> str:
        if why := self.refuses.get(url, self.refuses.get("*", "")):
            return why
        self.outputs.take(url, data)
        return ""

    def bring(self, to: Path, **more: Any) -> Download:
        fold = Fold(self.store.reader())
        fold.catch_up()
        return bring_outputs(self.store.store, self.outputs, fold.machine.running_job, to, **more)

    def told(self, tag: str) -> list[Any]:
        """What the nodes were told with this tag."""
        nodes = self.provider.nodes.values()
        return [said for node in nodes for said in node.heard if said[0] == tag]

    def notes(self) -> list[str]:
        return [note.text for note in self.journaled(ev.Noted)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", PART)
    monkeypatch.setattr(parts, "PART_HERE", PART)


def arrived(folder: Path, task: int = 0) -> bool:
    return (folder / str(task) / "large").read_bytes() == LARGE and (
        folder / str(task) / "id"
    ).read_text() == str(task)


def test_a_node_stores_parts_and_nothing_passes_the_head(tmp_path: Path) -> None:
    job = PartsJob(tmp_path)

    assert job.lead() is Outcome.SUCCEEDED
    assert job.told("fetch") == []
    assert job.notes() == []
    assert [part.size for part in job.outputs.kept()[0].parts][:3] == [PART] * 3
    assert job.bring(tmp_path / "out").tasks == 1
    assert arrived(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0"]


def test_what_a_node_cannot_store_comes_through_the_head_and_that_is_noted_once(
    tmp_path: Path,
) -> None:
    job = PartsJob(tmp_path, count=3, slots=1)
    job.refuses["*"] = "HTTP Error 403: Forbidden: Request has expired"

    assert job.lead() is Outcome.SUCCEEDED
    job.bring(tmp_path / "out")
    assert [arrived(tmp_path / "out", task) for task in range(3)] == [True] * 3
    assert job.notes() == [f"scripted: outputs come through the head instead: {job.refuses['*']}"]
    assert len(job.told("store")) == 1
    assert len(job.told("fetch")) == 3


def test_what_a_node_sends_after_it_gave_up_takes_no_parts_place(tmp_path: Path) -> None:
    job = PartsJob(tmp_path)
    sent: list[tuple[str, bytes]] = []

    def slow(url: str, data: bytes) -> str:
        sent.append((url, data))
        return "timed out"

    job.provider.on_node = lambda node: setattr(node, "puts", slow)

    assert job.lead() is Outcome.SUCCEEDED
    for url, _ in sent:
        job.outputs.take(url, b"what was on its way")
    job.bring(tmp_path / "out")
    assert sent
    assert arrived(tmp_path / "out")


def test_after_a_broken_connection_to_the_node_it_is_asked_for_all_parts_again(
    tmp_path: Path,
) -> None:
    job = PartsJob(tmp_path)
    node: list[ScriptedNode] = []
    broke: list[str] = []

    def put(url: str, data: bytes) -> str:
        if url.endswith(".2") and not broke:
            broke.append(url)
            node[0].go_silent()
            job.clock.call_at(job.clock.now() + 20, node[0].come_back)
        return job.put(url, data)

    def prepare(one: ScriptedNode) -> None:
        node.append(one)
        one.puts = put

    job.provider.on_node = prepare

    assert job.lead() is Outcome.SUCCEEDED
    assert broke
    job.bring(tmp_path / "out")
    assert arrived(tmp_path / "out")


def test_while_the_store_refuses_the_head_too_outputs_wait_and_no_program_runs_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = PartsJob(tmp_path)
    down = True

    def keep(*about: Any) -> None:
        if down:
            raise WorkspaceError("no room", where="s3://mine")
        MemoryParts.keep(job.outputs, *about)

    monkeypatch.setattr(job.outputs, "keep", keep)

    def up() -> None:
        nonlocal down
        down = False

    assert job.lead((100, up)) is Outcome.SUCCEEDED
    assert len(job.provider.began) == 1
    assert "output files cannot be saved in memory:parts" in job.notes()[0]
    assert "no room" in job.notes()[0]
    job.bring(tmp_path / "out")
    assert arrived(tmp_path / "out")


def test_more_than_the_limit_is_refused_and_no_record_says_that_it_is_there(
    tmp_path: Path,
) -> None:
    job = PartsJob(tmp_path, max_output=2_000_000)

    assert job.lead() is Outcome.FAILED
    assert job.outputs.kept() == {}


def test_parts_of_attempts_that_were_given_up_are_gone_when_the_job_is_done(
    tmp_path: Path,
) -> None:
    job = PartsJob(tmp_path, count=2, max_output=2_000_000)
    assert job.lead() is Outcome.FAILED
    assert job.outputs.stored() == []

    job = PartsJob(tmp_path / "again", count=2)
    assert job.lead() is Outcome.SUCCEEDED
    first = job.outputs.stored()
    job.store.ask({"kind": "retry", "tasks": [1], "all": True})
    assert job.lead() is Outcome.SUCCEEDED
    assert {(task, attempt) for task, attempt, _ in first} == {(0, 1), (1, 1)}
    assert {(task, attempt) for task, attempt, _ in job.outputs.stored()} == {(0, 1), (1, 2)}


def test_parts_that_cannot_be_deleted_do_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = PartsJob(tmp_path)

    def sweep() -> None:
        raise JournalDown("it does not answer")

    monkeypatch.setattr(job.outputs, "sweep", sweep)

    assert job.lead() is Outcome.SUCCEEDED
    assert "parts of outputs that nobody needs stay in memory:parts: it does not" in caplog.text


# --- bringing them -----------------------------------------------------------


@pytest.fixture
def done(tmp_path: Path) -> PartsJob:
    """A job of two tasks that has succeeded."""
    job = PartsJob(tmp_path, count=2)
    assert job.lead() is Outcome.SUCCEEDED
    return job


def test_a_damaged_part_is_named_and_nothing_of_that_task_is_put_in_place(
    done: PartsJob, tmp_path: Path
) -> None:
    done.outputs.put(1, 1, 1, bytes(PART))

    with pytest.raises(WorkspaceError, match="part 1 of the outputs of task 1 is not what was"):
        done.bring(tmp_path / "out")
    assert arrived(tmp_path / "out", 0)
    assert not (tmp_path / "out/1").exists()


def test_what_was_interrupted_goes_on_at_the_next_task(
    done: PartsJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    cut = True

    def reading(
        self: MemoryParts, task: int, attempt: int, part: int, start: int = 0
    ) -> Iterator[bytes]:
        read.append(task)
        if cut and task == 1:
            raise KeyboardInterrupt
        yield from WHOLE(self, task, attempt, part, start)

    monkeypatch.setattr(MemoryParts, "read", reading)
    with pytest.raises(KeyboardInterrupt):
        done.bring(tmp_path / "out")
    assert set(read) == {0, 1}
    read.clear()
    cut = False

    assert done.bring(tmp_path / "out").tasks == 2
    assert set(read) == {1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0", "1"]


def test_what_breaks_off_is_read_from_where_it_broke(
    done: PartsJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int]] = []

    def reading(
        self: MemoryParts, task: int, attempt: int, part: int, start: int = 0
    ) -> Iterator[bytes]:
        asked.append((task, part, start))
        data = b"".join(WHOLE(self, task, attempt, part, start))
        yield data[:1000]
        if len(asked) == 1:
            raise JournalDown("it does not answer")
        yield data[1000:]

    monkeypatch.setattr(MemoryParts, "read", reading)
    done.bring(tmp_path / "out")

    assert asked[:3] == [(0, 0, 0), (0, 0, 1000), (0, 1, 0)]
    assert arrived(tmp_path / "out", 0)
    assert arrived(tmp_path / "out", 1)


def test_a_store_that_stays_away_ends_it_with_its_words(
    done: PartsJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reading(*_: Any) -> Iterator[bytes]:
        raise JournalDown("it does not answer")
        yield b""

    monkeypatch.setattr(MemoryParts, "read", reading)
    with pytest.raises(JournalDown, match="it does not answer"):
        done.bring(tmp_path / "out")


def test_a_newer_file_of_the_users_is_kept_and_that_is_said(done: PartsJob, tmp_path: Path) -> None:
    (tmp_path / "out/0").mkdir(parents=True)
    (tmp_path / "out/0/id").write_text("mine")
    os.utime(tmp_path / "out/0/id", (2_000_000_000, 2_000_000_000))

    [said] = done.bring(tmp_path / "out").kept
    assert "id~" in said
    assert (tmp_path / "out/0/id~").read_text() == "mine"
    assert arrived(tmp_path / "out", 0)
