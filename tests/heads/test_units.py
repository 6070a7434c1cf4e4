"""What a head tells the systemd that keeps it up, and what its unit says."""

from __future__ import annotations

import asyncio
import socket
from configparser import RawConfigParser
from typing import TYPE_CHECKING

from batchio.heads import units

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_loop_that_turns_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000")

        async def three_signs() -> list[bytes]:
            signs = asyncio.create_task(units.live())
            heard = [await asyncio.to_thread(systemd.recv, 100) for _ in range(3)]
            signs.cancel()
            return heard

        assert asyncio.run(three_signs()) == [b"WATCHDOG=1"] * 3


def test_without_a_unit_nobody_is_told_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    units.tell("READY=1")
    asyncio.run(units.live())  # ends at once


def test_a_unit_starts_its_head_again_unless_it_is_done() -> None:
    unit = RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(units.unit("20261125-101112-abcd"))
    service = dict(unit["Service"])
    assert service["Type"] == "notify"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "0")
    assert (service["WatchdogSec"], service["WatchdogSignal"]) == ("60", "SIGKILL")
    assert service["LimitCORE"] == "0"
    assert unit["Unit"]["StartLimitIntervalSec"] == "900"
