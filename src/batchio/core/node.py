"""The life of one node, from wanted to gone.

Pure: time comes in as `event.at`. EDGES is the whole truth: docs/design/states.md draws it
and tests/core walks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from batchio.core import events as ev
from batchio.core.errands import READY_LIMIT_S
from batchio.core.reports import Facts
from batchio.core.retry import QUARANTINED_BY
from batchio.errors import IllegalEvent


class NodeState(StrEnum):
    """State of one node."""

    WANTED = "wanted"
    """Its order is decided and journaled; the provider has not answered."""
    BOOTING = "booting"
    """The node has a handle, and may cost money, from here on; its agent has not greeted us."""
    READY = "ready"
    """The node's agent greeted us; tasks may go to it."""
    SILENT = "silent"
    """The node was ready; the connection broke. Its tasks may still run."""
    UNWANTED = "unwanted"
    """Released before the provider answered; what it gives will go straight back."""
    DRAINING = "draining"
    """The node has a handle and no tasks; it is being given back."""
    GONE = "gone"
    """The node is given back. No event leads out of this state."""


S = NodeState

HELD: Final = (S.BOOTING, S.READY, S.SILENT)
"""States in which a node has a handle and may be taken from us."""

EDGES: Final[dict[tuple[NodeState, type[ev.NodeEvent]], NodeState]] = {
    (S.WANTED, ev.NodeCreated): S.BOOTING,
    (S.WANTED, ev.NodeCreateFailed): S.GONE,
    (S.WANTED, ev.NodeReleased): S.UNWANTED,  # with the create call in flight
    (S.BOOTING, ev.NodeGreeted): S.READY,
    (S.BOOTING, ev.NodeLost): S.DRAINING,
    (S.BOOTING, ev.NodeReleased): S.DRAINING,
    (S.READY, ev.NodeSilent): S.SILENT,
    (S.READY, ev.NodeRestarted): S.READY,
    (S.READY, ev.NodeLost): S.DRAINING,
    (S.READY, ev.NodeReleased): S.DRAINING,
    (S.SILENT, ev.NodeSilent): S.SILENT,  # and why has changed
    (S.SILENT, ev.NodeHeard): S.READY,
    (S.SILENT, ev.NodeRestarted): S.READY,
    (S.SILENT, ev.NodeLost): S.DRAINING,
    (S.SILENT, ev.NodeReleased): S.DRAINING,
    (S.UNWANTED, ev.NodeCreated): S.DRAINING,
    (S.UNWANTED, ev.NodeCreateFailed): S.GONE,
    (S.DRAINING, ev.NodeDeleted): S.GONE,
    **{(held, ev.NodeVanished): S.DRAINING for held in HELD},
    **{(held, kind): held for held in HELD for kind in (ev.NodeNoticed, ev.NodeEnds)},
}

_LATE: Final = "it is on its way out"
_LEFT: Final = "it has left"
_TWICE: Final = "the create call was repeated after a crash; the first answer holds"

STALE: Final[dict[tuple[NodeState, type[ev.NodeEvent]], str]] = {
    (S.BOOTING, ev.NodeSilent): "it broke while booting; connecting goes on",
    (S.READY, ev.NodeGreeted): "greeted twice",
    (S.READY, ev.NodeHeard): "heard twice",
    (S.SILENT, ev.NodeGreeted): "a greeting from before the silence",
    (S.UNWANTED, ev.NodeReleased): _LATE,
    **{
        (state, kind): _TWICE
        for state in (S.BOOTING, S.READY, S.SILENT, S.DRAINING)
        for kind in (ev.NodeCreated, ev.NodeCreateFailed)
    },
    **{
        (state, kind): reason
        for state, reason in ((S.DRAINING, _LATE), (S.GONE, _LEFT))
        for kind in (
            ev.NodeGreeted, ev.NodeSilent, ev.NodeHeard, ev.NodeRestarted,
            ev.NodeLost, ev.NodeReleased, ev.NodeNoticed, ev.NodeEnds, ev.NodeVanished,
        )
    },
    **{
        (S.GONE, kind): _LEFT
        for kind in (ev.NodeDeleted, ev.NodeCreated, ev.NodeCreateFailed)
    },
}  # fmt: skip
"""State and event that may come late or twice, and change nothing; each with its reason."""

