"""Outputs on their way back while nodes and heads fail: nothing is sent twice without need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.task import Outcome
from batchio.runtime import placing
from batchio.testing import Attempt, Ends
from tests.core.machines import spec
from tests.mortal import Crash
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.testing import ScriptedNode

LARGE = os.urandom(3_000_000)
BROKEN_AT = 1_000_000


def collecting(tmp_path: Path, left: dict[str, bytes] | None = None, **options: Any) -> Job:
    """A job of one task, whose node's connection breaks while its output is on the way."""
    left = left or {"large": LARGE}
    wanted = spec(1, collect=str(tmp_path / "out"), **options)
    job = Job(tmp_path, wanted, lambda _: Ends(leaves=left), nodes=2)
    job.provider.on_node = break_once
    return job


def break_once(node: ScriptedNode) -> None:
    node.breaks_after = BROKEN_AT if node.name == "n0" else None


def asked(job: Job) -> list[list[int]]:
    """From which byte on outputs were asked for, node by node."""
    return [
        [said[3] if len(said) > 3 else 0 for said in node.heard if said[0] == "fetch"]
        for node in job.provider.nodes.values()
    ]


def arrived(tmp_path: Path) -> bool:
    names = [path.name for path in (tmp_path / "out").iterdir()]
    return names == ["0"] and (tmp_path / "out/0/large").read_bytes() == LARGE


def notes(job: Job) -> list[str]:
    return [note.text for note in job.journaled(ev.Noted)]


def test_after_a_broken_connection_only_the_rest_is_sent(tmp_path: Path) -> None:
    job = collecting(tmp_path)

    assert job.lead() is Outcome.SUCCEEDED
    assert asked(job) == [[0, BROKEN_AT]]
    assert arrived(tmp_path)
    assert notes(job) == []


def test_a_node_may_be_silent_for_a_minute_in_between(tmp_path: Path) -> None:
    job = collecting(tmp_path)

    def away() -> None:
        node = job.provider.nodes["n0"]
        node.go_silent()
        job.clock.call_at(job.clock.now() + 60, node.come_back)

    assert job.lead((1.01, away)) is Outcome.SUCCEEDED
    assert asked(job) == [[0, BROKEN_AT]]
    assert arrived(tmp_path)


@pytest.mark.parametrize(
    ("still_there", "has"),
    [
        ({}, "0 of 1"),
        ({"large": b""}, "0 of 3000000 bytes"),
        ({"large": LARGE[:-1]}, "2999999 of 3000000 bytes"),
    ],
    ids=["a disk in memory", "what was never written down", "cut short"],
)
def test_what_a_reboot_took_is_made_again_and_never_taken_for_all(
    tmp_path: Path, still_there: dict[str, bytes], has: str
) -> None:
    left = {"large": LARGE}
    job = collecting(tmp_path, left)

    def reboot() -> None:
        job.provider.nodes["n0"].restart()
        left.clear()
        left.update(still_there)
        job.clock.call_at(job.clock.now() + 1, lambda: left.update(large=LARGE))

    assert job.lead((1.01, reboot)) is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (0, 2)]
    assert arrived(tmp_path)
    assert [said.why for said in job.journaled(ev.TasksCollected)] == [
        f"its output files could not be saved: n0 had {has} when its agent was restarted",
        "",
    ]


def test_a_new_agent_sends_all_of_it_and_that_is_said(tmp_path: Path) -> None:
    job = collecting(tmp_path)

    assert job.lead((1.01, lambda: job.provider.nodes["n0"].restart())) is Outcome.SUCCEEDED
    assert asked(job) == [[0, 0]]
    assert arrived(tmp_path)
    assert notes(job) == ["the output files of task 0 are sent again: the agent was restarted"]


def test_outputs_that_have_changed_meanwhile_are_sent_once_more_and_that_is_said(
    tmp_path: Path,
) -> None:
    left = {"large": LARGE}
    job = collecting(tmp_path, left)

    assert job.lead((1.01, lambda: left.update(large=LARGE[::-1]))) is Outcome.SUCCEEDED
    assert asked(job) == [[0, BROKEN_AT, 0]]
    assert (tmp_path / "out/0/large").read_bytes() == LARGE[::-1]
    assert notes(job) == ["the output files of task 0 are sent again: they have changed since"]


def test_what_came_from_a_lost_node_is_no_part_of_what_comes_from_another(tmp_path: Path) -> None:
    left = {"large": LARGE}
    job = collecting(tmp_path, left, node_timeout=10)

    def die() -> None:
        job.provider.nodes["n0"].die()
        left.clear()  # the second attempt has nothing to bring

    assert job.lead((1.01, die)) is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (0, 2)]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("fatal", ['["silent"', '["heard"'], ids=["at once", "when it is heard"])
def test_a_new_head_begins_anew(tmp_path: Path, fatal: str) -> None:
    job = collecting(tmp_path)
    job.store.fatal = lambda _, events: any(body.startswith(fatal) for body in events)
    with pytest.raises(Crash):
        job.lead()
    job.store.fatal = None

    assert job.lead() is Outcome.SUCCEEDED
    assert asked(job) == [[0, 0]]
    assert arrived(tmp_path)


def in_the_way(tmp_path: Path, **options: Any) -> Job:
    """A job whose outputs this computer cannot keep: a file stands where their folder must."""
    (tmp_path / "out").write_text("not a folder")
    wanted = spec(2, collect=str(tmp_path / "out"), **options)
    return Job(tmp_path, wanted, lambda _: Ends(leaves={"small": b"1"}), nodes=2)


