"""The provider of this computer: always there, nothing to rent, nothing to give back."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from batchio.core.plan import Offer
from batchio.ports.rent import Rented
from batchio.providers import traits
from batchio.providers.lent import Lent, one_by_one
from batchio.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchio.core.spec import JobSpec
    from batchio.ports import NodeOrder, Transport
    from batchio.ports.rent import Refused

_HANDLE: Final = "local"


class LocalProvider(Lent):
    """The provider of one node, this computer."""

    name = "local"

    def __init__(self, spec: JobSpec) -> None:
        self.traits = traits(self.name)

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """Return this computer. A request that does not fit runs all the same, in one slot.

        `max_workers` means how many tasks run at a time, as there is only one node.
        """
        most = spec.max_workers if spec.max_workers and spec.max_workers > 0 else None
        return [Offer(socket.gethostname(), limit=1, most_slots=most, strict=False)]

    def create(self, order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Take this computer; the handle is always the same."""
        return one_by_one(order, self._rent)

    async def _rent(self, node: int, offer: Offer) -> Rented:
        return Rented(node, _HANDLE)

    async def connect(self, handle: str) -> Transport:
        """Return a connection to this computer."""
        return LocalTransport()