SILENT_CLEANUP_LIMIT_S: Final = 30.0
"""Seconds to wait for a silent node once the job was ended: it only needs to be cleaned up."""

PREEMPT_GRACE_S: Final = 30.0
"""How many seconds before a node is taken from us its last tasks are stopped."""

GIVEN_UP_S: Final = 30.0
"""How many seconds after it was to be taken from us a silent node counts as lost."""

LEAVING: Final = frozenset((S.UNWANTED, S.DRAINING, S.GONE))
"""States in which a node does no work any more."""


@dataclass(slots=True)
class Node:
    """One node of one job."""

    number: int
    offer: str
    since: float
    """When the node entered `state`, in Unix seconds, as all times here."""
    state: NodeState = S.WANTED
    single: bool = False
    """Whether its offer is one computer that exists, which people know by the offer's id."""
    order: int = 0
    """Number of the first node of the same order, which names the order."""
    ordered: float = 0.0
    """When the order was placed."""
    expected: int = 1
    """Number of slots the node is expected to have."""
    handle: str | None = None
    slots: int = 0
    facts: Facts = field(default_factory=lambda: Facts())
    """The agent's hello; empty before it came."""
    why: str = ""
    """Why the node is silent, draining or gone."""
    left: str = ""
    """What stayed on the node when it was given back, or did not arrive from it; or ""."""
    rate: float = 0.0
    """US dollars an hour that the node costs, at most, from `rented` until `ended_at`."""
    rented: float = 0.0
    ended_at: float = 0.0
    """When the node stopped costing money; 0 before."""
    spot: bool = False
    zone: str = ""
    reach: dict[str, Any] = field(default_factory=dict)
    """How to reach the node, as its provider says: host, …"""
    deadline_at: float = 0.0
    """When the node will be taken from us; then no more tasks go there. 0: not announced."""
    ends: float = 0.0
    """When the node's time is over; 0: never."""
    delayed: str = ""
    """Why the provider has not answered yet about taking or deleting the node."""
    again: float = 0.0
    """When the provider is asked again."""
    weight: int = 0
    """Slots that the machine's `capacity` counts for this node."""
    silent_weight: int = 0
    """Slots that the machine's `silent` counts for this node."""
    greeted: float = 0.0
    restarted: float = 0.0
    """When another agent took the place of the one before; 0: never."""
    fed: float = 0.0
    """When the node last got tasks or reported finished ones."""
    ended: int = 0
    """Number of tasks that ended here."""
    active: set[int] = field(default_factory=set)
    """Tasks assigned to the node or running on it."""
    collecting: set[int] = field(default_factory=set)
    """Tasks that ended here and whose output files are being downloaded."""
    recalled: set[int] = field(default_factory=set)
    """Tasks of `active` that the agent was asked to give back."""
    suspicions: set[int] = field(default_factory=set)
    """Tasks that the agent could not run for the node's own reasons."""
    leads: bool = False
    """Whether it is the scheduler's node of a job whose tasks keep away from that."""
    alone: bool = False
    """Whether the node runs one suspect task, and nothing beside it."""
    maybe_free: bool = False
    """Whether the node stands in `Machine.maybe_free`. A cache of the dispatcher."""

    @property
    def name(self) -> str:
        """Name of the node for people: as it was typed; of a rented one, its host name."""
        return self.offer if self.single else self.facts.get("hostname") or self.offer

    @property
    def alive(self) -> bool:
        """Whether the node may still do work."""
        return self.state not in LEAVING

    def deadline(self, timeout: float, ready_limit: float, *, ended: bool) -> float | None:
        """Return when the node is given up if its state does not change, in Unix seconds.

        None: never. `timeout` is how many seconds the node may be silent, `ready_limit` how many
        it may take to be ready, `ended` whether the job was ended early.
        """
        match self.state:
            case S.WANTED:
                return self.since + READY_LIMIT_S
            case S.BOOTING:
                return self.since + ready_limit
            case S.SILENT:
                given_up = self.since + (min(timeout, SILENT_CLEANUP_LIMIT_S) if ended else timeout)
                taken = self.deadline_at + GIVEN_UP_S if self.deadline_at else given_up
                return min(given_up, max(taken, self.since))
            case S.READY if self.deadline_at:
                return self.deadline_at - PREEMPT_GRACE_S
            case _:
                return None

    @property
    def doomed(self) -> bool:
        """Whether the node is alive and will be taken from us."""
        return self.alive and self.deadline_at > 0

    @property
    def slots_counted(self) -> int:
        """Slots that the job can count on: 0 when it leaves or leads, 1 beside a suspect task."""
        if (
            not self.alive
            or self.leads
            or self.deadline_at
            or len(self.suspicions) >= QUARANTINED_BY
        ):
            return 0
        return 1 if self.alone else self.slots or self.expected

    @property
    def idle(self) -> bool:
        """Whether the node has no task, and no output files to download."""
        return not self.active and not self.collecting


