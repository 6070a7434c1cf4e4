"""The runtime's vocabulary: what must now be done, in the imperative.

Every effect may be performed twice: after a crash, `Machine.due` lists again what the
state says must be under way. Pairs are `[task, attempt]`.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchio.core.record import Record


@dataclass(slots=True, eq=False, repr=False)
class ListOffers(Record):
    """Ask the provider for its offers until it answers; the answer is `OffersListed`."""


@dataclass(slots=True, eq=False, repr=False)
class PlaceOrder(Record):
    """Order nodes `first`, `first` + 1, …: rows `[offer, how many]`, until all are answered.

    A repeated order has the same rows and `token`, and names all nodes again.
    """

    first: int
    rows: list[tuple[str, int]]
    token: str

    @property
    def nodes(self) -> range:
        """The numbers of the order's nodes."""
        return range(self.first, self.first + sum(count for _, count in self.rows))


@dataclass(slots=True, eq=False, repr=False)
class ConnectNode(Record):
    """Connect to the node, install its agent, and reconnect until the node is deleted."""

    node: int
    handle: str


@dataclass(slots=True, eq=False, repr=False)
class DeleteNode(Record):
    """Stop all of the job on the node and give it back, until its provider confirms that."""

    node: int
    handle: str


@dataclass(slots=True, eq=False, repr=False)
class StartTasks(Record):
    """Queue these tasks on the node's agent."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class StopTasks(Record):
    """Stop these tasks: TERM, then KILL; `reason` is an outcome's name."""

    node: int
    tasks: list[list[int]]
    reason: str


@dataclass(slots=True, eq=False, repr=False)
class RecallTasks(Record):
    """Ask the agent to give back those of these tasks that are still queued."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class AckResults(Record):
    """Tell the agent that results up to `seq` are in the journal."""

    node: int
    seq: int


@dataclass(slots=True, eq=False, repr=False)
class CollectOutputs(Record):
    """Download the output files of these tasks; the answer is `TasksCollected`."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class DiscardOutputs(Record):
    """Let the node remove the output files of these tasks."""

    node: int
    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class MergeOutputs(Record):
    """Bring what the tasks left to the folder of --sync; the answer is `OutputsMerged`."""

    number: int


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
    | MergeOutputs
)
