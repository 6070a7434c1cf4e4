"""A person in front of `batchio`: types commands, sees stdout, stderr and the exit code."""

from __future__ import annotations

import codecs
import os
import pty
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import pytest

from batchio.cli.main import call
from batchio.core.events import encode
from batchio.stores.folder import FolderWorkspace
from tests.making import make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.core.stories import Story


class Seen(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Terminal:
    """Commands are called in this process; nothing here is a terminal to them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.workspace = FolderWorkspace(folder / "ws")
        self._capsys = capsys

    def type(self, *words: str) -> Seen:
        """`batchio WORDS`."""
        code = call(list(words))
        return Seen(code, *self._capsys.readouterr())

    def keep(self, story: Story) -> None:
        """Put a job with this past into the workspace; no process runs it."""
        job = story.machine.running_job
        told = [encode(event) for event in story.events]
        make(self.workspace, job.id, told, name=job.spec.name)


@pytest.fixture
def terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """A person in an empty folder, with a workspace of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHIO_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("BATCHIO_DEBUG", raising=False)
    return Terminal(tmp_path, capsys)


@contextmanager
def shown_on_a_terminal(
    terminal: Terminal, environ: dict[str, str], *words: str
) -> Iterator[Iterator[str]]:
    """What `batchio WORDS` writes to a terminal of 120 columns, as it comes; it must end well."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "120", "TERM": "xterm", **environ}
    with subprocess.Popen(
        [sys.executable, "-m", "batchio.cli.main", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **size},
        cwd=terminal.folder,
    ) as process:
        os.close(theirs)
        yield _coming(ours)
    os.close(ours)
    assert process.returncode == 0


def _coming(ours: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with suppress(OSError):  # Linux's way to say that nobody holds the other end
        while chunk := os.read(ours, 65536):
            yield decoder.decode(chunk)


def on_a_terminal(terminal: Terminal, environ: dict[str, str], *words: str) -> str:
    """All that `batchio WORDS` writes to a terminal of 120 columns."""
    with shown_on_a_terminal(terminal, environ, *words) as shown:
        return "".join(shown)
