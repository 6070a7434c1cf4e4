"""The daemon of one home: its parts put together, and the turns of its loop."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from typing import TYPE_CHECKING

from batchio.agent.attempts import Attempts
from batchio.agent.basics import short_of
from batchio.agent.children import Children
from batchio.agent.chores import Chores
from batchio.agent.containers import remove_containers
from batchio.agent.departure import Departure
from batchio.agent.devices import Devices
from batchio.agent.endings import Endings
from batchio.agent.folders import Folders
from batchio.agent.head import FLUSH, Head
from batchio.agent.helpers import Helpers
from batchio.agent.home import Identity, erase
from batchio.agent.launcher import Launcher
from batchio.agent.loop import Loop
from batchio.agent.orders import Orders
from batchio.agent.outbox import Outbox
from batchio.agent.output import Output
from batchio.agent.processes import become_subreaper, sweep
from batchio.agent.results import Results
from batchio.agent.setup import LEASE
from batchio.agent.spawning import Caller
from batchio.agent.spool import Log
from batchio.agent.stops import Stops
from batchio.agent.strays import Strays
from batchio.agent.uploads import Uploads

if TYPE_CHECKING:
    from typing import Any, Deque

    from batchio.agent.attempts import Attempt


class Agent:
    """The daemon: one thread and one poll loop; nothing blocks but short file operations."""

    def __init__(self, home: str, spool: str | None) -> None:
        self.home = home
        self.loop = Loop()
        self.outbox = Outbox()
        self.departure = Departure()
        self.attempts = Attempts()
        self.chores = Chores()
        self.devices = Devices(home)
        self.children = Children()
        self.helpers = Helpers(self.loop, self.children, home)
        self.folders = Folders(self.helpers, self.outbox, home)
        log = Log(spool or home + "/spool", spool is not None)
        self.output = Output(self.loop, log, self.outbox)
        self.strays = Strays(self.loop, self.children)
        self.results = Results(home + "/results")
        self.identity = Identity(home, self.outbox)
        # from here on each room takes from this agent what stands above it
        self.endings = Endings(self)
        self.stops = Stops(self)
        self.uploads = Uploads(self)
        self.launcher = Launcher(self)
        self.head = Head(self)
        self.orders = Orders(self)
        self.child_ended = False
        self.ended: Deque[Attempt] = deque()

    def begin(self) -> None:
        """Set up signals and standard input, and listen for heads."""
        os.dup2(self.helpers.devnull, 0)  # what every child inherits as its standard input
        become_subreaper()
        woken, waker = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_signal)
        self.loop.watch(woken, lambda mask: self.on_wakeup(woken))
        os.chdir(self.home)
        self.head.listen(self.orders.obey)

    def on_signal(self, number: int, frame: Any) -> None:
        self.departure.force()

    def on_wakeup(self, woken: int) -> None:
        os.read(woken, 4096)
        self.child_ended = True

    def serve(self) -> None:
        """Serve until it is time to end; by then no process of ours runs."""
        Caller.depart_from()
        while not self.departing():
            self.try_turn()
        sweep(self.home)
        remove_containers(self.home)
        if not (self.departure.keep or self.departure.forced):
            self.folders.remove_all()
            while self.helpers.busy() and not self.departure.forced:
                self.try_turn()
        self.head.listener.close()
        self.head.flush()
        left = ""
        if not self.departure.keep:  # before the good-bye: who hears it may count on that
            left = erase(self.home)
        if not self.departure.forced:
            self.outbox.answer(["bye", left])
            self.head.flush()
        self.head.farewell()

    def try_turn(self) -> None:
        """Do a turn; work that fails for a shortage waits, and is done in a later turn."""
        try:
            self.turn()
        except (OSError, MemoryError) as error:
            lacking = short_of(error)
            if not lacking:
                raise
            self.outbox.trouble("the agent has to wait: %s" % lacking)
            time.sleep(0.1)

    def turn(self) -> None:
        loop, output, outbox = self.loop, self.output, self.outbox
        until = loop.wake
        young = output.due()
        if young is not None and young < until:
            until = young
        if outbox.dirty and self.head.flushed + FLUSH < until:
            until = self.head.flushed + FLUSH
        loop.wait(0.0 if self.chores.waiting else until)
        if self.child_ended:
            self.reap()
        queue = self.attempts.queue
        if queue and not output.choked and not self.departure.wanted:
            self.launcher.launch_queued()  # first, so that no slot waits for our books
        while self.ended:
            self.endings.exited(self.ended.popleft())
        self.chores.turn()
        output.turn()
        if loop.now >= loop.wake:
            self.watch()
        if not self.attempts.queue:
            self.folders.remove_spare()
        if outbox.dirty and loop.now - self.head.flushed >= FLUSH:
            self.head.flush()

    def reap(self) -> None:
        self.child_ended = False
        for attempt in self.children.reap():
            self.attempts.release(attempt)
            self.ended.append(attempt)
            self.launcher.retry_at = 0.0  # there may be room for another one now

    def watch(self) -> None:
        """Do all that is due because time went by, and set the next wake-up."""
        now = self.loop.now
        self.loop.wake = now + 60.0
        self.endings.watch()
        self.stops.watch()
        self.strays.watch()
        self.helpers.watch()
        self.uploads.watch()
        if self.output.choked:
            self.output.unchoke()
            self.loop.at(now + 1.0)
        self.launcher.watch()
        self.head.watch()
        setup = self.launcher.setup
        if self.head.lost(setup.lease if setup else LEASE):
            self.orders.give_back(list(self.attempts.queue.values()))

    def departing(self) -> bool:
        if self.head.orphaned and not self.attempts.known and not self.departure.wanted:
            self.departure.force()
        cleaning = self.helpers.busy() or self.strays.cleaning()
        return self.departure.due(self.loop.now, bool(self.attempts.known), cleaning)
