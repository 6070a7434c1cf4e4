"""Where nodes come from. Every verb may be repeated with the same arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.core.traits import Trait
    from batchio.ports.reach import Transport


class NodeOrder(NamedTuple):
    """One node to take. The same `token` always means the same node."""

    token: str
    offer: str
    job: str


class Provider(Protocol):
    """Lends or rents nodes."""

    name: str
    traits: frozenset[Trait]

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """What there is for such a job, best first.

        Raises:
            UsageError: the request makes no sense to this provider.
            ProviderError: it cannot say.
        """
        ...

    async def create(self, order: NodeOrder) -> str:
        """Take one node and return its handle; it may still be booting.

        Raises:
            NoCapacity, QuotaExceeded, ProviderDown: by remedy.
        """
        ...

    async def connect(self, handle: str) -> Transport:
        """Open a way to the node.

        Raises:
            Unreachable: no answer; asking again may help.
            NotAuthorised: a key was refused; asking again will not help.
        """
        ...

    async def delete(self, handle: str) -> None:
        """Give it back. One that is already gone is not an error."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever the provider itself holds open."""
        ...
