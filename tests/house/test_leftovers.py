"""The search for what a session left behind finds it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.house import leftovers

_FORKED = "import os, signal; os.fork() or os.setsid(); print(flush=True); signal.pause()"


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for agents that no other test uses."""
    monkeypatch.setattr(leftovers, "HOMES", tmp_path)
    return tmp_path


def test_processes_with_the_mark_are_found_and_ended_with_their_children() -> None:
    environ = os.environ | {leftovers.MARK: "mine"}
    command = [sys.executable, "-c", _FORKED]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()

        found = leftovers.find("mine", time.time())
        assert len(found) == 2
        assert process.pid in {left.pid for left in found}
        assert _FORKED in found[0].what

        leftovers.end(found)
    assert leftovers.wait_until_gone("mine", time.time()) == []


def test_processes_of_others_are_not() -> None:
    assert leftovers.find("nobody's", time.time()) == []


def test_a_home_that_nobody_lives_in_is_found_and_removed(homes: Path) -> None:
    home = homes / "job.0"
    home.mkdir()
    left = leftovers.find("nobody's", since=home.stat().st_ctime - 1)
    assert left == [(0, str(home))]

    leftovers.end(left)
    assert not home.exists()


def test_a_home_with_a_living_agent_or_from_before_is_not(homes: Path) -> None:
    home = homes / "job.0"
    home.mkdir()
    assert leftovers.find("nobody's", since=time.time() + 1) == []

    environ = os.environ | {"BATCHIO_AGENT": str(home)}
    with subprocess.Popen(["cat"], env=environ, stdin=subprocess.PIPE):
        assert leftovers.find("nobody's", since=home.stat().st_ctime - 1) == []
