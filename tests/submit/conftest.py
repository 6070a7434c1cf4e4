"""A person in a folder of their own, with a workspace and an environment of their own."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core.events import JobSubmitted
from batchio.core.reports import Facts
from batchio.core.spec import JobSpec
from batchio.errors import UsageError
from batchio.submit import prepare, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchio.submit import Prepared


COMPUTER = Facts(cpus=8, memory=64 << 30, gpus=0, arch="x86_64")
"""This computer, as far as `caller` knows."""


class Caller:
    """Whoever submits a job; stands in `folder`."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "project"
        self.workspace = root / "workspace"
        self.bin = root / "bin"
        self.environ = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "XDG_CONFIG_HOME": str(root / "config"),
            "BATCHIO_WORKSPACE": str(self.workspace),
        }
        for folder in (self.folder, self.bin):
            folder.mkdir()

    def file(self, name: str, text: str | bytes = "", mode: int = 0o644) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def program(self, name: str) -> None:
        """Something of that name on PATH."""
        self.file(f"../bin/{name}", "#!/bin/sh\n", 0o755)

    def typed(self, *words: str, **options: Any) -> Prepared:
        """As `batchio run --key value … words` does it."""
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return prepare(list(words), {}, typed=named, environ=self.environ, folder=self.folder)

    def called(self, command: str | Sequence[str], **options: Any) -> Prepared:
        """As `batchio.run(command, …)` does it."""
        return prepare(command, options, environ=self.environ, folder=self.folder)

    def refused(self, *words: str, **options: Any) -> tuple[str, str | None]:
        """The message and the hint with which a command line is refused."""
        with pytest.raises(UsageError) as refused:
            self.typed(*words, **options).create()
        assert self.left_behind() == []
        return str(refused.value), refused.value.hint

    def left_behind(self) -> list[Path]:
        """Every job and draft of the workspace."""
        return [*self.workspace.glob("jobs/*"), *self.workspace.glob("drafts/*")]

    def submitted(self, prepared: Prepared, job: str) -> JobSpec:
        """The spec that the journal holds."""
        with closing(prepared.workspace.job(job).reader()) as reader:
            [(_, event)] = reader.events()
        assert isinstance(event, JobSubmitted)
        assert event.job == job
        return JobSpec.from_json(event.spec)


@pytest.fixture
def caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    person = Caller(tmp_path)
    monkeypatch.chdir(person.folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(requirements, "node_facts", lambda: COMPUTER)
    return person


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    """A caller to whom permissions mean something, also when root runs the tests."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as root:  # /tmp may be closed to them
        Path(root).chmod(0o755)
        person = Caller(Path(root))
        monkeypatch.chdir(person.folder)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            yield person
        finally:
            os.seteuid(was)
