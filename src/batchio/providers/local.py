"""This computer: always there, nothing to rent, nothing to give back."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from batchio.core.plan import Offer
from batchio.providers import traits
from batchio.transports.local import LocalTransport

if TYPE_CHECKING:
    from batchio.core.spec import JobSpec
    from batchio.ports import NodeOrder, Transport

_HANDLE: Final = "local"


class LocalProvider:
    """One node, this computer."""

    name = "local"

    def __init__(self, spec: JobSpec) -> None:
        self.traits = traits(self.name)

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """This computer. A request that does not fit runs all the same, in one slot.

        `max_workers` means how many tasks run at a time, as there is only one node.
        """
        most = spec.max_workers if spec.max_workers and spec.max_workers > 0 else None
        return [Offer(socket.gethostname(), limit=1, most_slots=most, strict=False)]

    async def create(self, order: NodeOrder) -> str:
        """Nothing to do; the handle is always the same."""
        return _HANDLE

    async def connect(self, handle: str) -> Transport:
        """The way to this computer."""
        return LocalTransport()

    async def delete(self, handle: str) -> None:
        """Nothing was rented; whoever started an agent here removes it."""

    async def aclose(self) -> None:
        """Nothing is held open."""
