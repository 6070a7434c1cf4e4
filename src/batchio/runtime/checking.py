"""Checks of nodes before there is a job: each is reached and greeted as a job would do it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Final

from batchio.core.node import TWIN, same_computer
from batchio.core.plan import slots_for
from batchio.core.sizes import format_bytes
from batchio.core.traits import Trait
from batchio.errors import BatchioError, NodeError, ProtocolError
from batchio.ports import Finding, Line, NodeOrder, Refused
from batchio.runtime import agent_messages as messages
from batchio.runtime import frames
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.runtime.breaks import BROKEN, why_broken
from batchio.runtime.conversation import GREET_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchio.core.plan import Offer
    from batchio.core.reports import Facts
    from batchio.core.spec import JobSpec
    from batchio.ports import Provider, Transport

AT_ONCE: Final = 32
"""Most nodes that are checked at a time."""


async def check_nodes(provider: Provider, spec: JobSpec) -> list[Finding]:
    """Check every node that such a job could have, and leave nothing on any.

    Raises:
        UsageError, ProviderDown: there are no offers.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    known: list[tuple[str, Facts]] = []

    async def one(offer: Offer) -> Finding:
        async with gate:
            try:
                facts = await _facts(provider, spec, offer)
                slots, lack = slots_for(spec, offer, facts)
            except BatchioError as err:
                said = str(err).removeprefix(f"{offer.id}: ")  # the finding begins with it
                return Finding(offer.id, False, said, err.hint or "")
            except BROKEN as err:
                return Finding(offer.id, False, why_broken(err))
        twin = next((name for name, other in known if same_computer(facts, other)), "")
        known.append((offer.id, facts))
        if twin and Trait.HOSTS in provider.traits:
            return Finding(offer.id, True, f"{TWIN}{twin}; it is used once")
        return Finding(offer.id, not lack, lack or f"{_described(facts)}; {_at_once(slots)}")

    return list(await asyncio.gather(*map(one, await provider.offers(spec))))


async def _facts(provider: Provider, spec: JobSpec, offer: Offer) -> Facts:
    """Take a node of the offer, start an agent there, and return its hello."""
    home = f"check-{secrets.token_hex(8)}"
    async with on_node(provider, offer, home) as transport:
        return await _greeted(transport, home, spec)


@contextlib.asynccontextmanager
async def on_node(provider: Provider, offer: Offer, name: str) -> AsyncIterator[Transport]:
    """Take a node of the offer under a name, connect to it, and give it back at the end.

    Raises:
        NodeError, ProviderError: there is none, or it cannot be reached.
    """
    order = NodeOrder(name, name, (Line(offer, (0,)),))
    async for answer in provider.create(order):
        if isinstance(answer, Refused):
            raise answer.error
        try:
            transport = await provider.connect(answer.handle)
            try:
                yield transport
            finally:
                await transport.close()
        finally:
            await provider.delete([answer.handle])
        return
    raise NodeError("it is unknown whether there is a node", where=offer.id)


async def _greeted(transport: Transport, home: str, spec: JobSpec) -> Facts:
    """Return the hello of an agent that is started for it, and ended."""
    try:
        address = await bootstrap(transport, home_name=home, python=spec.python)
        async with asyncio.timeout(GREET_LIMIT_S):
            reader, writer = await transport.open_unix(address.socket, address.python)
            try:
                hello = ["hello", {"v": frames.VERSION, "job": home, "epoch": 1}]
                writer.write(frames.pack([hello]))
                kind, body = await frames.read(reader)
            finally:
                writer.close()
        said = frames.messages(body) if kind == frames.MESSAGES else []
        answer = messages.read(said[0], 0) if said else None
        if not isinstance(answer, messages.Hello):
            raise ProtocolError("its agent does not begin with a hello", where=transport.where)
    except BaseException:
        with contextlib.suppress(BatchioError, *BROKEN):  # the first error says more
            await remove(transport, home, python=spec.python)
        raise
    await remove(transport, home, python=spec.python)
    return answer.facts


def _described(facts: Facts) -> str:
    parts = [f"Python {facts.get('python', '?')}", f"{facts.get('cpus', 1):g} CPUs"]
    if memory := facts.get("memory"):
        parts.append(f"{format_bytes(memory)} of memory")
    if gpus := facts.get("gpus"):
        parts.append(f"{gpus} GPU" + "s" * (gpus > 1))
    return ", ".join([*parts, *facts.get("engines", [])])


def _at_once(slots: int) -> str:
    return "one task at a time" if slots == 1 else f"{slots} tasks at a time"
