"""A person who follows Coiled Batch's page row by row, with the real command line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from batchio.cli.main import call

LIMIT_S: Final = 120


class Seen(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class _Captured(io.TextIOWrapper):
    """What is written to a standard stream: in memory, as bytes, like one that is redirected."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", write_through=True)

    def text(self) -> str:
        """Return all that was written."""
        self.seek(0)
        return self.read()


class Person:
    """Somebody in an empty folder, with a workspace of their own.

    Attributes:
        hosts: Hosts that run this person's jobs over SSH; none: this computer runs them.
    """

    def __init__(self, root: Path, hosts: tuple[str, ...] = ()) -> None:
        self.folder = root / "project"
        self.folder.mkdir()
        self.hosts = hosts
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "BATCHIO_WORKSPACE": str(root / "workspace"),
            **({"BATCHIO_HOSTS": ",".join(hosts)} if hosts else {}),
        }

    def file(self, name: str, text: str, mode: int = 0o644) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def type(self, *words: str, code: int = 0) -> Seen:
        """`batchio WORDS`, called in this process, which must end with this exit code."""
        out, err = _Captured(), _Captured()
        there = patch.dict(os.environ, self.env, clear=True)
        with chdir(self.folder), there, redirect_stdout(out), redirect_stderr(err):
            ended = int(call(list(words)))
        seen = Seen(ended, out.text(), err.text())
        assert ended == code, f"{words}: {ended}\n{seen.out}\n{seen.err}"
        return seen

    def call(self, *words: str) -> Seen:
        """Call any program, which must end with exit code 0."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert not done.returncode, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Seen(done.returncode, done.stdout, done.stderr)

    def prints(self, *words: str) -> list[str]:
        """Return what the tasks of `batchio run --follow WORDS` print, sorted."""
        out = self.type("run", "--follow", *words).out
        return sorted(line.partition(") ")[2] for line in out.splitlines())

    def refuses(self, *words: str) -> str:
        """Return why `batchio run WORDS` is refused, before there is a job."""
        kept = Path(self.env["BATCHIO_WORKSPACE"]) / "jobs"
        before = sorted(kept.glob("*"))
        said = self.type("run", *words, code=2).err
        assert said.startswith("error: ") or "\nerror: " in said
        assert sorted(kept.glob("*")) == before
        return said

    def warns(self, *words: str) -> str:
        """Return the one warning of `batchio run --wait WORDS`, which runs all the same."""
        said = self.type("run", "--wait", *words).err.splitlines()
        [line] = [line for line in said if line.startswith("warning: ")]
        return line

    def plans(self, *words: str) -> dict[str, Any]:
        """Return the plan of `batchio run --dry-run WORDS`."""
        plan: dict[str, Any] = self.read("run", "--dry-run", "--format", "json", *words)
        return plan

    def read(self, *words: str) -> Any:
        """Return the JSON that a command prints."""
        return json.loads(self.type(*words).out)

    def jobs(self) -> list[Any]:
        """Return all jobs of the workspace."""
        found = self.read("list", "--format", "json")
        return list(found["jobs"] if isinstance(found, dict) else found)

    def python(self, code: str) -> str:
        """Return what a program in Python prints; `bs` is `batchio.sync`."""
        lines = "import batchio, batchio.sync as bs\nimport warnings\nT = ['true']\n"
        return self.call(sys.executable, "-c", lines + code).out
