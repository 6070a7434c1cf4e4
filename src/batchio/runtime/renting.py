"""Calls to the provider: for offers, orders and deletions; repeated until the answer is known.

No exception of an adapter leaves this module. A refusal becomes an event; any other exception,
of whatever type, says only that the result is not known, and the call is repeated: after a
second, then longer, up to a minute, by the next head too, since the request stands in the
journal. So nothing is ever journaled as taken, refused or given back on a guess.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from batchio.core import events as ev
from batchio.core.node import NodeState
from batchio.core.traits import Trait
from batchio.errors import BatchioError, ProviderDown, Remedy, Unreachable, remedy_of
from batchio.ports.rent import Line, NodeOrder, Refused, Rented

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from batchio.core.effects import PlaceOrder
    from batchio.core.machine import Machine
    from batchio.core.node import Node
    from batchio.ports import Clock, Notice, Provider, Transport

T = TypeVar("T")

AGAIN_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Seconds before the provider is asked again; the last one repeats."""

CALL_LIMIT_S: Final = 300.0
"""Seconds in which a call must be answered; after them its result is not known."""

LONG_S: Final = 600.0
"""Seconds after which people are told that a node is still held."""

GATHERED_S: Final = 0.5
"""Seconds for which nodes to be given back wait for others, to share one call."""

LOOK_EVERY_S: Final = 10.0
"""Seconds between two checks whether silent rented nodes still exist."""