TWIN: Final = "this is the same computer as "
"""How the reason begins, without the host's name, for which a node is used once."""


def same_computer(one: Facts, other: Facts) -> bool:
    """Return whether two agents' hellos come from the same computer.

    The kernel's boot id alone will not do: containers of one computer share it, and are
    nodes of their own by their process namespaces; where those are unknown, by address.
    """
    told = ["boot_id", "hostname"]
    told.append("namespace" if one.get("namespace") and other.get("namespace") else "address")
    return bool(one.get("boot_id")) and all(one.get(key) == other.get(key) for key in told)


def step(node: Node, event: ev.NodeEvent) -> bool:
    """Fold one event into `node`; return False when it is stale and nothing changed.

    Raises:
        IllegalEvent: `event` cannot happen in this state. `node` is unchanged.
    """
    pair = (node.state, type(event))
    if pair in STALE:
        return False
    if pair not in EDGES:
        raise IllegalEvent(f"node {node.number}: {type(event).__name__} while {node.state}")
    if node.state is not EDGES[pair]:
        node.state, node.since = EDGES[pair], event.at
        node.delayed, node.again = "", 0.0
    elif _known(node, event):
        return False
    match event:
        case ev.NodeCreated():
            node.handle, node.reach = event.handle, event.reach
            node.offer = event.offer or node.offer
            node.rate, node.zone, node.spot = event.rate, event.zone, event.spot
            node.rented = event.since or event.at
        case ev.NodeNoticed():
            node.deadline_at, node.why = event.deadline, event.why
        case ev.NodeEnds():
            node.ends = event.ends
        case ev.NodeGreeted():
            node.slots, node.facts, node.greeted = event.slots, event.facts, event.at
        case ev.NodeRestarted():
            node.facts, node.why, node.restarted = event.facts, "", event.at
        case ev.NodeHeard():
            node.why = ""
        case ev.NodeSilent():
            node.recalled.clear()  # a broken connection forgets what was asked back
            node.why = event.why
        case ev.NodeLost() | ev.NodeReleased() | ev.NodeCreateFailed():
            node.why = event.why
        case ev.NodeVanished():
            node.why, node.ended_at = event.why, event.at
        case ev.NodeDeleted():
            node.why, node.left = event.left or node.why, event.left
            node.ended_at = node.ended_at or event.at
    return True


def _known(node: Node, event: ev.NodeEvent) -> bool:
    """Return whether an event that keeps the state also repeats what the node holds already."""
    match event:
        case ev.NodeSilent():
            return event.why == node.why
        case ev.NodeNoticed():
            return (event.deadline, event.why) == (node.deadline_at, node.why)
        case ev.NodeEnds():
            return event.ends == node.ends
        case _:
            return False
