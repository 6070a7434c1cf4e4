"""Progress of nodes before they are ready: how far the job's files were sent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.node import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.node import Node

    Seen = Mapping[int, Sequence[int] | str]
    """By node: bytes of the job's files that have arrived, and all their bytes; or, once all
    have arrived, a phrase for what the node does."""


_ENOUGH: Final = 1 << 62


class Sending(NamedTuple):
    """Progress of sending files, for all nodes together."""

    sent: int
    """Bytes that have arrived; `total` is all bytes."""
    total: int
    there: int
    """Number of nodes that have all files."""
    nodes: int


def sending(machine: Machine, seen: Seen) -> Sending | None:
    """Return the progress over all live nodes; None when no node receives files now."""
    size = max((_sent(node, seen)[1] for node in machine.nodes if _part(node, seen)), default=0)
    if not size:
        return None
    alive = [node for node in machine.nodes if node.alive]
    sent = [size if node.greeted else min(_sent(node, seen)[0], size) for node in alive]
    return Sending(sum(sent), size * len(alive), sum(one >= size for one in sent), len(alive))


def preparing(node: Node, seen: Seen) -> str:
    """Return what a node does before it is ready, "receiving files, 40 %"; "" when unknown."""
    fact = seen.get(node.number, "")
    if node.state is not NodeState.BOOTING:
        return ""
    return fact if isinstance(fact, str) else _part(node, seen)


def _part(node: Node, seen: Seen) -> str:
    """Return "receiving files, 40 %" while a booting node lacks some bytes; else ""."""
    sent, size = _sent(node, seen)
    grows = sent < size and node.state is NodeState.BOOTING
    return f"receiving files, {sent / size:.0%}".replace("%", " %") if grows else ""


def _sent(node: Node, seen: Seen) -> tuple[int, int]:
    """Return how many bytes have arrived, and how many there are; equal once files are sent."""
    fact = seen.get(node.number, (0, 0))
    return (_ENOUGH, _ENOUGH) if isinstance(fact, str) else (fact[0], fact[1])