def test_what_this_computer_cannot_keep_is_asked_for_again_and_no_program_runs_twice(
    tmp_path: Path,
) -> None:
    job = in_the_way(tmp_path)

    assert job.lead((100, (tmp_path / "out").unlink)) is Outcome.SUCCEEDED

    assert runs(job) == [(0, 1), (1, 1)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0", "1"]
    first, last = job.journaled(ev.Noted)
    where = f"{tmp_path / 'out'}"
    assert first.text.startswith(f"output files cannot be saved in {where}: File exists")
    assert f"to give them up: batchio cancel {job.id}" in first.text
    assert last.text == f"output files are saved in {where} again"
    assert (first.waits, last.waits) == (True, False)


def test_a_cancel_while_there_is_no_room_leaves_nothing_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = os.statvfs(tmp_path)
    full = os.statvfs_result([*disk[:3], 0, 0, *disk[5:]])
    monkeypatch.setattr(os, "fstatvfs", lambda _: full)
    monkeypatch.setattr(placing, "_LOOK_EVERY", 0)
    wanted = spec(1, collect=str(tmp_path / "out"))
    job = Job(tmp_path, wanted, lambda _: Ends(leaves={"large": LARGE}))

    def cancel() -> None:
        job.ask(kind="cancel", tasks=None, why="enough")

    assert job.lead((100, cancel)) is Outcome.CANCELLED
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cancel_gives_up_what_cannot_be_kept(tmp_path: Path) -> None:
    job = in_the_way(tmp_path)

    def cancel() -> None:
        job.ask(kind="cancel", tasks=None, why="enough")

    assert job.lead((50, cancel)) is Outcome.CANCELLED
    assert runs(job) == [(0, 1), (1, 1)]


def test_a_new_head_goes_on_asking(tmp_path: Path) -> None:
    job = in_the_way(tmp_path)
    job.store.fatal = lambda _, events: any("cannot be saved" in body for body in events)
    job.store.written = True
    with pytest.raises(Crash):
        job.lead()
    job.store.fatal = None

    assert job.lead((20, (tmp_path / "out").unlink)) is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (1, 1)]


def test_who_leaves_more_than_the_limit_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    def leaves(attempt: Attempt) -> Ends:
        return Ends(leaves={"file": bytes(100_000 if attempt.task else 10)})

    wanted = spec(3, collect=str(tmp_path / "out"), max_output=50_000, max_infra_retries=5)
    job = Job(tmp_path, wanted, leaves)

    assert job.lead() is Outcome.FAILED
    assert runs(job) == [(0, 1), (1, 1), (2, 1)]
    assert job.machine.tasks.reasons == dict.fromkeys(
        (1, 2), "its output files were refused: they are larger than --max-output 50 KB"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0"]


def test_a_program_that_left_too_much_is_tried_again_on_its_own_account(tmp_path: Path) -> None:
    def leaves(attempt: Attempt) -> Ends:
        return Ends(leaves={"file": bytes(100_000 if attempt.number == 1 else 10)})

    wanted = spec(1, collect=str(tmp_path / "out"), max_output=50_000, max_retries=1)
    job = Job(tmp_path, wanted, leaves)

    assert job.lead() is Outcome.SUCCEEDED
    assert runs(job) == [(0, 1), (0, 2)]


def test_a_head_that_dies_once_they_are_in_place_leaves_nothing_beside_them(tmp_path: Path) -> None:
    wanted = spec(1, collect=str(tmp_path / "out"))
    job = Job(tmp_path, wanted, lambda _: Ends(leaves={"small": b"1"}))
    job.store.fatal = lambda _, events: any(body.startswith('["c"') for body in events)
    job.store.written = True
    with pytest.raises(Crash):
        job.lead()

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0"]


def test_what_a_head_that_was_killed_left_beside_them_is_removed_by_the_next(
    tmp_path: Path,
) -> None:
    wanted = spec(1, collect=str(tmp_path / "out"))
    job = Job(tmp_path, wanted, lambda _: Ends(leaves={"small": b"1"}))
    left = tmp_path / "out" / f".batchio-{job.id}" / "0.7" / "half"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    others = tmp_path / "out" / ".batchio-another" / "0.1"
    others.mkdir(parents=True)

    assert job.lead() is Outcome.SUCCEEDED
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".batchio-another", "0"]


def test_what_did_not_fit_is_asked_for_again_only_when_there_is_room_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, free = os.statvfs(tmp_path), [1_000_000]

    def room(_: int) -> os.statvfs_result:
        values = list(disk)
        values[4] = (placing.KEPT_FREE + free[0]) // disk.f_frsize
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "fstatvfs", room)
    monkeypatch.setattr(placing, "_LOOK_EVERY", 0)
    wanted = spec(1, collect=str(tmp_path / "out"))
    job = Job(tmp_path, wanted, lambda _: Ends(leaves={"large": LARGE}))
    shrinks = (0, lambda: free.__setitem__(0, 100_000))

    assert job.lead(shrinks, (200, lambda: free.__setitem__(0, 9_000_000))) is Outcome.SUCCEEDED

    assert arrived(tmp_path)
    assert asked(job) == [[0, 0]]
    assert runs(job) == [(0, 1)]