class Renting:
    """Performs the effects that concern the provider, for one head of one job.

    Args:
        machine: Only read here: the nodes' handles and states.
        spawn: Begins a coroutine in the head's task group.
    """

    def __init__(
        self,
        machine: Machine,
        provider: Provider,
        post: Callable[[ev.Event], None],
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._machine = machine
        self._provider = provider
        self._post = post
        self._clock = clock
        self._spawn = spawn
        self._job = machine.running_job.id
        self._leaving: dict[int, tuple[str, str]] = {}
        """Nodes that wait to be given back: their handles, and what stayed on them."""
        self._given: dict[str, dict[str | None, int]] = {}
        """By token of an order: the node that each handle was given to."""
        self.rents = Trait.RENTS in provider.traits
        self._watching = spawn(self._watch())
        self._looking: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Stop watching the provider's notices, as the head ends."""
        self._watching.cancel()
        if self._looking is not None:
            self._looking.cancel()

    # --- offers ----------------------------------------------------------------

    async def list_offers(self) -> None:
        """Ask for offers until the provider lists them or refuses; post the answer."""
        tries = 0
        while True:
            try:
                offers = await self._call(self._provider.offers(self._machine.running_job.spec))
            except BatchioError as err:
                if _refuses(err):
                    self._post(ev.OffersFailed(self._now(), _said(err), 0.0))
                    return
                again = self._now() + _delay(tries)
                self._post(ev.OffersFailed(self._now(), _said(err), again))
                tries += 1
                await self._clock.sleep(again - self._now())
            else:
                self._post(ev.OffersListed(self._now(), [offer.to_json() for offer in offers]))
                return

    # --- orders ----------------------------------------------------------------

    async def place(self, effect: PlaceOrder) -> None:
        """Ask for the nodes of an order until each is answered; post the answers."""
        order = NodeOrder(effect.token, self._job, tuple(self._lines(effect)))
        waiting, tries = dict.fromkeys(order.nodes), 0
        while waiting:
            why = "its provider has not answered yet"
            try:
                await self._call(self._take(order, waiting))
            except BatchioError as err:
                why = _said(err)
                if _refuses(err):
                    self._refuse_all(order, waiting, err)
            if waiting:
                await self._delayed(list(waiting), why, tries)
                tries += 1

    def _lines(self, effect: PlaceOrder) -> Iterable[Line]:
        offers, first = self._machine.offers or {}, effect.first
        for offer, count in effect.rows:
            yield Line(offers[offer], tuple(range(first, first + count)))
            first += count

    async def _take(self, order: NodeOrder, waiting: dict[int, None]) -> None:
        async for answer in self._provider.create(order):
            match answer:
                case Rented():
                    self._rented(answer, order, waiting)
                case Refused(nodes, offer, error):
                    if _refuses(error):
                        self._refused([n for n in nodes if n in waiting], offer, error)
                        for node in nodes:
                            waiting.pop(node, None)

    def _rented(self, one: Rented, order: NodeOrder, waiting: dict[int, None]) -> None:
        """Post a node that was taken, unless one of the order has that handle already.

        The numbers of an answer are only a proposal: what was had before may be answered again
        under other numbers, when some of it has ended meanwhile.
        """
        nodes = self._machine.nodes
        given = self._given.setdefault(
            order.token, {nodes[n].handle: n for n in order.nodes if nodes[n].handle}
        )
        if one.handle in given:
            waiting.pop(given[one.handle], None)
            return
        free = [
            n for n in (one.node, *order.nodes)
            if nodes[n].state is not NodeState.GONE and n not in given.values()
        ]  # fmt: skip
        if not free:
            self._note(f"{self._provider.name} started {one.handle}, which was not ordered")
            self._spawn(self._delete({-1: (one.handle, "")}))
            return
        node = given[one.handle] = free[0]
        waiting.pop(node, None)
        now, reach = self._now(), dict(one.reach)
        self._post(
            ev.NodeCreated(
                now, node, one.handle, one.offer, one.rate, one.zone, one.spot, one.since, reach
            )
        )

    def _refused(self, nodes: list[int], offer: str, error: BatchioError) -> None:
        if nodes:
            final = error.remedy is Remedy.FIX
            self._post(ev.NodesRefused(self._now(), nodes, offer, _said(error), final))

    def _refuse_all(self, order: NodeOrder, waiting: dict[int, None], error: BatchioError) -> None:
        for offer, nodes in order.lines:
            self._refused([node for node in nodes if node in waiting], offer.id, error)
        waiting.clear()

    # --- ends --------------------------------------------------------------------

    def give_back(self, node: int, handle: str, left: str) -> None:
        """Give back a node whose session has ended; `left` says what stayed on it, or ""."""
        if not self._leaving:
            self._spawn(self._gather())
        self._leaving[node] = (handle, left)

    async def _gather(self) -> None:
        await self._clock.sleep(GATHERED_S if self.rents else 0.0)
        batch, self._leaving = self._leaving, {}
        await self._delete(batch)

    async def _delete(self, batch: dict[int, tuple[str, str]]) -> None:
        """Ask the provider to delete nodes until it has confirmed all; post each."""
        since, tries, told = self._now(), 0, False
        while True:
            why = "its provider has not confirmed it yet"
            try:
                handles = sorted({handle for handle, _ in batch.values()})
                gone = await self._call(self._provider.delete(handles))
            except BatchioError as err:
                why, gone = _said(err), frozenset()
            for node, (handle, left) in list(batch.items()):
                if handle in gone:
                    del batch[node]
                    if node >= 0:
                        self._post(ev.NodeDeleted(self._now(), node, left))
            if not batch:
                return
            if not told and self._now() - since >= LONG_S:
                told = True
                names = ", ".join(handle for handle, _ in batch.values())
                self._note(
                    f"still running at {self._provider.name} and may cost money: {names}: {why}"
                )
            await self._delayed([node for node in batch if node >= 0], why, tries)
            tries += 1

    # --- the way there, and what becomes of nodes ----------------------------------

    async def connect(self, handle: str) -> Transport:
        """Open a transport to a node; an exception of an unknown type becomes Unreachable."""
        try:
            return await self._provider.connect(handle)
        except (BatchioError, OSError):
            raise
        except Exception as err:
            raise Unreachable(_said(err), where=handle) from err

    async def _watch(self) -> None:
        """Post the provider's notices about nodes for as long as the head lives."""
        tries = 0
        while True:
            try:
                async for notice in self._provider.watch(self._job):
                    tries = 0
                    self._heard(notice)
                return
            except Exception:  # whatever it is, news are asked for again
                await self._clock.sleep(_delay(tries))
                tries += 1

    def _heard(self, notice: Notice) -> None:
        now = self._now()
        for node in self._machine.nodes:
            if node.handle != notice.handle or not node.alive:
                continue
            match notice.kind:
                case "taken":
                    self._post(ev.NodeNoticed(now, node.number, notice.when, notice.why))
                case "ends":
                    self._post(ev.NodeEnds(now, node.number, notice.when))
                case "gone":
                    self._vanished(node, notice.why)

    def saw(self, batch: list[ev.Event]) -> None:
        """Check, when rented nodes fell silent in this batch, whether they still exist."""
        if not self.rents or (self._looking is not None and not self._looking.done()):
            return
        if any(isinstance(event, ev.NodeSilent) for event in batch):
            self._looking = self._spawn(self._look())

    async def _look(self) -> None:
        while silent := [n for n in self._machine.nodes if n.state is NodeState.SILENT]:
            try:
                handles = [str(node.handle) for node in silent]
                there = await self._call(self._provider.locate(handles))
            except BatchioError:
                pass  # not known: they may be there
            else:
                for node in silent:
                    if node.handle not in there:
                        self._vanished(node, "its provider says it is gone")
            await self._clock.sleep(LOOK_EVERY_S)

    def _vanished(self, node: Node, why: str) -> None:
        self._post(ev.NodeVanished(self._now(), node.number, why))

    # --- plumbing ------------------------------------------------------------------

    async def _call(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call of the provider; raise nothing but BatchioError.

        Raises:
            BatchioError: with the remedy that the adapter meant, or AGAIN.
        """
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                return await call
        except BatchioError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ProviderDown("the call was given up") from None
        except Exception as err:
            raise ProviderDown(_said(err)) from err

    async def _delayed(self, nodes: list[int], why: str, tries: int) -> None:
        again = self._now() + _delay(tries)
        if nodes:
            self._post(ev.NodesDelayed(self._now(), nodes, why, again))
        await self._clock.sleep(again - self._now())

    def _note(self, text: str) -> None:
        self._post(ev.Noted(self._now(), text))

    def _now(self) -> float:
        return self._clock.now()


def _refuses(error: BatchioError) -> bool:
    """Return whether an error says for certain that the request was not carried out."""
    return remedy_of(error) in (Remedy.OTHER, Remedy.FIX)


def _delay(tries: int) -> float:
    return AGAIN_S[min(tries, len(AGAIN_S) - 1)]


def _said(error: BaseException) -> str:
    """Return the text of an error for people; with its type, if it is none of batchio."""
    if isinstance(error, BatchioError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer for {CALL_LIMIT_S:g} s"
    return f"{type(error).__name__}: {error}".removesuffix(": ")
