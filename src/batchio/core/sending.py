"""What nodes do before they are ready, as far as somebody has seen: files on their way. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.node import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.node import Node

    Seen = Mapping[int, Sequence[int] | str]
    """By node: bytes of the job's files that are there, and all of them; or, when those are
    there, in words what it does."""


_ENOUGH: Final = 1 << 62


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
    size = max((_sent(node, seen)[1] for node in machine.nodes if _part(node, seen)), default=0)
    if not size:
        return None
    alive = [node for node in machine.nodes if node.alive]
    sent = [size if node.greeted else min(_sent(node, seen)[0], size) for node in alive]
    return Sending(sum(sent), size * len(alive), sum(one >= size for one in sent), len(alive))


def preparing(node: Node, seen: Seen) -> str:
    """What a node does before it is ready: "receiving files, 40 %"; may be empty."""
    fact = seen.get(node.number, "")
    if node.state is not NodeState.BOOTING:
        return ""
    return fact if isinstance(fact, str) else _part(node, seen)


def _part(node: Node, seen: Seen) -> str:
    """How much of the files is there, while that grows."""
    sent, size = _sent(node, seen)
    grows = sent < size and node.state is NodeState.BOOTING
    return f"receiving files, {sent / size:.0%}".replace("%", " %") if grows else ""


def _sent(node: Node, seen: Seen) -> tuple[int, int]:
    """Bytes that are there, and all of them; a node that does something else has enough."""
    fact = seen.get(node.number, (0, 0))
    return (_ENOUGH, _ENOUGH) if isinstance(fact, str) else (fact[0], fact[1])
