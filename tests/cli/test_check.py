"""`batchio check` says what a job would meet, before there is one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import batchio
from batchio import sync

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.terminal import Terminal


def test_this_computer_is_checked_and_nothing_is_left(terminal: Terminal) -> None:
    seen = terminal.type("check")

    assert seen.code == 0
    heading, workspace, here = seen.out.splitlines()
    assert heading.split() == ["Checked", "Found"]
    assert workspace.split()[:2] == ["workspace", "ok"]
    assert str(terminal.folder / "ws") in seen.out
    assert here.split()[:3] == [os.uname().nodename, "ok", "Python"]
    assert "at a time" in here
    assert terminal.workspace.jobs() == []
    assert not [name for name in _homes() if name.startswith("check-")]


def test_what_the_script_asks_for_counts(terminal: Terminal) -> None:
    (terminal.folder / "big.sh").write_text("#!/bin/sh\n# BATCHIO cpu 5000\n")

    assert terminal.type("check", "--slots", "1").code == 0
    assert terminal.type("check", "big.sh").code != 0
    assert terminal.type("check", "--memory", "900TB").code != 0


def test_a_host_that_is_not_there_is_wrong_and_the_hint_says_what_helps(terminal: Terminal) -> None:
    seen = terminal.type("check", "--hosts", "no.such.host.invalid", "--format", "json")

    told = json.loads(seen.out)
    [wrong] = [part for part in told["findings"] if not part["ok"]]
    assert (seen.code, told["ok"], wrong["name"]) == (1, False, "no.such.host.invalid")
    assert wrong["hint"]


def test_a_workspace_that_cannot_be_written_is_wrong(terminal: Terminal) -> None:
    (terminal.folder / "file").write_text("")
    seen = terminal.type("check", "--workspace", "file/ws", "--format", "json")

    [workspace, here] = json.loads(seen.out)["findings"]
    assert (seen.code, workspace["name"], workspace["ok"], here["ok"]) == (
        1, "workspace", False, True,
    )  # fmt: skip


def test_programs_can_check_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHIO_WORKSPACE", str(tmp_path / "ws"))

    found = sync.check()

    assert [one.ok for one in found] == [True, True]
    assert isinstance(found[0], batchio.Finding)


def _homes() -> list[str]:
    try:
        return os.listdir(f"/var/tmp/batchio-{os.getuid()}")
    except FileNotFoundError:
        return []
