"""What the head has not acknowledged is on disk, whenever the agent is killed."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio.agent.results import LOG_TO, Results
from tests.mortal import Crash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALLS = ("open", "write", "rename", "ftruncate", "close")


def record(task: int) -> list[Any]:
    return [task, 1, *([0] * (LOG_TO - 2)), 0, "x" * 2000]


def filled(path: Path, count: int) -> Results:
    results = Results(str(path))
    for task in range(count):
        results.add((task, 1), record(task))
        assert results.seal(0)
    return results


def kept(path: Path) -> list[int]:
    """The tasks whose results the next agent knows."""
    return sorted(task for task, _ in Results(str(path)).seqs)


@pytest.mark.parametrize("call", CALLS)
def test_an_agent_that_is_killed_while_it_writes_anew_forgets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "results"
    results = filled(path, 50)
    real: Callable[..., Any] = getattr(os, call)

    def before(*_: Any) -> None:
        raise Crash

    def after(*given: Any) -> None:
        real(*given)
        raise Crash

    for dies in (before, after):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, dies)
            with contextlib.suppress(Crash):
                results.rewrite()
        assert kept(path) == list(range(50))
        results = Results(str(path))


def test_without_room_for_both_the_old_file_stays_and_is_written_anew_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results"
    results = filled(path, 50)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", _full)
        results.ack(40)
        results.add((99, 1), record(99))
        results.seal(0)
    assert kept(path) == list(range(50))

    results.add((100, 1), record(100))
    results.seal(0)

    assert kept(path) == [*range(40, 50), 99, 100]
    assert [name.name for name in tmp_path.iterdir()] == ["results"]


def test_what_was_acknowledged_is_not_kept(tmp_path: Path) -> None:
    results = filled(tmp_path / "results", 50)
    results.ack(50)

    assert (tmp_path / "results").read_bytes() == b""


def _full(fd: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")
