"""What providers have in common that rent nothing: computers that are there anyway.

Such a node costs nothing and is nobody's to end, so it is gone as soon as nobody uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.errors import BatchioError, Remedy
from batchio.ports.rent import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.ports.rent import Finding, Held, NodeOrder, Notice, Rented


async def one_by_one(
    order: NodeOrder, take: Callable[[int, Offer], Awaitable[Rented]]
) -> AsyncIterator[Rented | Refused]:
    """Serve an order node by node; what `take` cannot tell for certain stays unanswered."""
    for offer, nodes in order.lines:
        for node in nodes:
            try:
                yield await take(node, offer)
            except BatchioError as err:
                if err.remedy in (Remedy.OTHER, Remedy.FIX):
                    yield Refused((node,), offer.id, err)


class Lent:
    """The verbs of a provider whose nodes are only lent."""

    async def delete(self, handles: Sequence[str]) -> frozenset[str]:
        """Confirm all: whoever started an agent there has removed it."""
        return frozenset(handles)

    async def locate(self, handles: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Know of no node that it is gone."""
        return {handle: {} for handle in handles}

    async def watch(self, job: str) -> AsyncIterator[Notice]:
        """Say nothing of them unasked."""
        return
        yield

    async def held(self, job: str | None = None) -> AsyncIterator[Held]:
        """Hold nothing."""
        return
        yield

    async def check(self, spec: JobSpec) -> list[Finding]:
        """Have nothing to look at before connecting."""
        return []

    async def aclose(self) -> None:
        """Hold nothing open: connections belong to who asked for them."""
