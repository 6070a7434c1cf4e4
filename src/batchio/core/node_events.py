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
    """What the provider would give: `Offer.to_json()` each, best first."""

    tag: ClassVar[str] = "offers"

    offers: list[dict[str, Any]]


@dataclass(slots=True, eq=False, repr=False)
class OffersFailed(Event):
    """The provider could not say; it is asked again at `again`, or never when that is 0."""

    tag: ClassVar[str] = "nooffers"

    why: str
    again: float


@dataclass(slots=True, eq=False, repr=False)
class NodesOrdered(Event):
    """Decided: take nodes `first`, `first` + 1, … with one call, which may be under way now.

    Rows `[offer, how many, slots expected of each]`. Any offer of the order may serve any of
    its nodes. The call's token is the job's id and `first`.
    """

    tag: ClassVar[str] = "order"

    first: int
    rows: list[list[Any]]


@dataclass(slots=True, eq=False, repr=False)
class NodesRefused(Event):
    """There is nothing to give back, for certain; `final`: asking that offer again is no use."""

    tag: ClassVar[str] = "refused"

    nodes: list[int]
    offer: str
    why: str
    final: bool


@dataclass(slots=True, eq=False, repr=False)
class NodesDelayed(Event):
    """The provider gave no answer about these, to take or to delete; asked again at `again`."""

    tag: ClassVar[str] = "delayed"

    nodes: list[int]
    why: str
    again: float


@dataclass(slots=True, eq=False, repr=False)
class NodeEvent(Event):
    """Something about one node."""

    node: int


@dataclass(slots=True, eq=False, repr=False)
class NodeWanted(NodeEvent):
    """An order of one node, as journals of earlier versions have it."""

    tag: ClassVar[str] = "node"

    offer: str


@dataclass(slots=True, eq=False, repr=False)
class NodeCreated(NodeEvent):
    """The provider gave it a handle, by which it is given back.

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
    """There is nothing to give back. `final`: asking again is no use."""

    tag: ClassVar[str] = "nocreate"

    why: str
    final: bool


@dataclass(slots=True, eq=False, repr=False)
class NodeGreeted(NodeEvent):
    """Its agent said hello, and the host setup is done. `facts` is the hello."""

    tag: ClassVar[str] = "greeted"

    slots: int
    facts: Facts


@dataclass(slots=True, eq=False, repr=False)
class NodeSilent(NodeEvent):
    """The connection broke. Its tasks may well be running on."""

    tag: ClassVar[str] = "silent"

    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeHeard(NodeEvent):
    """The connection is back, and it is the same agent as before."""

    tag: ClassVar[str] = "heard"


@dataclass(slots=True, eq=False, repr=False)
class NodeRestarted(NodeEvent):
    """The connection is back to a new agent: what the old one ran is dead."""

    tag: ClassVar[str] = "restarted"

    facts: Facts


@dataclass(slots=True, eq=False, repr=False)
class NodeNoticed(NodeEvent):
    """It will be taken from us at `deadline`: no more tasks go there, and it is replaced."""

    tag: ClassVar[str] = "notice"

    deadline: float
    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeEnds(NodeEvent):
    """Its time is over at `ends`: no task goes there that could not end before."""

    tag: ClassVar[str] = "ends"

    ends: float


@dataclass(slots=True, eq=False, repr=False)
class NodeVanished(NodeEvent):
    """Its provider says that it is not there any more: its tasks run elsewhere at once."""

    tag: ClassVar[str] = "vanished"

    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeLost(NodeEvent):
    """Given up: it never answered, or not for too long. `final`: do not try it again."""

    tag: ClassVar[str] = "lost"

    why: str
    final: bool


@dataclass(slots=True, eq=False, repr=False)
class NodeReleased(NodeEvent):
    """Decided: no more tasks go there; it is given back."""

    tag: ClassVar[str] = "released"

    why: str


@dataclass(slots=True, eq=False, repr=False)
class NodeDeleted(NodeEvent):
    """It is given back, its provider confirms; nothing of ours is on it, or in `left`."""

    tag: ClassVar[str] = "deleted"

    left: str = ""
