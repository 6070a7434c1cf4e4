"""What a person sees of files on their way to the nodes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from batchio.cli.progress import Pace, sent_text
from batchio.core.sending import Sending, receiving, sending
from tests.cli.terminal import shown_on_a_terminal
from tests.core.stories import Story

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.terminal import Terminal

SIZE = 8 << 20

HALF_WAY = r"files .*[3-7][.\d]* MiB of 8.0 MiB, .*0 of 1 node"

SLOW_TAR = f"""#!/bin/sh
head -c {SIZE // 2} > "$0.half"
until [ -e "$0.go" ]; do sleep 0.02; done
cat "$0.half" - | PATH=$OLD_PATH tar "$@"
"""


@pytest.fixture
def slow_tar(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tar for the nodes that stops half way, until its file `.go` is there."""
    tar = tmp_path / "bin" / "tar"
    tar.parent.mkdir()
    tar.write_text(SLOW_TAR)
    tar.chmod(0o755)
    monkeypatch.setenv("OLD_PATH", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{tar.parent}:{os.environ['PATH']}")
    (terminal.folder / "data").write_bytes(os.urandom(SIZE))
    return tar


@pytest.mark.timeout(20)
@pytest.mark.parametrize("how", ["--wait", "--follow"])
def test_a_terminal_shows_how_far_they_are(terminal: Terminal, slow_tar: Path, how: str) -> None:
    words = ("run", how, "--upload", "data", "--", "wc", "-c", "data")
    with shown_on_a_terminal(terminal, {}, *words) as shown:
        seen = ""
        try:
            while not re.search(HALF_WAY, seen):
                seen += next(shown)
            why = terminal.type("explain").out
            row = terminal.type("nodes").out.splitlines()[1]
        finally:  # or the command, for which we wait in any case, would never end
            slow_tar.with_name("tar.go").touch()
        rest = "".join(shown)

    assert ": receiving files, " in why
    assert row.split("receiving files, ")[1] in [f"{percent} %" for percent in range(40, 90)]
    assert "succeeded" in rest


def test_a_pipe_is_told_nothing_of_it(terminal: Terminal, slow_tar: Path) -> None:
    slow_tar.with_name("tar.go").touch()

    seen = terminal.type("run", "--wait", "--upload", "data", "--", "true")

    assert seen.code == 0
    assert "MiB of" not in seen.out + seen.err


def test_all_nodes_are_counted_together() -> None:
    story = Story().offers("n").ready().booting().booting().booting()

    assert sending(story.machine, {1: [40, 100], 2: [100, 100]}) == Sending(240, 400, 2, 4)


def test_nothing_is_shown_when_no_node_receives() -> None:
    story = Story().offers("n").ready().booting()

    assert sending(story.machine, {0: [10, 100], 1: [100, 100]}) is None
    assert sending(story.machine, {}) is None
    assert receiving(story.machine.nodes[0], {0: [10, 100]}) == ""


def test_the_pace_tells_how_long_it_will_take() -> None:
    pace, files = Pace(), Sending(60 << 20, 100 << 20, 12, 200)

    assert pace.of(20 << 20, 0.0) is None
    assert sent_text(files, None) == "60 MiB of 100 MiB, 12 of 200 nodes"
    assert (
        sent_text(files, pace.of(files.sent, 4.0))
        == "60 MiB of 100 MiB, 10 MiB/s, 4s left, 12 of 200 nodes"
    )
