"""A person at a terminal, who types commands of batchio and keeps all that they answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.chaos.story import now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE_S: Final = 60.0
"""What any command gets but one that waits for a job."""


class Answer(NamedTuple):
    """What a command said."""

    code: int | None
    """None: it did not end in time and was killed."""
    out: str
    err: str


class Typed:
    """One command that runs."""

    def __init__(self, user: User, words: tuple[str, ...]) -> None:
        self._user = user
        self.words = words
        self.began = now()
        name = f"{len(user.typed):02}-{next(word for word in words if word[0] != '-')}"
        self._out, self._err = (user.folder / f"{name}.{end}" for end in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "batchio", *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                cwd=user.folder, env=user.environ, start_new_session=True,
            )  # fmt: skip

    def answer(self, patience: float = PATIENCE_S) -> Answer:
        """Wait for its end, and return it; one that does not end in time has hung."""
        try:
            code: int | None = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            code = None
            self._user.hung.append(f"`batchio {' '.join(self.words)}` in {patience:.0f} s")
            self.signal(signal.SIGKILL)
            self.process.wait()
        self._user.tell(f"{code!s:>4} {now() - self.began:6.2f} s  {' '.join(self.words)}")
        out, err = (path.read_text(errors="replace") for path in (self._out, self._err))
        return Answer(code, out, err)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def words_said(self) -> str:
        """Return what it wrote to stderr so far."""
        return self._err.read_text(errors="replace")


class User:
    """Types commands in a folder, and remembers what hung.

    Args:
        environ: Of all commands, besides this process's own.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.environ = {**os.environ, **environ}
        self.typed: list[Typed] = []
        self.hung: list[str] = []
        self._story = folder / "story"

    def begin(self, *words: str) -> Typed:
        """Type a command and do not wait for it."""
        self.typed.append(Typed(self, words))
        return self.typed[-1]

    def type(self, *words: str, patience: float = PATIENCE_S) -> Answer:
        """Type a command and wait for its answer."""
        return self.begin(*words).answer(patience)

    def tell(self, words: str) -> None:
        """Write a line of the story, with its time."""
        with self._story.open("a") as story:
            story.write(f"{now():.2f} {words}\n")

    def story(self) -> str:
        """Return what happened so far, a line each."""
        return self._story.read_text() if self._story.exists() else ""
