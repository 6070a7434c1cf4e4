"""The conversation with the head: who commands, and what it is sent."""

from __future__ import annotations

import os
import socket
from struct import Struct
from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, say, short_of
from batchio.agent.door import whole_number
from batchio.agent.files import DATA_FRAME, told
from batchio.agent.home import VERSION
from batchio.agent.loop import BROKEN, READABLE, WRITABLE
from batchio.agent.node import node_facts
from batchio.agent.wire import LOG, OUTPUT, BadFrame, Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from batchio.agent.daemon import Agent

    Obey = Callable[[Connection, list[Any]], None]

HEARD = "/run/batchio-heard"  # made, where there is one, by what the node was booted with
TOUCHED = 5.0  # seconds between two times that it is touched
FLUSH = 0.015  # seconds between two flushes of messages
OFFSET = Struct(">Q")
TASK = Struct(">II")


class Head:
    """All connected peers, and the one of them that commands: the head."""

    def __init__(self, agent: Agent) -> None:
        self.loop = agent.loop
        self.output = agent.output
        self.log = agent.output.log
        self.results = agent.results
        self.outbox = agent.outbox
        self.identity = agent.identity
        self.peers: dict[int, Connection] = {}
        self.commander: Connection | None = None
        self.heard = self.loop.now  # when it last said anything
        self.touched = 0.0
        self.orphaned = False  # no word for longer than its lease
        self.flushed = 0.0
        self.deaf_until = 0.0  # no descriptor for another peer
        self.obey: Obey
        self.listener: socket.socket

    # -- who is there

    def listen(self, obey: Obey) -> None:
        """Listen on a socket in the home, which is the working directory: its path has to be
        short.
        """
        self.obey = obey
        if os.path.lexists("s"):
            os.unlink("s")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.setblocking(False)
        before = os.umask(0o177)
        self.listener.bind("s")
        os.umask(before)
        self.identity.write()
        self.listener.listen(16)
        self.loop.watch(self.listener.fileno(), self.on_peer)

    def on_peer(self, mask: int) -> None:
        try:
            sock, _ = self.listener.accept()
        except OSError as error:
            if short_of(error):  # it would only be tried again at once
                self.loop.unwatch(self.listener.fileno())
                self.deaf_until = self.loop.now + 0.5
                self.loop.at(self.deaf_until)
            return
        peer = Connection(sock)
        self.peers[peer.fd] = peer
        self.loop.watch(peer.fd, lambda mask: self.on_bytes(peer, mask))

    def watch(self) -> None:
        """Listen again after a shortage of descriptors."""
        if self.deaf_until and self.loop.now >= self.deaf_until:
            self.deaf_until = 0.0
            self.loop.watch(self.listener.fileno(), self.on_peer)
        elif self.deaf_until:
            self.loop.at(self.deaf_until)

    def on_bytes(self, peer: Connection, mask: int) -> None:
        try:
            if mask & (READABLE | BROKEN):
                if peer is self.commander:
                    self.heard = self.loop.now
                    if self.heard >= self.touched + TOUCHED:
                        self.touch()
                for message in peer.receive():
                    self.obey(peer, message)
                    if peer.fd not in self.peers:
                        return
            if mask & WRITABLE:
                self.pump(peer)
        except (OSError, MemoryError):
            self.hang_up(peer)
        except BadFrame as error:
            self.refuse(peer, str(error))

    def touch(self) -> None:
        """Show the dead man of a rented computer that the head was heard; others have none."""
        self.touched = self.loop.now
        try:
            os.utime(HEARD)
        except OSError:
            pass

    def refuse(self, peer: Connection, why: str) -> None:
        say("refused a peer: %s" % why)
        peer.unsent.clear()
        peer.put([dumps(["refused", why]).encode()])
        try:
            peer.write()
        except OSError:
            pass
        self.hang_up(peer)

    def hang_up(self, peer: Connection) -> None:
        if self.peers.pop(peer.fd, None) is None:
            return
        self.loop.unwatch(peer.fd)
        peer.sock.close()
        if self.commander is peer:
            self.commander = None
            self.outbox.head_gone()

    def greet(self, peer: Connection, given: dict[str, Any]) -> None:
        """Let a peer that said hello command, unless its epoch is old or its job is another."""
        epoch = whole_number(given["epoch"])
        why = self.identity.objection(given, epoch)
        if why:
            self.refuse(peer, why)
            return
        if self.commander and self.commander is not peer:
            self.refuse(self.commander, "epoch %d took over" % epoch)
        self.identity.serve(given.get("job"), epoch)
        self.commander = peer
        peer.epoch = epoch
        self.heard = self.loop.now
        self.orphaned = False
        self.outbox.greet(["hello", self.facts(epoch)], self.results.sealed.values())
        self.flush()

    def facts(self, epoch: int) -> dict[str, Any]:
        return {
            "v": VERSION,
            "instance": self.identity.instance,
            "pid": os.getpid(),
            "epoch": epoch,
            "spool": self.log.end,
            "unacked": len(self.results.sealed),
            **node_facts(),
        }

    def lost(self, lease: float) -> bool:
        """Return whether the head has just been silent for longer than its lease."""
        now = self.loop.now
        if self.orphaned or now < self.heard + lease:
            self.loop.at(self.heard + lease if not self.orphaned else now + 1.0)
            return False
        say("no word from a head for %g s: what is queued is dropped" % lease)
        self.orphaned = True
        self.loop.at(now)
        return True

    # -- what it is sent

    def flush(self) -> None:
        """Write results to disk, then send the head all new messages, then log bytes."""
        outbox, log = self.outbox, self.log
        outbox.dirty = False
        self.flushed = self.loop.now
        self.output.write()
        done = self.results.seal(log.end)
        if self.results.late_count:
            outbox.trouble("results cannot be written to disk; they are kept in memory")
        if self.commander is None:
            outbox.drop()
            return
        messages = outbox.pop_all(done)
        if messages:
            self.commander.put(messages)
        try:
            self.pump(self.commander)
        except OSError:
            self.hang_up(self.commander)

    def farewell(self) -> None:
        """Send the head the last messages; two seconds are enough."""
        if self.commander:
            self.commander.sock.settimeout(2.0)
            try:
                self.commander.sock.sendall(self.commander.unsent)
            except OSError:
                pass

    def pump(self, peer: Connection) -> None:
        """Send messages, then data frame by frame, as long as the kernel takes them."""
        blocked = peer.blocked
        peer.write()
        frames = 0
        while not peer.unsent and frames < 8 and self.next_data(peer):
            frames += 1
            peer.write()
        more = peer.blocked or (frames == 8)
        if more != blocked:
            peer.blocked = more
            self.loop.modify(peer.fd, READABLE | (WRITABLE if more else 0))

    def next_data(self, peer: Connection) -> bool:
        """Add one frame of log or output bytes to the unsent ones; return whether there was any."""
        found = False
        if peer.pull and peer.pull[1] > 0:
            offset, data = self.log.read(peer.pull[0], min(DATA_FRAME, peer.pull[1]))
            if data:
                peer.frame(LOG, OFFSET.pack(offset), data)
                peer.pull = [offset + len(data), peer.pull[1] - len(data)]
                found = True
        if peer.fetches:
            fetch = peer.fetches[0]
            data, ended = fetch.next()
            if data or ended:
                peer.frame(OUTPUT, TASK.pack(*fetch.key), data)
            if ended:
                peer.fetches.popleft()
                peer.put([dumps(fetch.fetched()).encode()])
                if fetch.lacking:
                    lacking = "outputs of attempt %d.%d that could not be read: %s"
                    self.outbox.trouble(lacking % (*fetch.key, told(fetch.lacking)))
            found = True
        return found
