"""Where nodes come from. Every verb may be repeated with the same arguments.

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
    """Nodes of an order, by their numbers, and the offer that they are wanted of."""

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
        """The numbers of all nodes."""
        return tuple(node for line in self.lines for node in line.nodes)


class Rented(NamedTuple):
    """A node that was taken; it may still be booting.

    Attributes:
        handle: By which it is reached and given back, by any head.
        offer: Id of the offer it came of; "" for the one it was wanted of.
        rate: US dollars an hour, at most; 0 when it is free.
        since: From when on it costs, in Unix seconds; 0: from now on.
        reach: What is known of the way there: `host`, …
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
    """Nodes that are not to be had of an offer: `error` says why, and its remedy what helps."""

    nodes: tuple[int, ...]
    offer: str
    error: BatchioError


class Notice(NamedTuple):
    """What a provider says of a node unasked.

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
    """One thing that was looked at before anything is taken; `ok` None: not to be found out."""

    name: str
    ok: bool | None
    said: str
    hint: str = ""


class Provider(Protocol):
    """Lends or rents nodes."""

    name: str
    traits: frozenset[Trait]

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """Return what there is for such a job, best first.

        Raises:
            UsageError: the request makes no sense to this provider.
            ProviderDown: it cannot say now.
        """
        ...

    def create(self, order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Take nodes, and yield what became of them, node by node.

        That some are had and others not is the normal case. A node that is not answered is
        not known yet: the order is repeated, and a repeated order answers the same about
        nodes that were had before.

        Raises:
            NoCapacity, QuotaExceeded, NotAuthorised, UsageError: nothing more was taken.
        """
        ...

    async def connect(self, handle: str) -> Transport:
        """Open a way to the node; a node that boots is waited for.

        Raises:
            Unreachable: no answer; asking again may help.
            NotAuthorised: a key was refused; asking again will not help.
        """
        ...

    async def delete(self, handles: Sequence[str]) -> frozenset[str]:
        """Give them back; return those that are confirmed to be gone, or to be ending.

        What is gone already is confirmed. What is not returned is asked for again.
        """
        ...

    async def locate(self, handles: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return how each is reached, as in `Rented.reach`; one that is missing is gone."""
        ...

    def watch(self, job: str) -> AsyncIterator[Notice]:
        """Yield what is to be known of a job's nodes: first what holds now, then news.

        Ends at once where there never is any.
        """
        ...

    def held(self, job: str | None = None) -> AsyncIterator[Held]:
        """Yield the nodes held for a job, or for all of this user's, by their tags alone.

        A look-up that fails raises; it never means that there are none.
        """
        ...

    async def check(self, spec: JobSpec) -> list[Finding]:
        """Look whether such a job could run; takes nothing."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever the provider itself holds open."""
        ...
