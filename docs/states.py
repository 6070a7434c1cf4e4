"""docs/design/states.md: the states, drawn from the tables that the machine obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.core import node, task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import Enum

Pair = tuple[Any, Any]


def page() -> str:
    """The whole page."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# States"
    yield ""
    yield "Written by `make docs` from the tables in `core/task.py` and `core/node.py`."
    yield "What is neither an edge nor stale cannot happen, and stops the head with an"
    yield "`IllegalEvent` that names the entity, its state and the event."
    yield from _entity("A task", task.TaskState, task.EDGES, task.STALE)
    yield from _entity("A node", node.NodeState, node.EDGES, node.STALE)


def _entity(
    title: str, states: type[Enum], edges: Mapping[Pair, Any], stale: Mapping[Pair, str]
) -> Iterator[str]:
    yield from ("", f"## {title}", "", "```mermaid", "stateDiagram-v2")
    yield f"    [*] --> {_name(next(iter(states)))}"
    for (state, fact), to in edges.items():
        yield f"    {_name(state)} --> {_name(to)}: {_name(fact)}"
    yield from ("```", "", "Late or repeated, and changing nothing:", "")
    yield from ("| state | what comes | why it may |", "| --- | --- | --- |")
    rank = list(states)
    for (state, fact), why in sorted(stale.items(), key=lambda row: rank.index(row[0][0])):
        yield f"| {_name(state)} | {_name(fact)} | {why} |"


def _name(thing: Any) -> str:
    """A state, a fact or an event's class, as it stands in the page."""
    return thing.__name__ if isinstance(thing, type) else thing.name.lower().replace("_", " ")
