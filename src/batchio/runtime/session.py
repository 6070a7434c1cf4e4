"""The head's side of one node: connect, talk to its agent, reconnect, say good-bye.

A session never decides and never changes the machine: what it learns it posts as events.
`session_table` holds its states and what may follow; docs/design/faults.md says what is done
about each fault.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.node import SILENT_CLEANUP_LIMIT_S, TWIN
from batchio.errors import BatchioError, NodeError, ProtocolError, Unreachable
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.runtime.breaks import ALIKE, BROKEN, HOPELESS, broke_how, why_broken
from batchio.runtime.conversation import Conversation
from batchio.runtime.errands import Place
from batchio.runtime.remarks import Remarks
from batchio.runtime.roster import home
from batchio.runtime.session_table import Fact, Remains, SessionState, Standing
from batchio.runtime.setup import setup_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from batchio.core.plan import Offer
    from batchio.core.reports import Facts
    from batchio.ports import ByteReader, ByteWriter, LogSink, Transport
    from batchio.runtime.context import JobContext
    from batchio.runtime.errands import Errands
    from batchio.runtime.fetch import Fetch
    from batchio.runtime.live_status import LiveStatus
    from batchio.runtime.roster import Roster
    from batchio.runtime.upload import Upload

logger = logging.getLogger(__name__)

ANSWER_LIMIT_S: Final = 60.0
"""Seconds that an agent may take to stop its tasks and say good-bye, beyond their grace."""

TALKS: Final = (SessionState.TALKING, SessionState.PARTING, SessionState.RETURNING)
"""States in which a connection may break that is not tried for the first time."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """Parts that the sessions of one job share."""

    job: JobContext
    roster: Roster
    errands: Errands
    loads: LiveStatus
    """How busy nodes are, for people."""
    reaching: LiveStatus
    """Failures to reach nodes that were never ready, for people."""


class Session:
    """The session with one node, from the first connection until it is cleaned up.

    Args:
        known: The hello of its agent, when an earlier head knew the node; else empty.
        touched: Whether files or an agent of the job may be on the node already.
    """

    def __init__(
        self,
        context: SessionContext,
        node: int,
        offer: Offer,
        handle: str,
        sink: LogSink,
        known: Facts,
        *,
        touched: bool = False,
    ) -> None:
        self._job = context.job
        self._context = context
        self._node = node
        self._offer = offer
        self._handle = handle
        self._sink = sink
        self._remarks = Remarks(context.job.note, offer.id, node)
        self.work: asyncio.Task[None] | None = None
        """The asyncio task of `run`; `leave` ends it."""
        self.agent = known.get("instance", "")
        """Instance of the node's agent that the machine knows; "" before it knows one."""
        remains = Remains.AGENT if self.agent else Remains.SOMETHING if touched else None
        self._standing = Standing(remains=remains or Remains.NOTHING)
        self._socket = known.get("socket", "")
        """Path of the socket on which the agent listened last; "": ask by a bootstrap."""
        self._python = known.get("executable", "")
        """Path of the Python that runs the agent."""
        self._talk: Conversation | None = None
        """The connection over which an agent has greeted, while there is one."""
        self._leaving = asyncio.Event()
        self._keep = False
        self._unreached = ""
        """Why the last try to reach the node failed; "" when none did."""
        self._left = ""
        """Sentence about what could not be done at the end, or ""."""

    # --- telling: dropped when nobody is there to hear it ----------------------

    def tell(self, message: list[Any]) -> None:
        """Send one message to the agent; drop it without a connection."""
        if self._talk is not None:
            self._talk.tell(message)

    def start(self, items: list[list[Any]]) -> None:
        """Queue attempts on the agent, after telling it which nodes came and went."""
        if self._talk is not None:
            self._talk.start(items, self._context.roster)

    def fetch(self, task: int, attempt: int, known: int) -> Fetch | None:
        """Ask for an attempt's outputs from byte `known` on; None without a connection."""
        return None if self._talk is None else self._talk.fetch(task, attempt, known)

    def upload(self, task: int, attempt: int) -> Upload | None:
        """Return what gives orders about storing outputs; None without a connection."""
        return None if self._talk is None else self._talk.upload(task, attempt)

    # --- staying connected -----------------------------------------------------

    async def run(self) -> None:
        """Keep the node connected until `leave`; post what happens to it."""
        said = ""
        standing = self._standing
        while standing.state is SessionState.REACHING:
            why = await self._try()
            if standing.state is not SessionState.REACHING:
                return
            if standing.hopeless:
                self._give_up(why, final=False)
                return
            if standing.known and (standing.failures == 1 or why != said):
                said = why
                self._job.post(ev.NodeSilent(self._now(), self._node, why))
            if not standing.known:
                fact = [standing.failures, standing.broken_at or self._now(), why]
                self._context.reaching.show(self._node, fact)
            self._unreached = why.removeprefix(f"{self._offer.id}: ")
            await self._pause()

    async def _try(self) -> str:
        """Connect once, and talk until the connection ends; return why it ended."""
        try:
            await self._visit()
        except (Unreachable, *BROKEN) as err:
            self._step(broke_how(err))
            return why_broken(err)
        except BatchioError as err:
            if self._standing.known and not isinstance(err, ProtocolError):
                self._step(Fact.BROKE)
            else:
                alone = self._offer.rented and not isinstance(err, ALIKE)
                self._lose(why_broken(err), final=not alone)
            return str(err)
        except Exception as err:
            self._lose(self._failed(err), final=True)
        return ""

    def _lose(self, why: str, *, final: bool) -> None:
        """Give the node up for good, unless the session is leaving or over."""
        if self._standing.state in TALKS:
            self._step(Fact.BROKE)
        if self._standing.state in (SessionState.REACHING, SessionState.PREPARING):
            self._give_up(why, final=final)

    def _failed(self, err: Exception) -> str:
        """Log an error of batchio itself at this node; return for people why the node is lost."""
        logger.error("node %d, %s", self._node, self._offer.id, exc_info=err)
        return f"batchio failed there ({type(err).__name__}: {err}); see head.log"

    def _give_up(self, why: str, *, final: bool) -> None:
        self._step(Fact.GAVE_UP)
        self._job.post(ev.NodeLost(self._now(), self._node, why, final))

    async def _visit(self) -> None:
        """Connect, greet the agent, and talk to it until it has said good-bye."""
        async with self._reach() as transport:
            reader, writer = await self._door(transport)
            where, loads = transport.where, self._context.loads
            talk = Conversation(
                self._job, loads, self._node, where, self._sink, self._remarks, reader, writer
            )
            try:
                facts = await self._greeting(talk)
                self._step(Fact.GREETED)
                self._talk = talk
                await _first(self._serve(talk, transport, facts), talk.listen(), talk.ping())
            finally:
                self._talk = None
                talk.close()
            if self._standing.state is not SessionState.PARTING:
                raise Unreachable("its agent has left", where=where)
            self._step(Fact.SAID_BYE)
            self._left = self._left or talk.left

    async def _greeting(self, talk: Conversation) -> Facts:
        try:
            facts = await talk.greet()
        except Unreachable:
            raise
        except NodeError:  # one of another version: a bootstrap replaces it, where it is older
            self._socket = ""
            raise
        facts["socket"] = self._socket
        return facts

    async def _door(self, transport: Transport) -> tuple[ByteReader, ByteWriter]:
        """Open the agent's socket: at its last path, or where a bootstrap says that it is."""
        if self._socket:
            try:
                return await transport.open_unix(self._socket, self._python)
            except Unreachable:
                self._socket = ""
        if not self._standing.known:
            for name in self._context.roster.homes_before(self._node):
                await remove(transport, name, python=self._job.spec.python)
        touched = True
        try:
            address = await bootstrap(
                transport,
                home_name=self.home,
                spool=self._sink.spool,
                python=self._job.spec.python,
            )
        except HOPELESS:  # nothing of ours has run there
            touched = False
            raise
        finally:
            if touched:
                self._step(Fact.BOOTSTRAPPED)
        self._socket, self._python = address.socket, address.python
        return await transport.open_unix(self._socket, self._python)

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[Transport]:
        transport = await self._job.provider.connect(self._handle)
        try:
            yield transport
        finally:
            await transport.close()

    async def _serve(self, talk: Conversation, transport: Transport, facts: Facts) -> None:
        """Make the node ready, and say good-bye to its agent when `leave` was called."""
        if self._standing.state is SessionState.PREPARING:
            await self._prepare(talk, transport, facts)
        await self._leaving.wait()
        self._left = await talk.say_goodbye(keep=self._keep)
        await self._job.clock.sleep(ANSWER_LIMIT_S + self._job.spec.grace)
        self._disown()
        raise Unreachable("its agent did not confirm the end", where=transport.where)

    async def _prepare(self, talk: Conversation, transport: Transport, facts: Facts) -> None:
        """Run the node's errands, and post that it is ready, back, or restarted."""
        job, roster, now = self._job, self._context.roster, self._now
        if not self._standing.known and (twin := roster.duplicate_of(self._node, facts)):
            why = f"{TWIN}{twin}; it is used once"
            raise NodeError(why, where=self._offer.id)
        slots, warning = roster.slots(self._node, self._offer, facts)
        setup = setup_for(job, self._node, slots, facts)
        talk.tell(["setup", setup])
        if facts["instance"] != self.agent:  # a known agent has had its errands
            folder = os.path.dirname(self._socket)
            await self._context.errands.run(
                Place(self._node, talk, transport, folder, facts, setup)
            )
        if not self._standing.known:
            if warning:
                job.note(warning)
            if ahead := facts["ahead"]:
                way = "ahead" if ahead > 0 else "behind"
                off = f"its clock is {abs(ahead):.0f} s {way}"
                job.note(f"{self._offer.id}: {off}; batchio corrects the times")
            job.post(ev.NodeGreeted(now(), self._node, slots, facts))
        elif facts["instance"] == self.agent:
            job.post(ev.NodeHeard(now(), self._node))
        else:
            job.post(ev.NodeRestarted(now(), self._node, facts))
        self.agent = facts["instance"]
        self._step(Fact.PREPARED)

    # --- leaving ---------------------------------------------------------------

    async def leave(self, *, keep: bool, come_back: bool = True) -> str:
        """Receive the last log bytes, stop the agent, and remove its files from the node.

        Args:
            keep: Leave the agent's files on the node.
            come_back: Connect once more for that when there is no connection.

        Returns a sentence about what could not be done, or "".
        """
        self._keep = keep
        if self._unreached and not self._standing.known and not self._offer.rented:
            self._remarks.add(f"{self._offer.id} was not used: {self._unreached}")
        self._step(Fact.LEAVE)
        self._leaving.set()
        if self.work is not None:
            if self._standing.state is SessionState.RETURNING:
                self.work.cancel()  # on the way there, or at an errand, or resting
            await asyncio.wait([self.work])
        if self._standing.state is SessionState.RETURNING:
            if come_back:
                await self._return()
            else:
                self._step(Fact.GAVE_UP)
        return self._left

    async def _return(self) -> None:
        """Connect once more, only to clean up; do not wait for a node long out of reach."""
        standing, now = self._standing, self._now()
        patience = min(self._job.spec.node_timeout, SILENT_CLEANUP_LIMIT_S)
        give_up = (now if standing.broken_at is None else standing.broken_at) + patience
        why = "it does not answer"
        while standing.worth_returning(self._now(), give_up):
            try:
                await self._clean_up()
                return
            except HOPELESS as err:
                why = why_broken(err)
                break
            except (BatchioError, *BROKEN) as err:
                why = why_broken(err)
                self._step(Fact.BROKE)
            except Exception as err:
                why = self._failed(err)
                break
            await self._pause()
        self._step(Fact.GAVE_UP)
        self._left = f"{self.home} may still be there: {why}"

    async def _clean_up(self) -> None:
        """Stop what runs on the node and remove its files, through the agent if it answers."""
        standing = self._standing
        if standing.remains is Remains.AGENT:
            try:
                await self._visit()
                return
            except (Unreachable, OSError, asyncio.IncompleteReadError) as err:
                if not isinstance(err, TimeoutError):
                    raise
                self._step(Fact.HUNG)
            except NodeError:  # it does not start any more, or talks what nobody understands
                self._step(Fact.BROKE)
            except Exception as err:
                self._failed(err)
                self._step(Fact.BROKE)
        if standing.known:
            self._disown()
            self._left = "its last lines of output did not arrive"
        if standing.remains is not Remains.NOTHING and not self._keep:
            async with self._reach() as transport:
                await remove(transport, self.home, python=self._job.spec.python)
        self._step(Fact.CLEANED_UP)

    def _disown(self) -> None:
        self.agent = ""
        self._step(Fact.DISOWNED)

    # --- plumbing --------------------------------------------------------------

    @property
    def home(self) -> str:
        """Name of the agent's home on the node."""
        return home(self._job.job, self._node)

    async def _pause(self) -> None:
        await self._job.clock.sleep(self._standing.pause(self._node))

    def _step(self, fact: Fact) -> None:
        self._standing.step(fact, self._now())

    def _now(self) -> float:
        return self._job.clock.now()


async def _first(*works: Coroutine[Any, Any, None]) -> None:
    """Run all coroutines until the first has ended; cancel the others, raise its error."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
