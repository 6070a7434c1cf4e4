"""What a terminal shows of files on their way to a host; a pipe is told nothing of it."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

import pytest

import batchio
from tests.cli.terminal import shown_on_a_terminal
from tests.cli.terminal import terminal as terminal
from tests.e2e.watching import go

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal
    from tests.e2e.conftest import MakeHosts
    from tests.testbed.client import Vm

SIZE = 8 << 20

HALF_WAY = r"files .*[3-7][.\d]* MiB of 8.0 MiB, .*0 of 1 node"

SLOW_CAT = f"""#!/bin/sh
head -c {SIZE // 2}
until [ -e /go ]; do sleep 0.02; done
exec /bin/cat
"""


@pytest.fixture
def slow(terminal: Terminal, hosts: MakeHosts) -> Vm:
    """A host that takes half of a file, until it is let go."""
    (terminal.folder / "data").write_bytes(os.urandom(SIZE))
    [vm] = hosts()

    async def slow_down() -> None:
        async with batchio.connect(vm.name) as node:
            keep = ["sh", "-c", 'cat > "$0" && chmod +x "$0"', "/usr/local/bin/cat"]
            await node.run(keep, stdin=SLOW_CAT.encode())

    asyncio.run(slow_down())
    return vm


@pytest.mark.timeout(30)
@pytest.mark.parametrize("how", ["--wait", "--follow"])
def test_a_terminal_shows_how_far_they_are(terminal: Terminal, slow: Vm, how: str) -> None:
    words = ["--provider", "ssh", "--hosts", slow.name, "--upload", "data", "wc", "-c", "data"]
    with shown_on_a_terminal(terminal, {}, "run", how, *words) as shown:
        before = ""
        try:
            while not re.search(HALF_WAY, before):
                before += next(shown)
            why = terminal.type("explain").out
            row = terminal.type("nodes").out.splitlines()[1]
        finally:  # or the command, for which we wait in any case, would never end
            asyncio.run(go(slow))
        rest = "".join(shown)

    assert ": receiving files, " in why
    assert row.split("receiving files, ")[1] in [f"{percent} %" for percent in range(30, 90)]
    assert "succeeded" in rest


def test_a_pipe_is_told_nothing_of_it(terminal: Terminal, slow: Vm) -> None:
    asyncio.run(go(slow))

    words = ["--provider", "ssh", "--hosts", slow.name, "--upload", "data", "true"]
    said = terminal.type("run", "--wait", *words)

    assert said.code == 0
    assert "MiB of" not in said.out + said.err
