"""The search for what a session left behind finds it."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import leftovers

_FORKED = "import os, signal; os.fork() or os.setsid(); print(flush=True); signal.pause()"


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for agents that no other test uses."""
    folder = tmp_path / "homes"
    folder.mkdir()
    monkeypatch.setattr(leftovers, "HOMES", folder)
    return folder


def test_processes_with_the_mark_are_found_and_ended_with_their_children(tmp_path: Path) -> None:
    mine = uuid.uuid4().hex  # another session may run this very test
    environ = os.environ | {leftovers.MARK: mine}
    command = [sys.executable, "-c", _FORKED]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()

        found = leftovers.find(mine, tmp_path)
        assert len(found) == 2
        assert process.pid in {left.pid for left in found}
        assert _FORKED in found[0].what

        leftovers.end(found)
    assert leftovers.wait_until_gone(mine, tmp_path) == []


def test_a_test_sees_what_it_left_behind_itself(
    left_behind: Callable[[], list[leftovers.Leftover]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "PATIENCE_S", 0)
    pipe = subprocess.PIPE
    with subprocess.Popen(["cat"], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()  # its environment can be read: it is not while it begins
        assert [left.pid for left in left_behind()] == [process.pid]
    assert left_behind() == []


def test_processes_of_others_are_not(tmp_path: Path) -> None:
    assert leftovers.find("nobody's", tmp_path) == []


def test_the_home_of_an_agent_of_our_jobs_is_found_and_removed(homes: Path, tmp_path: Path) -> None:
    ours, other = homes / "2bcd.0", homes / "2fgh.0"
    ours.mkdir()
    other.mkdir()
    (tmp_path / "some-test" / "workspace" / "jobs" / "2bcd").mkdir(parents=True)

    left = leftovers.find("nobody's", tmp_path)
    assert left == [(0, str(ours))]

    leftovers.end(left)
    assert not ours.exists()
    assert other.exists()
