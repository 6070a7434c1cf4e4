"""docs/design/states.md: the states, drawn from the tables that the machine obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.core import node, task
from batchio.runtime import session_table

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
    yield "Written by `make docs` from the tables in `core/task.py`, `core/node.py` and"
    yield "`runtime/session_table.py`."
    yield "What is neither an edge nor stale cannot happen, and stops the head with an"
    yield "`IllegalEvent` that names the entity, its state and the event."
    yield from _entity("A task", task.TaskState, task.EDGES, task.STALE)
    yield from _entity("A node", node.NodeState, node.EDGES, node.STALE)
    session = session_table
    yield from _entity("A session", session.SessionState, session.EDGES, session.STALE)
    yield from ("", "A session is the head's side of one node. Its facts:", "")
    yield from ("| fact | what happened |", "| --- | --- |")
    yield from (f"| {_name(fact)} | {fact.value} |" for fact in session.Fact)
    yield from (
        "",
        "What of ours may be on the node, by the same facts; the others change nothing:",
        "",
    )
    yield from ("```mermaid", "stateDiagram-v2", "    [*] --> nothing")
    for (remains, fact), to in session.REMAINS.items():
        yield f"    {_name(remains)} --> {_name(to)}: {_name(fact)}"
    yield "```"


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
