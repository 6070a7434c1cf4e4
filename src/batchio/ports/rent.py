"""The port to providers, where nodes come from. Every verb may be repeated as it was.

Errors are told apart by their remedy (`errors.Remedy`). OTHER and FIX are refusals: nothing
was taken, for certain. Every other exception, of whatever type, means that nobody knows what
became of the call; it is asked again with the same arguments until somebody does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.core.traits import Trait
    from batchio.errors import BatchioError
    from batchio.ports.reach import Transport


class Line(NamedTuple):
    """One line of an order: the numbers of nodes, and the offer that they are wanted of."""

    offer: Offer
    nodes: tuple[int, ...]


class NodeOrder(NamedTuple):
    """Nodes to take with one call; any offer of the order may serve any of its nodes.

    The same `token` always comes with the same lines, and means the same nodes. Everything
    in it stands in the journal, so that any head of the job repeats it word for word.
    """

    token: str
    job: str
    lines: tuple[Line, ...]

    @property
    def nodes(self) -> tuple[int, ...]:
        """The numbers of all nodes of the order."""
        return tuple(node for line in self.lines for node in line.nodes)


class Rented(NamedTuple):
    """A node that was taken; it may still be booting.

    Attributes:
        handle: The provider's name for it, by which any head reaches it and gives it back.
        offer: Id of the offer it came of; "" for the one it was wanted of.
        rate: US dollars an hour, at most; 0 when it is free.
        since: When it began to cost, in Unix seconds; 0: now.
        reach: What is known of its address: `host`, …
    """

    node: int
    handle: str
    offer: str = ""
    rate: float = 0.0
    zone: str = ""
    spot: bool = False
    since: float = 0.0
    reach: Mapping[str, Any] = {}


class Refused(NamedTuple):
    """Nodes that an offer cannot give: `error` says why, and its remedy what helps."""

    nodes: tuple[int, ...]
    offer: str
    error: BatchioError


class Notice(NamedTuple):
    """A provider's own message about a node.

    Attributes:
        kind: taken: it will be taken from us at `when` (spot, maintenance). ends: its time
            is over at `when`. gone: it is not there any more.
        when: Unix seconds; 0 for gone.
    """

    handle: str
    kind: Literal["taken", "ends", "gone"]
    when: float = 0.0
    why: str = ""


class Held(NamedTuple):
    """A node that is held for a job, as its tags say; `since` is in Unix seconds."""

    handle: str
    job: str
    tags: Mapping[str, str]
    since: float
    rate: float
    state: str


class Finding(NamedTuple):
    """The result of one check before anything is taken; `ok` None: it cannot be found out."""

    name: str
    ok: bool | None
    said: str
    hint: str = ""


class Provider(Protocol):
    """A source of nodes, which lends or rents them."""

    name: str
    traits: frozenset[Trait]

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """Return the offers for such a job, best first.

        Raises:
            UsageError: the request makes no sense to this provider.
            ProviderDown: it cannot say now.
        """
        ...

    def create(self, order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Take nodes, and yield the result for each, node by node.

        That some are had and others not is the normal case. A node that is not answered is
        not known yet: the order is repeated, and a repeated order answers the same about
        nodes that were had before.

        Raises:
            NoCapacity, QuotaExceeded, NotAuthorised, UsageError: nothing more was taken.
        """
        ...

    async def connect(self, handle: str) -> Transport:
        """Open a connection to the node; waits for a node that boots.

        Raises:
            Unreachable: no answer; asking again may help.
            NotAuthorised: a key was refused; asking again will not help.
        """
        ...

    async def delete(self, handles: Sequence[str]) -> frozenset[str]:
        """Give nodes back; return the handles that are confirmed to be gone, or to be ending.

        A node that is gone already is confirmed. One that is not returned is asked for again.
        """
        ...

    async def end(self, job: str) -> Sequence[str]:
        """Remove what was made for a job that is done, beside its nodes; return what is left.

        Repeatable: what is still in use may be gone later.
        """
        ...

    async def locate(self, handles: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return how each node is reached, as in `Rented.reach`; one that is missing is gone."""
        ...

    def watch(self, job: str) -> AsyncIterator[Notice]:
        """Yield the notices about a job's nodes: first those that hold now, then new ones.

        Ends at once where there never is any.
        """
        ...

    def held(self, job: str | None = None) -> AsyncIterator[Held]:
        """Yield the nodes held for a job, or for all of this user's, by their tags alone.

        A look-up that fails raises; it never means that there are none.
        """
        ...

    async def check(self, spec: JobSpec) -> list[Finding]:
        """Check whether such a job could run; takes nothing."""
        ...

    async def aclose(self) -> None:
        """Close whatever the provider itself holds open."""
        ...
