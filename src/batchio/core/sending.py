"""The job's files on their way to its nodes, as far as somebody has seen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchio.core.node import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.node import Node

    Seen = Mapping[int, Sequence[int]]
    """By node: bytes that are there, and all of them."""


class Sending(NamedTuple):
    """All nodes together."""

    sent: int
    """In bytes."""
    total: int
    there: int
    """Nodes that have all of them."""
    nodes: int


def sending(machine: Machine, seen: Seen) -> Sending | None:
    """How far it is; None when no node receives files now."""
    sizes = [seen[node.number][1] for node in machine.nodes if _part(node, seen) is not None]
    if not sizes:
        return None
    size = sizes[0]
    alive = [node for node in machine.nodes if node.alive]
    sent = [size if node.greeted else seen.get(node.number, (0,))[0] for node in alive]
    return Sending(sum(sent), size * len(alive), sum(one >= size for one in sent), len(alive))


def receiving(node: Node, seen: Seen) -> str:
    """What a node does that gets them now: "receiving files, 40 %"; else empty."""
    part = _part(node, seen)
    return "" if part is None else f"receiving files, {part:.0%}".replace("%", " %")


def _part(node: Node, seen: Seen) -> float | None:
    """The part that is there, while it grows."""
    sent, size = seen.get(node.number, (0, 0))
    return sent / size if sent < size and node.state is NodeState.BOOTING else None
