"""A person in front of `batchio`: types commands, sees stdout, stderr and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from batchio.cli.main import call
from batchio.core.events import encode
from batchio.stores.folder import Workspace

if TYPE_CHECKING:
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
        self.workspace = Workspace(folder / "ws")
        self._capsys = capsys

    def type(self, *words: str) -> Seen:
        """`batchio WORDS`."""
        code = call(list(words))
        return Seen(code, *self._capsys.readouterr())

    def keep(self, story: Story) -> None:
        """Put a job with this past into the workspace; nobody runs it."""
        job = story.machine.running_job
        told = [encode(event) for event in story.events]
        self.workspace.create(job.id, told, name=job.spec.name)


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
