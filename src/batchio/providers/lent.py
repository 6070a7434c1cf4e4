"""The verbs that providers share which rent nothing: their computers are there anyway.

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
    order: NodeOrder, rent: Callable[[int, Offer], Awaitable[Rented]]
) -> AsyncIterator[Rented | Refused]:
    """Serve an order node by node; a node whose outcome `rent` cannot tell stays unanswered."""
    for offer, nodes in order.lines:
        for node in nodes:
            try:
                yield await rent(node, offer)
            except BatchioError as err:
                if err.remedy in (Remedy.OTHER, Remedy.FIX):
                    yield Refused((node,), offer.id, err)


class Lent:
    """The verbs of a provider whose nodes are only lent."""

    async def delete(self, handles: Sequence[str]) -> frozenset[str]:
        """Confirm that all nodes are given back: their agents have been removed before."""
        return frozenset(handles)

    async def end(self, job: str) -> Sequence[str]:
        """Return nothing: nothing was made beside the nodes."""
        return ()

    async def locate(self, handles: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return every node with an empty address, so that none counts as gone."""
        return {handle: {} for handle in handles}

    async def watch(self, job: str) -> AsyncIterator[Notice]:
        """Yield nothing: such a provider sends no notices."""
        return
        yield

    async def held(self, job: str | None = None) -> AsyncIterator[Held]:
        """Yield nothing: no node is held."""
        return
        yield

    async def check(self, spec: JobSpec) -> list[Finding]:
        """Return nothing: there is nothing to check before connecting."""
        return []

    async def aclose(self) -> None:
        """Do nothing: connections belong to their callers."""
