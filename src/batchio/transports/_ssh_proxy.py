"""A `ProxyCommand`: a program of the user's that carries a connection on its stdin and stdout.

Run as ssh runs it, by the user's shell, in a process group of its own that ends with the
connection.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from typing import Final

_LAST_WORDS: Final = 4096
_PATIENCE_S: Final = 0.05
"""Seconds by which the end of a process may follow the end of its output."""


class Proxy:
    """One running ProxyCommand; `sock` is our end of it."""

    def __init__(self, command: str) -> None:
        """Start the command. Raises OSError when even the shell cannot be started."""
        self.command = command
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            self._said.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self.sock = ours

    def verdict(self) -> tuple[int | None, str]:
        """Return the command's exit code (None: it runs), and the last line it wrote to stderr.

        To be asked once, when the connection has failed.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(self._said.tell() - _LAST_WORDS, 0))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return self._process.returncode, lines[-1] if lines else ""

    def close(self) -> None:
        """End the command, and what it has started. May be called twice."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._said.close()
