"""The runtime's whole vocabulary: what must now be done, in the imperative.

Every effect may be performed twice: after a crash, `Machine.due` lists again what the
state says must be under way. Pairs are `[task, attempt]`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListOffers:
    """Ask the provider what it has; answer with `OffersListed`."""


@dataclass(frozen=True, slots=True)
class CreateNode:
    """Take one node; `token` makes a repeated call return the same one."""

    node: int
    offer: str
    token: str


@dataclass(frozen=True, slots=True)
class ConnectNode:
    """Reach it, put the agent, greet; and reconnect until told to delete it.

    `instance` is the agent instance already known, if any.
    """

    node: int
    handle: str
    instance: str


@dataclass(frozen=True, slots=True)
class DeleteNode:
    """Stop whatever is ours there and give it back."""

    node: int
    handle: str


@dataclass(frozen=True, slots=True)
class StartTasks:
    """Queue these on the node's agent."""

    node: int
    tasks: list[list[int]]


@dataclass(frozen=True, slots=True)
class StopTasks:
    """End these: TERM, then KILL; `reason` is an outcome's name."""

    node: int
    tasks: list[list[int]]
    reason: str


@dataclass(frozen=True, slots=True)
class RecallTasks:
    """Ask for those still queued there."""

    node: int
    tasks: list[list[int]]


@dataclass(frozen=True, slots=True)
class AckResults:
    """Tell the agent that results up to `seq` are in the journal."""

    node: int
    seq: int


@dataclass(frozen=True, slots=True)
class CollectOutputs:
    """Bring what these left behind; answer with `TasksCollected`."""

    node: int
    tasks: list[list[int]]


@dataclass(frozen=True, slots=True)
class DiscardOutputs:
    """The node may remove what these left behind."""

    node: int
    tasks: list[list[int]]


Effect = (
    ListOffers
    | CreateNode
    | ConnectNode
    | DeleteNode
    | StartTasks
    | StopTasks
    | RecallTasks
    | AckResults
    | CollectOutputs
    | DiscardOutputs
)
