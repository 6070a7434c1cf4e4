"""The runtime's whole vocabulary: what must now be done, in the imperative.

Every effect may be performed twice: after a crash, `Machine.due` lists again what the
state says must be under way. Pairs are `[task, attempt]`.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchio.core.record import Record


@dataclass(slots=True, eq=False, repr=False)
class ListOffers(Record):
    """Ask the provider what it has, until it answers; then `OffersListed`."""


@dataclass(slots=True, eq=False, repr=False)
class PlaceOrder(Record):
    """Take nodes `first`, `first` + 1, …: rows `[offer, how many]`, until all are answered.

    A repeated order has the same rows and `token`, and names all nodes again.
    """

    first: int
    rows: list[tuple[str, int]]
    token: str

    @property
    def nodes(self) -> range:
        """The numbers of its nodes."""
        return range(self.first, self.first + sum(count for _, count in self.rows))


@dataclass(slots=True, eq=False, repr=False)
class ConnectNode(Record):
    """Reach it, put the agent, greet; and reconnect until told to delete it.

    `instance` is the agent instance already known, if any.
    """

    node: int
    handle: str
    instance: str


@dataclass(slots=True, eq=False, repr=False)
class DeleteNode(Record):
    """Stop whatever is ours there and give it back, until its provider confirms that."""

    node: int
    handle: str


@dataclass(slots=True, eq=False, repr=False)
class StartTasks(Record):
    """Queue these on the node's agent."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class StopTasks(Record):
    """End these: TERM, then KILL; `reason` is an outcome's name."""

    node: int
    tasks: list[list[int]]
    reason: str


@dataclass(slots=True, eq=False, repr=False)
class RecallTasks(Record):
    """Ask for those still queued there."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class AckResults(Record):
    """Tell the agent that results up to `seq` are in the journal."""

    node: int
    seq: int


@dataclass(slots=True, eq=False, repr=False)
class CollectOutputs(Record):
    """Bring what these left behind; answer with `TasksCollected`."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class DiscardOutputs(Record):
    """The node may remove what these left behind."""

    node: int
    tasks: list[list[int]]


Effect = (
    ListOffers
    | PlaceOrder
    | ConnectNode
    | DeleteNode
    | StartTasks
    | StopTasks
    | RecallTasks
    | AckResults
    | CollectOutputs
    | DiscardOutputs
)
