"""A stranger in the place of an agent: a real socket, a real head, and whatever it likes to say."""

from __future__ import annotations

import json
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from batchio.stores import lease
from tests.chaos import processes
from tests.chaos.places import Here
from tests.chaos.user import User
from tests.house.leftovers import HOMES

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PATIENCE_S = 30.0


class Stranger:
    """Makes a job, ends its agent, and listens at its socket instead.

    Args:
        folder: Of this job alone.
    """

    def __init__(self, folder: Path) -> None:
        mark = folder.name
        environ = {"CHAOS_MARK": mark, "BATCHIO_WORKSPACE": str(folder / "workspace")}
        self.user = User(folder / "typed", environ)
        self.place = Here()
        self.place.prepare(folder, mark)
        options = ("--node-timeout", "2s", "--grace", "0s", "--slots", "1")
        said = self.user.type("run", *options, "--", "sleep", "1000")
        self.job = said.out.split()[0]
        self.job_folder = folder / "workspace" / "jobs" / self.job
        self._facts = self._greeting()
        [self._home] = HOMES.glob(f"{self.job}.*")
        ours = [one.pid for one in (*self.place.agents(self.job), *self.place.tasks(self.job))]
        self._door = self._listen()
        processes.send_all(ours)
        self._head, _ = self._door.accept()
        self._head.settimeout(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._head.close()
        self._door.close()
        self.place.clean(self.job)

    def greet(self, **facts: Any) -> None:
        """Say hello as the agent would, but for these facts."""
        self.say(frame(0, json.dumps([["hello", {**self._facts, **facts}]]).encode()))

    def say(self, data: bytes) -> None:
        """Send these bytes, if the head still listens."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._head.sendall(data)

    def hears(self, tag: str) -> bool:
        """Read on until the head says this; False: it hangs up before."""
        with suppress(EOFError, ConnectionResetError):
            while True:
                length, kind = struct.unpack(">IB", self._exactly(5))
                body = self._exactly(length - 1)
                if kind == 0 and any(said[0] == tag for said in json.loads(body)):
                    return True
        return False

    def leave(self) -> None:
        """Hang up, and answer nobody any more."""
        self._head.close()
        self._door.close()

    def head_log(self) -> str:
        """Return what the head wrote to its log."""
        return (self.job_folder / "head.log").read_text(errors="replace")

    @property
    def led(self) -> bool:
        """Whether a head runs the job."""
        return lease.holder(self.job_folder) is not None

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._head.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _greeting(self) -> dict[str, Any]:
        """Wait until its task runs; return what the agent said of itself."""
        import batchio.sync

        workspace = self.user.environ["BATCHIO_WORKSPACE"]
        facts: dict[str, Any] = {}
        for fact in batchio.sync.open_job(self.job, workspace=workspace).events():
            if fact["event"] == "node_greeted":
                facts = {**fact["facts"], "epoch": 1, "unacked": 0}
            if fact["event"] == "tasks_started":
                return facts
        raise AssertionError(f"job {self.job} ended before its task began")

    def _listen(self) -> socket.socket:
        (self._home / "s").unlink()
        door = socket.socket(socket.AF_UNIX)
        before = os.getcwd()
        os.chdir(self._home)  # the path of a socket has room for 107 bytes only
        try:
            door.bind("s")
        finally:
            os.chdir(before)
        door.listen(5)
        door.settimeout(PATIENCE_S)
        return door


def frame(kind: int, body: bytes) -> bytes:
    """Return a frame of the protocol."""
    return struct.pack(">IB", len(body) + 1, kind) + body


def message(*said: Any) -> bytes:
    """Return a frame with one message."""
    return frame(0, json.dumps([said]).encode())
