"""An agent without processes, which does as a script says.

It speaks docs/design/agent.md over a stream in memory. It has no asyncio task of its own: it
answers within the call that sent it a message, and everything later is a call of the clock.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.reports import Ended, Facts
from batchio.errors import Unreachable
from batchio.runtime import frames
from batchio.stores.log_records import HEADER

if TYPE_CHECKING:
    from batchio.ports import Clock, Timer

TERM: Final = -15
OUTPUT_FRAME: Final = 256 << 10

Pair = tuple[int, int]


class Attempt(NamedTuple):
    """One attempt, which a script is asked about. `task` is a position, `id` what people see."""

    task: int
    number: int
    id: int
    input: Any
    node: str


class Ends(NamedTuple):
    """The planned course of an attempt: exit code, seconds (`inf`: for ever), output, files
    left.
    """

    exit: int = 0
    seconds: float = 1.0
    stdout: bytes = b""
    leaves: Mapping[str, bytes] | None = None


Script = Callable[[Attempt], Ends]


class ScriptedAgent:
    """The agent of one node, over all its restarts: what is on its disk outlives it."""

    def __init__(self, name: str, clock: Clock, script: Script) -> None:
        self.name = name
        self.clock = clock
        self.began: list[Attempt] = []
        self.heard: list[list[Any]] = []
        """Every message that a head sent."""
        self.refuses = ""
        """Why the agent refuses every head; "" when it refuses none."""
        self.prepares = (0, "")
        """Exit code and last words of the host setup script."""
        self.mute = False
        """Connections stay open, and not a byte passes."""
        self.removals = 0
        """How often a running agent was removed from outside."""
        self.busy = False
        """The agent answers no ping; all else goes on."""
        self.late = 0.0
        """Seconds that the agent's messages are on their way."""
        self.twice = False
        """The agent sends each of its messages twice, as after a broken connection."""
        self.breaks_after: int | None = None
        """Bytes of outputs after which a connection breaks, once."""
        self.puts: Callable[[str, bytes], str] = lambda url, data: "Connection refused"
        """How it puts bytes behind a URL: it returns why that cannot be, or ""."""
        self._script = script
        self._instance = 0
        self.forget()

    def forget(self) -> None:
        """Lose all that is on the node's disk."""
        self._up = False
        self._epoch = 0
        self._setup: dict[str, Any] | None = None
        self._line: Line | None = None
        self._queue: list[Attempt] = []
        self._running: dict[Pair, tuple[Attempt, Ends, float, Timer | None]] = {}
        self._results: dict[int, list[Any]] = {}
        self._seq = 0
        self._spool = b""
        self._pull: tuple[int, int] | None = None
        self._left: dict[Pair, Mapping[str, bytes]] = {}

    @property
    def instance(self) -> str:
        """The agent's instance id, a new one at each start."""
        return f"{self.name}.{self._instance}"

    @property
    def running(self) -> list[Pair]:
        """The attempts that run now, as (task, number)."""
        return list(self._running)

    # --- its process -----------------------------------------------------------

    def start_agent(self) -> dict[str, Any]:
        """Start the agent, and return what `agent.py up` prints."""
        if not self._up:
            self._up = True
            self._instance += 1
        return {
            "v": frames.VERSION,
            "instance": self.instance,
            "pid": 1,
            "socket": f"/{self.name}/s",
        }

    def remove_agent(self) -> None:
        """End the agent and erase its home, as `agent.py down` does."""
        self.removals += self._up
        self.kill()
        self.forget()

    def listens(self, path: str) -> bool:
        """Return whether the agent listens at this socket."""
        return self._up and path == f"/{self.name}/s"

    # --- what it is told, and tells --------------------------------------------

    def hear(self, line: Line, message: list[Any]) -> None:
        """Obey one message of the head."""
        self.heard.append(message)
        match message:
            case ["hello", {"epoch": int(epoch)}]:
                self._greet(line, epoch)
            case ["setup", setup]:
                self._setup = setup
            case ["prepare", *_]:
                line.say(["prepared", *self.prepares])
            case ["image", ref]:
                line.say(["imaged", ref, True, ""])
            case ["start", items]:
                for task, number, ident, value in items:
                    self._enqueue(Attempt(task, number, ident, value, self.name))
            case ["stop", pairs, reason]:
                for task, number in pairs:
                    self._stop((task, number), reason)
            case ["recall", pairs]:
                back = [a for a in self._queue if [a.task, a.number] in pairs]
                self._queue = [a for a in self._queue if a not in back]
                if back:
                    self._tell(["returned", [[a.task, a.number] for a in back]])
            case ["ack", seq]:
                self._results = {n: said for n, said in self._results.items() if n > seq}
            case ["pull", offset, limit]:
                self._pull = (offset, limit)
                self._push()
            case ["fetch", task, number, *known]:
                self._send_outputs(line, task, number, *known)
            case ["list", task, number]:
                rows = [
                    [name, len(data)] for name, data in self._left.get((task, number), {}).items()
                ]
                line.say(["listed", task, number, 0, rows, False])
            case ["store", task, number, pieces]:
                self._store(line, (task, number), pieces)
            case ["discard", pairs]:
                for task, number in pairs:
                    self._left.pop((task, number), None)
            case ["ping", n] if not self.busy:
                line.say(["pong", n, {"running": len(self._running), "queued": len(self._queue)}])
            case ["bye", keep]:
                self._say_goodbye(line, keep)
        self._fill()

    def _greet(self, line: Line, epoch: int) -> None:
        if self.refuses or epoch < self._epoch:
            line.say(["refused", self.refuses or f"epoch {epoch} is over"])
            line.end()
            return
        if self._line is not None and self._line is not line:
            self._line.end()
        self._line, self._epoch = line, epoch
        facts = Facts(
            v=frames.VERSION, instance=self.instance, pid=1, epoch=epoch,
            python="3.13", executable="python3", hostname=self.name, address=self.name,
            boot_id=self.name, namespace=1, cpus=1, memory=1 << 40, gpus=0, arch="x86_64",
            time=self.clock.now(),
            spool=len(self._spool), unacked=len(self._results), limits={"memory": True},
        )  # fmt: skip
        line.say(["hello", facts])
        for said in self._results.values():
            line.say(said)

    def _tell(self, message: list[Any]) -> None:
        """Send the head a message, if a head is connected."""
        for _ in range(1 + self.twice):
            if self._line is not None:
                self._line.say(message)

    def _enqueue(self, attempt: Attempt) -> None:
        """Queue an attempt; for one that is known already, only send its last message again."""
        key = (attempt.task, attempt.number)
        if key in self._running:
            self._tell(["started", [[*key, self._running[key][2]]]])
        elif told := [said for said in self._results.values() if tuple(said[2][0][:2]) == key]:
            self._tell(told[0])
        elif attempt not in self._queue:
            self._queue.append(attempt)

    def _fill(self) -> None:
        """Start queued attempts, as far as there are slots."""
        while self._setup and self._queue and len(self._running) < self._setup["slots"]:
            attempt = self._queue.pop(0)
            self.began.append(attempt)
            ends, now = self._script(attempt), self.clock.now()
            limit = self._setup.get("timeout") or inf
            in_time = ends.seconds <= limit
            key = (attempt.task, attempt.number)
            end = partial(self._end, key, *((ends.exit, "") if in_time else (TERM, "timed_out")))
            at = now + min(ends.seconds, limit)
            timer = None if at == inf else self.clock.call_at(at, end)
            self._running[key] = (attempt, ends, now, timer)
            self._tell(["started", [[*key, now]]])

    def _stop(self, key: Pair, reason: str) -> None:
        if key in self._running:
            self._end(key, TERM, reason)
        for attempt in [a for a in self._queue if (a.task, a.number) == key]:
            self._queue.remove(attempt)
            self._report(key, TERM, reason, self.clock.now())

    def _end(self, key: Pair, code: int, reason: str) -> None:
        """End a running attempt: write its log, its outputs and its record."""
        attempt, ends, began, timer = self._running.pop(key)
        if timer is not None:
            timer.cancel()
        low = len(self._spool)
        if ends.stdout:
            micros = int(self.clock.now() * 1e6)
            head = HEADER.pack(len(ends.stdout), attempt.task, attempt.number, 1, 0, micros)
            self._spool += head + ends.stdout
        if ends.leaves:
            self._left[key] = ends.leaves
        self._report(key, code, reason, began, low)
        self._push()
        self._fill()

    def _report(
        self, key: Pair, code: int, reason: str, began: float, log_from: int | None = None
    ) -> None:
        left = self._left.get(key, {})
        end = len(self._spool)
        low = end if log_from is None else log_from
        size = sum(map(len, left.values()))
        tail = "" if code == 0 else self._spool[low:][HEADER.size :].decode(errors="replace")
        record = Ended(
            *key, code, reason, began, self.clock.now(), 1 << 20, 0.0, low, end, len(left), size,
            tail.strip(),
        )  # fmt: skip
        self._seq += 1
        self._results[self._seq] = ["done", self._seq, [record]]
        self._tell(self._results[self._seq])

    def _push(self) -> None:
        """Answer the newest pull, once there are log bytes to answer it with."""
        if self._pull and self._line and self._pull[0] < len(self._spool):
            (offset, limit), self._pull = self._pull, None
            chunk = self._spool[offset : offset + limit]
            self._line.send(frames.LOG, frames.OFFSET.pack(offset) + chunk)

    def _store(self, line: Line, key: Pair, pieces: list[list[Any]]) -> None:
        """Put pieces of outputs into a store, or say why that cannot be."""
        for path, offset, size, url in pieces:
            whole = self._tar(key) if path is None else self._left[key][path]
            data = whole[offset : offset + size]
            why = self.puts(url, data) if data or path else ""
            if why:
                line.say(["unstored", *key, why])
                return
            line.say(["stored", *key, [[path, offset, len(data), zlib.crc32(data)]]])

    def _tar(self, key: Pair) -> bytes:
        """Return the tar stream of an attempt's outputs."""
        left, out = self._left.get(key, {}), io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in left.items():
                info = tarfile.TarInfo(name)  # without a time: the same bytes each time
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def _send_outputs(self, line: Line, task: int, number: int, known: int = 0) -> None:
        left, whole = self._left.get((task, number), {}), self._tar((task, number))
        limit = self.breaks_after
        new = whole[known:] if limit is None else whole[known : known + limit]
        for at in range(0, len(new), OUTPUT_FRAME):
            line.send(
                frames.OUTPUT, frames.ATTEMPT.pack(task, number) + new[at : at + OUTPUT_FRAME]
            )
        if limit is not None:
            self.breaks_after = None
            line.end()
            return
        line.send(frames.OUTPUT, frames.ATTEMPT.pack(task, number))
        line.say(["fetched", task, number, len(left), len(whole), zlib.crc32(whole)])

    def _say_goodbye(self, line: Line, keep: bool) -> None:
        """Stop all attempts, say good-bye, and end the agent."""
        for key in self.running:
            self._queue.clear()
            self._end(key, TERM, "bye")
        line.say(["bye", ""])
        self.kill()
        line.end()
        if not keep:
            self.forget()

    def kill(self) -> None:
        """End the agent's process; results and the log stay on its disk."""
        for *_, timer in self._running.values():
            if timer is not None:
                timer.cancel()
        self._running.clear()
        self._queue.clear()
        self._up, self._setup, self._line = False, None, None


