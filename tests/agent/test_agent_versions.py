"""Agents that an earlier batchio left running, or a later one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.agent.client import PATH, Client, gone, strays, until, up

if TYPE_CHECKING:
    from pathlib import Path


def of_version(number: int, folder: Path) -> list[str]:
    """The words that run an agent of another version of the protocol."""
    text = PATH.read_text().replace("\nVERSION = 3\n", f"\nVERSION = {number}\n")
    program = folder / f"agent-{number}.py"
    program.write_text(text)
    return [sys.executable, "-I", str(program)]


def up_as(version: list[str], home: Path) -> dict[str, Any]:
    """What `up` of that version prints."""
    words = ["/bin/sh", "-c", '"$@" &', "sh", *version, "up", str(home)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    facts: dict[str, Any] = json.loads(said)
    return facts


def test_an_agent_of_an_older_version_is_replaced_and_its_results_are_kept(
    home: Path, tmp_path: Path
) -> None:
    older = up_as(of_version(1, tmp_path), home)
    assert older["v"] == 1
    with Client(home) as head:
        head.send(["hello", {"v": 1, "job": "j", "epoch": 1}])
        head.wait("hello")
        script = f"test $BATCHIO_TASK_ID = 0 || {{ touch {tmp_path}/up; sleep 1000; }}"
        head.setup("/bin/sh", "-c", script)
        head.start(0, 1)
        head.done(0)
        until(tmp_path / "up")

    newer = up(home)

    assert newer["v"] == 3
    assert newer["instance"] != older["instance"]
    assert gone([older["pid"]])
    with Client(home) as head:
        assert head.hello()["unacked"] == 1
        assert head.done(0).exit == 0
        assert strays(home) == []
        assert up(home) == newer  # and of the same version it stays


def test_an_agent_of_a_newer_version_stays_and_refuses_in_words(home: Path, tmp_path: Path) -> None:
    newer = up_as(of_version(4, tmp_path), home)

    assert up(home) == newer
    with Client(home) as head:
        head.send(["hello", {"v": 3, "job": "j", "epoch": 1}])
        assert head.wait("refused") == ["refused", "this agent speaks protocol 4, not 3"]
