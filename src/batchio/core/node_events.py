"""The journal's vocabulary about nodes: orders, answers, greetings, notices, ends.

An order is named by its first node. What a provider answers is journaled node by node;
what it has not answered is not known yet, and is asked again. Only `NodeCreateFailed` and
`NodesRefused` say that nothing was taken, only `NodeDeleted` that nothing is held any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from batchio.core.record import LATER, Event
from batchio.core.reports import Facts  # noqa: TC001 - docs/schemas.py evaluates the hints


@dataclass(slots=True, eq=False, repr=False)
class OffersListed(Event):
    """The provider listed its offers: `Offer.to_json()` each, best first."""

    tag: ClassVar[str] = "offers"

    offers: list[dict[str, Any]]


@dataclass(slots=True, eq=False, repr=False)
class OffersFailed(Event):
    """The provider could not list its offers; it is asked again at `again`; 0: never."""

    tag: ClassVar[str] = "nooffers"

    why: str
    again: float


@dataclass(slots=True, eq=False, repr=False)
class NodesOrdered(Event):
    """Decided: order nodes `first`, `first` + 1, … with one call, which may be under way now.

    Rows `[offer, how many, slots expected of each]`. Any offer of the order may serve any of
    its nodes. The call's token is the job's id and `first`.
    """

    tag: ClassVar[str] = "order"

    first: int
    rows: list[list[Any]]


@dataclass(slots=True, eq=False, repr=False)
class NodesRefused(Event):
    """The provider refused these nodes, none was taken; `final`: never order `offer` again."""

    tag: ClassVar[str] = "refused"

    nodes: list[int]
    offer: str
    why: str
    final: bool


@dataclass(slots=True, eq=False, repr=False)
class NodesDelayed(Event):
    """The provider did not answer about taking or deleting these nodes; asked at `again`."""

    tag: ClassVar[str] = "delayed"

    nodes: list[int]
    why: str
    again: float


@dataclass(slots=True, eq=False, repr=False)
class NodeEvent(Event):
    """Base of events about one node."""

    node: int


@dataclass(slots=True, eq=False, repr=False)
class NodeWanted(NodeEvent):
    """An order of one node, as journals of earlier versions have it."""

    tag: ClassVar[str] = "node"

    offer: str


@dataclass(slots=True, eq=False, repr=False)
class NodeCreated(NodeEvent):
    """The provider took the node; `handle` is its name there, to give it back.

    `offer` may be another one of its order ("": the one it was ordered from), `rate` is US
    dollars an hour from `since` on (0: free; from `at` on), `reach` how it is reached.
    """

    tag: ClassVar[str] = "created"

    handle: str
    offer: str = field(default="", metadata=LATER)
    rate: float = field(default=0.0, metadata=LATER)
    zone: str = field(default="", metadata=LATER)
    spot: bool = field(default=False, metadata=LATER)
    since: float = field(default=0.0, metadata=LATER)
    reach: dict[str, Any] = field(default_factory=dict, metadata=LATER)


@dataclass(slots=True, eq=False, repr=False)
class NodeCreateFailed(NodeEvent):
    """The node was not taken: there is nothing to give back. `final`: never ask again."""

    tag: ClassVar[str] = "nocreate"

    why: str
    final: bool


@dataclass(slots=True, eq=False, repr=False)
class NodeGreeted(NodeEvent):
    """The node's agent said hello, and its errands are done. `facts` is the hello."""

    tag: ClassVar[str] = "greeted"

    slots: int
    facts: Facts


@dataclass(slots=True, eq=False, repr=False)
class NodeSilent(NodeEvent):
    """The connection to the node broke. Its tasks may still run."""

    tag: ClassVar[str] = "silent"

    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeHeard(NodeEvent):
    """The connection to the node is back, to the same agent as before."""

    tag: ClassVar[str] = "heard"


@dataclass(slots=True, eq=False, repr=False)
class NodeRestarted(NodeEvent):
    """The connection to the node is back, to a new agent: the old one's attempts are dead."""

    tag: ClassVar[str] = "restarted"

    facts: Facts


@dataclass(slots=True, eq=False, repr=False)
class NodeNoticed(NodeEvent):
    """The node will be taken from us at `deadline`: it gets no more tasks and is replaced."""

    tag: ClassVar[str] = "notice"

    deadline: float
    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeEnds(NodeEvent):
    """The node's time is over at `ends`: no task goes there that would end later."""

    tag: ClassVar[str] = "ends"

    ends: float


@dataclass(slots=True, eq=False, repr=False)
class NodeVanished(NodeEvent):
    """The provider says that the node does not exist any more: its tasks run elsewhere."""

    tag: ClassVar[str] = "vanished"

    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeLost(NodeEvent):
    """The node was given up, as `why` says. `final`: never order its offer again."""

    tag: ClassVar[str] = "lost"

    why: str
    final: bool


@dataclass(slots=True, eq=False, repr=False)
class NodeReleased(NodeEvent):
    """Decided: the node gets no more tasks, and is given back."""

    tag: ClassVar[str] = "released"

    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeDeleted(NodeEvent):
    """The provider confirms that the node is given back; `left`: what stayed on it, or ""."""

    tag: ClassVar[str] = "deleted"

    left: str = ""