class Line:
    """One connection to an agent: the head's writing half, and its reader."""

    def __init__(self, agent: ScriptedAgent) -> None:
        self.reader = asyncio.StreamReader(limit=frames.LIMIT)
        self._agent = agent
        self._heard = bytearray()
        self._coming: deque[bytes] = deque()
        self._open = True

    # --- the head's half

    def write(self, data: bytes) -> None:
        """Pass bytes of the head to the agent at once."""
        if not self._open:
            raise Unreachable("the connection broke", where=self._agent.name)
        if self._agent.mute:
            return
        self._heard += data
        while len(self._heard) >= frames.FRAME.size:
            end = 4 + frames.FRAME.unpack_from(self._heard)[0]
            if len(self._heard) < end:
                return
            body = bytes(self._heard[frames.FRAME.size : end])
            del self._heard[:end]
            for message in frames.messages(body):
                self._agent.hear(self, message)

    async def drain(self) -> None:
        """Return at once: there is always room."""

    def close(self) -> None:
        """Close the connection, from the head's side."""
        self.end()

    # --- the agent's half

    def say(self, message: list[Any]) -> None:
        """Send one message of the agent, in a frame of its own."""
        self.send(frames.MESSAGES, json.dumps([message]).encode())

    def send(self, kind: int, body: bytes) -> None:
        """Send one frame of the agent; dropped when the connection is broken."""
        if not self._open or self._agent.mute:
            return
        frame = frames.FRAME.pack(len(body) + 1, kind) + body
        if not self._agent.late and not self._coming:
            self.reader.feed_data(frame)
            return
        self._coming.append(frame)
        self._agent.clock.call_at(self._agent.clock.now() + self._agent.late, self._arrive)

    def end(self) -> None:
        """Break the connection: no byte passes any more."""
        if self._open:
            self._open = False
            self.reader.feed_eof()

    def _arrive(self) -> None:
        frame = self._coming.popleft()
        if self._open:
            self.reader.feed_data(frame)
