"""The life of one node, from wanted to gone.

Pure: time comes in as `event.at`. EDGES is the whole truth: docs/design/states.md draws it
and tests/core walks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.core.spec import JobSpec


class NodeState(StrEnum):
    """Where one node stands."""

    WANTED = "wanted"
    """Decided and journaled; the provider has not answered."""
    BOOTING = "booting"
    """It has a handle, and may cost money, from here on; its agent has not greeted us."""
    READY = "ready"
    """Its agent greeted us; tasks may go to it."""
    SILENT = "silent"
    """It was ready; the connection broke. Its tasks may be running on."""
    UNWANTED = "unwanted"
    """Released before the provider answered; what it gives will go straight back."""
    DRAINING = "draining"
    """It has a handle and no tasks; it is being given back."""
    GONE = "gone"
    """Nothing is held any more. No event leads out of here."""


S = NodeState

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
            ev.NodeLost, ev.NodeReleased,
        )
    },
    **{
        (S.GONE, kind): _LEFT
        for kind in (ev.NodeDeleted, ev.NodeCreated, ev.NodeCreateFailed)
    },
}  # fmt: skip
"""Pairs that may arrive late or twice, and change nothing."""

SETTLING_S: Final = 600.0
"""Seconds a node may be wanted, or booting, before it is given up; beside what follows."""

PREPARING_S: Final = 3600.0
"""Seconds for each of what a node may have to do first: a host setup script, a large image."""

MIN_UPLOAD_RATE_BPS: Final = 100_000
"""Bytes of the job's files that a node gets in a second, on a line that is still of use."""

SILENT_CLEANUP_LIMIT_S: Final = 30.0
"""Seconds a silent node is waited for once the job was ended: only to be tidied up."""

LEAVING: Final = frozenset((S.UNWANTED, S.DRAINING, S.GONE))
"""States in which a node does no work any more."""


@dataclass(slots=True)
class Node:
    """One node of one job."""

    number: int
    offer: str
    since: float
    """Unix seconds; when it entered `state`."""
    state: NodeState = S.WANTED
    handle: str | None = None
    slots: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    """The agent's hello: hostname, address, cpus, memory, gpus, instance, …"""
    why: str = ""
    """Why it is draining or gone."""
    greeted: float = 0.0
    fed: float = 0.0
    """When it last was given tasks or reported some."""
    ended: int = 0
    """Tasks that ended here."""
    active: set[int] = field(default_factory=set)
    """Tasks assigned to it or running on it."""
    collecting: set[int] = field(default_factory=set)
    """Tasks that ended here and whose outputs are on the way to us."""
    recalled: set[int] = field(default_factory=set)
    """Those of `active` that were asked back."""
    suspicions: set[int] = field(default_factory=set)
    """Tasks that failed here through no fault of their own."""
    alone: bool = False
    """A task that lost nodes before runs here, and nothing beside it."""
    maybe_free: bool = False
    """It stands in the line of nodes that may have room. A cache of the dispatcher."""

    @property
    def name(self) -> str:
        """What people see: the host's name, or where it is to come from."""
        return str(self.facts.get("hostname") or self.offer)

    @property
    def alive(self) -> bool:
        """Whether it may still do work."""
        return self.state not in LEAVING

    def deadline(self, timeout: float, settling: float, *, ended: bool) -> float | None:
        """When it is given up should it stay as it is, in Unix seconds; None: never.

        `timeout` is how long it may be silent, `settling` how long it may take to be ready,
        `ended` that the job was ended early.
        """
        match self.state:
            case S.WANTED:
                return self.since + SETTLING_S
            case S.BOOTING:
                return self.since + settling
            case S.SILENT:
                return self.since + (min(timeout, SILENT_CLEANUP_LIMIT_S) if ended else timeout)
            case _:
                return None

    @property
    def idle(self) -> bool:
        """Whether nothing of the job is on it."""
        return not self.active and not self.collecting


def settling(spec: JobSpec) -> float:
    """Seconds a node may take from being there to being ready, for this job."""
    errands = bool(spec.host_setup) + bool(spec.container and not spec.run_on_host)
    files = sum(file.size for file in spec.files)
    return SETTLING_S + PREPARING_S * errands + files / MIN_UPLOAD_RATE_BPS


def same_computer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two agents' hellos come from one computer under two names.

    The kernel's boot id alone will not do: containers of one computer share it, and are
    nodes of their own by name and address.
    """
    told = ("boot_id", "hostname", "address")
    return bool(one.get("boot_id")) and all(one.get(key) == other.get(key) for key in told)


def step(node: Node, event: ev.NodeEvent) -> bool:
    """Fold one event into `node`; False when it is stale and nothing changed.

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
    elif isinstance(event, ev.NodeSilent) and event.why == node.why:
        return False
    match event:
        case ev.NodeCreated():
            node.handle = event.handle
        case ev.NodeGreeted():
            node.slots, node.facts, node.greeted = event.slots, event.facts, event.at
        case ev.NodeRestarted():
            node.facts, node.why = event.facts, ""
        case ev.NodeHeard():
            node.why = ""
        case ev.NodeSilent():
            node.recalled.clear()  # a broken connection forgets what was asked back
            node.why = event.why
        case ev.NodeLost() | ev.NodeReleased() | ev.NodeCreateFailed():
            node.why = event.why
        case ev.NodeDeleted() if event.left:
            node.why = event.left
    return True
