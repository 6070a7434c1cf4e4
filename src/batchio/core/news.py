"""Events as people and programs read them: one dict for each, with named fields. Pure.

Positions become ids when the job's ids are given; times are Unix seconds.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.reports import Ended
from batchio.core.rows import ended_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.arrays import TaskIds

_NAMES: Final = {"exit": "exit_code", "ended": "stopped", "rss": "memory", "tail": "last_words"}

ROWS: Final[dict[type[ev.Event], tuple[str, ...]]] = {
    ev.NodesOrdered: ("offer", "nodes", "slots"),
    ev.TasksAssigned: ("task", "attempt"),
    ev.TasksRecalled: ("task", "attempt"),
    ev.TasksReturned: ("task", "attempt"),
    ev.TasksCollected: ("task", "attempt"),
    ev.TasksStarted: ("task", "attempt", "started"),
    ev.TasksRequeued: ("task", "not_before", "cause"),
    ev.TasksFinished: tuple(_NAMES.get(name, name) for name in Ended._fields),
}
"""Names of the columns of an event's rows."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def name_of(kind: type[ev.Event]) -> str:
    """Return the name of an event class in snake case: "tasks_started" for TasksStarted."""
    return _CAPITAL.sub("_", kind.__name__).lower()


def event_view(
    event: ev.Event, ids: TaskIds | None = None, name_of_node: Callable[[int], str] = str
) -> dict[str, Any]:
    """Return `{"at": 1763900000.0, "event": "tasks_started", "node": "laptop", "tasks": [{…}]}`.

    Args:
        ids: the job's task ids; None leaves positions.
        name_of_node: Returns the name of the node of a number.
    """
    out: dict[str, Any] = {"at": event.at, "event": name_of(type(event))}
    columns = ROWS.get(type(event))
    for item in fields(event):
        value = getattr(event, item.name)
        if columns and item.name == "rows":
            out["rows"] = [dict(zip(columns, row, strict=True)) for row in value]
        elif columns and item.name in ("tasks", "records"):
            rows = [_ending(dict(zip(columns, row, strict=True))) for row in value]
            if ids is not None:
                rows = [{**row, "task": ids.at(row["task"])} for row in rows]
            out["tasks"] = rows
        elif isinstance(event, ev.CancelRequested) and item.name == "tasks" and value and ids:
            out["tasks"] = [ids.at(task) for task in value]
        elif item.name == "node":
            out |= {"node": name_of_node(value), "node_number": value}
        elif item.name == "nodes" and isinstance(value, list):
            out |= {"nodes": list(map(name_of_node, value)), "node_numbers": value}
        elif item.name != "at":
            out[item.name] = value
    return out


def _ending(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with exit code and signal apart, as rows of tasks have them."""
    if "exit_code" not in row:
        return row
    code, signal = ended_by(row["exit_code"])
    return {**row, "exit_code": code, "signal": signal}
