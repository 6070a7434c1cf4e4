"""A small head for tests: the agent's protocol over its socket, synchronously.

Waits on messages, never on the clock; every wait has a limit so that a broken agent fails
a test instead of hanging it.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchio.agent import source
from batchio.runtime import frames
from batchio.submit.bundle import Bundle, Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDER = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, FOLDER)
PATH = FOLDER / "agent.py"
"""The agent as it travels."""
PATH.write_bytes(source())

FRAME = struct.Struct(">IB")
HEADER = struct.Struct("<IIHBBQ")
"""As docs/design/agent.md has them, and written once more: this client trusts no code of ours."""
WAIT_LIMIT_S = 20.0

Message = list[Any]


@dataclass
class Done:
    """One record of a `done` message, by name."""

    task: int
    attempt: int
    exit: int
    reason: str
    started: float
    ended: float
    rss: int
    cpu: float
    log_from: int
    log_to: int
    files: int
    bytes: int
    tail: str


@dataclass
class Client:
    """One connection of a head."""

    home: Path
    epoch: int = 1
    job: str = "j"
    sock: socket.socket = field(init=False)
    messages: list[Message] = field(default_factory=list)
    logs: dict[int, bytes] = field(default_factory=dict)
    tars: dict[tuple[int, int], bytes] = field(default_factory=dict)
    dones: dict[tuple[int, int], Done] = field(default_factory=dict)
    inbox: bytearray = field(default_factory=bytearray)
    acked: int = 0
    pid: int = 0
    """The agent's, once it said hello."""

    def __post_init__(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT_LIMIT_S)
        fd = os.open(self.home, os.O_RDONLY)
        try:
            self.sock.connect(f"/proc/self/fd/{fd}/s")
        finally:
            os.close(fd)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def hello(self) -> dict[str, Any]:
        self.send(["hello", {"v": frames.VERSION, "job": self.job, "epoch": self.epoch}])
        facts: dict[str, Any] = self.wait("hello")[1]
        self.pid = facts["pid"]
        return facts

    def send(self, *messages: Message) -> None:
        body = json.dumps(messages).encode()
        self.sock.sendall(FRAME.pack(1 + len(body), 0) + body)

    def setup(self, *argv: str, **more: Any) -> None:
        self.send(["setup", {"argv": argv, "grace": 5, "slots": 2, **more}])

    def start(self, *tasks: int, attempt: int = 1, input: Any = None) -> None:
        self.send(["start", [[task, attempt, task, input] for task in tasks]])

    def receive(self) -> None:
        """One more piece of the stream, sorted into what it is."""
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the agent hung up")
        self.inbox += data
        for kind, body in self.frames():
            if kind == 0:
                for message in json.loads(body):
                    self.messages.append(message)
                    if message[0] == "done":
                        self.remember(message)
            elif kind == 1:
                (offset,) = struct.unpack_from(">Q", body)
                self.logs[offset] = body[8:]
            else:
                task, attempt = struct.unpack_from(">II", body)
                so_far = self.tars.get((task, attempt), b"")
                self.tars[task, attempt] = so_far + body[8:]

    def frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self.inbox) >= 5:
            length, kind = FRAME.unpack_from(self.inbox)
            if len(self.inbox) < 4 + length:
                return
            body = bytes(self.inbox[5 : 4 + length])
            del self.inbox[: 4 + length]
            yield kind, body

    def remember(self, message: Message) -> None:
        self.acked = max(self.acked, message[1])
        for record in message[2]:
            self.dones[record[0], record[1]] = Done(*record)

    def wait(self, tag: str) -> Message:
        """The next message with this tag; it is taken out of `messages`."""
        while True:
            for index, message in enumerate(self.messages):
                if message[0] == tag:
                    return self.messages.pop(index)
            self.receive()

    def done(self, task: int, attempt: int = 1) -> Done:
        """The attempt's record, once it has come."""
        while (task, attempt) not in self.dones:
            self.receive()
        return self.dones[task, attempt]

    def ack(self) -> None:
        self.send(["ack", self.acked])

    def sync(self) -> dict[str, Any]:
        """Everything sent so far has been obeyed when this returns."""
        self.send(["ping", 1])
        state: dict[str, Any] = self.wait("pong")[2]
        return state

    def log(self, upto: int, since: int = 0) -> bytes:
        """The spool's bytes [since, upto)."""
        self.send(["pull", since, upto - since])
        got, at = b"", since
        while at < upto:
            while at not in self.logs:
                self.receive()
            got += self.logs[at]
            at += len(self.logs[at])
        return got

    def closed(self) -> bool:
        """Whether the agent hangs up on us."""
        try:
            while True:
                self.receive()
        except ConnectionError:
            return True


def records(log: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(task, attempt, stream, payload) of each record."""
    at = 0
    while at < len(log):
        size, task, attempt, stream, flags, _ = HEADER.unpack_from(log, at)
        assert flags == 0
        at += HEADER.size
        yield task, attempt, stream, log[at : at + size]
        at += size


def text(log: bytes, task: int, stream: int = 1, attempt: int = 1) -> bytes:
    """What one attempt wrote to one stream."""
    wanted = (task, attempt, stream)
    return b"".join(r[3] for r in records(log) if r[:3] == wanted)


def agent(
    *words: str | Path, python: str = sys.executable, **more: Any
) -> subprocess.CompletedProcess[str]:
    """One run of agent.py's command line."""
    return _run([python, "-I", PATH, *words], **more)


def up(home: Path, *words: str | Path, python: str = sys.executable, **more: Any) -> dict[str, Any]:
    """An agent that owns the home; what `up` printed."""
    in_background = ["/bin/sh", "-c", '"$@" &', "sh", python, "-I", PATH, "up", home, *words]
    answer = _run(in_background, **more)
    assert answer.stdout, answer.stderr
    facts: dict[str, Any] = json.loads(answer.stdout)
    return facts


def _run(command: Sequence[str | Path], **more: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program until it ends and nobody writes to its output any more."""
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, **more)


def upload(home: Path, files: Mapping[str, str], mode: int = 0o644) -> None:
    """What a head brings: a name below another one's makes a folder, one ending in / is one."""
    bundle = Bundle()
    for name, content in files.items():
        data = content.encode()
        item = Item(data, len(data), mode, name, is_folder=name.endswith("/"))
        bundle.add(name.rstrip("/"), item)
    bundle.pack(home / "bundle.tar")


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def gone(pids: Sequence[int]) -> bool:
    """Waits until none of the processes is left."""
    end = time.monotonic() + WAIT_LIMIT_S
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def strays(home: Path) -> list[int]:
    """Living processes whose environment names this home, or one in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                environ = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"BATCHIO_AGENT={home}".encode() in environ:
                found.append(int(entry.name))
    return found


def until(path: Path) -> Path:
    """Waits until a task has made this file: how tasks say that they got somewhere."""
    end = time.monotonic() + WAIT_LIMIT_S
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.005)
    return path
