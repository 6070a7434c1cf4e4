"""`logs --raw` over a pipe: bytes in are bytes out, whatever they are."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.stores.log_records import HEADER, STDERR, STDOUT
from tests.core.stories import JOB, T0, Story

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.terminal import Terminal

ODD = bytes(range(256)) + b"\0\xff\r\n\xc3 no newline at the end \xe2\x82"

PROGRAM = f"""
import os, sys
task, odd = os.environ["BATCHIO_TASK_ID"].encode(), {ODD!r}
for part in (task, odd * 1000, bytes([10]) * 3, odd):
    mine = bytes(one for one in part if one % 2 == int(task) % 2)
    sys.stdout.buffer.write(mine)
    sys.stdout.buffer.flush()
sys.stderr.buffer.write(bytes([254]) + task)
"""


def written(task: int) -> bytes:
    """What PROGRAM writes to stdout: each task has its own bytes, and 3 no newline at all."""
    return of(task, b"%d" % task + ODD * 1000 + b"\n" * 3 + ODD)


def of(task: int, data: bytes) -> bytes:
    """The task's own bytes among these."""
    return bytes(one for one in data if one % 2 == task % 2)


def piped(terminal: Terminal, *words: str) -> bytes:
    """What `batchio logs --raw WORDS` writes into a pipe."""
    argv = [sys.executable, "-m", "batchio.cli.main", "logs", "--raw", *words]
    done = subprocess.run(argv, cwd=terminal.folder, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("follow", [(), ("--follow",)], ids=["past", "as it comes"])
def test_of_a_job_every_byte_arrives(terminal: Terminal, follow: tuple[str, ...]) -> None:
    (terminal.folder / "odd.py").write_text(PROGRAM)
    job = terminal.type("run", "--array", "3-4%1", "odd.py").out.strip()
    if not follow:
        terminal.type("wait", job)

    every = piped(terminal, job, "--stdout", *follow)

    assert [of(3, every), of(4, every)] == [written(3), written(4)]
    assert piped(terminal, job, "--task", "4", "--stdout", *follow) == written(4)
    assert piped(terminal, job, "--task", "3", "--stderr", *follow) == b"\xfe3"
    assert len(piped(terminal, job, *follow)) == len(every) + 4
    assert piped(terminal, job, "--filter", "nothing like it", *follow) == b""


def keep_printed(logs: Path, node: int, *printed: tuple[int, int, float, bytes]) -> None:
    """The log of a node: task, stream, seconds after `T0` and bytes of each record."""
    folder = logs / str(node)
    folder.mkdir(parents=True)
    (folder / f"{0:020d}").write_bytes(
        b"".join(
            HEADER.pack(len(data), task, 1, stream, 0, int((T0 + at) * 1e6)) + data
            for task, stream, at, data in printed
        )
    )


def test_what_several_nodes_printed_comes_in_the_order_of_time(terminal: Terminal) -> None:
    story = Story("0-1").offers("a", "b").ready("a").ready("b")
    terminal.keep(story.start(0).start(1, node=1).end(0).end(1, node=1).close())
    logs = terminal.workspace.job(JOB).folder / "logs"
    keep_printed(logs, 0, (0, STDOUT, 1, b"a\0\n"), (0, STDERR, 3, b"\xffc\n"))
    keep_printed(logs, 1, (1, STDOUT, 2, b"b\r\n"), (1, STDOUT, 4, b"d"))

    assert piped(terminal, JOB) == b"a\0\nb\r\n\xffc\nd"
    assert piped(terminal, JOB, "--follow") == b"a\0\nb\r\n\xffc\nd"
    assert piped(terminal, JOB, "--workers", "b") == b"b\r\nd"
    assert piped(terminal, JOB, "--since", "2023-11-14T22:13:22+00:00") == b"b\r\n\xffc\nd"


def test_the_lines_of_tasks_that_print_at_the_same_time_are_not_torn(terminal: Terminal) -> None:
    story = Story("0-1").offers("a").ready("a")
    terminal.keep(story.start(0, 1).end(0, 1).close())
    parts = [(0, b"go"), (1, b"st"), (0, b"ing\nan"), (1, b"op\n"), (0, b"d end\n")]
    printed = [(task, STDOUT, float(at), data) for at, (task, data) in enumerate(parts)]
    keep_printed(terminal.workspace.job(JOB).folder / "logs", 0, *printed)

    assert piped(terminal, JOB) == b"going\nstop\nand end\n"
    assert piped(terminal, JOB, "--follow") == b"going\nstop\nand end\n"
