"""Events as people and programs read them: one dict for each, with named fields. Pure.

Positions become ids when the job's ids are given; times are Unix seconds.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.reports import Ended

if TYPE_CHECKING:
    from batchio.core.arrays import TaskIds

ROWS: Final[dict[type[ev.Event], tuple[str, ...]]] = {
    ev.NodesOrdered: ("offer", "nodes", "slots"),
    ev.TasksAssigned: ("task", "attempt"),
    ev.TasksRecalled: ("task", "attempt"),
    ev.TasksReturned: ("task", "attempt"),
    ev.TasksCollected: ("task", "attempt"),
    ev.TasksStarted: ("task", "attempt", "started"),
    ev.TasksRequeued: ("task", "not_before", "cause"),
    ev.TasksFinished: tuple(
        {"ended": "stopped", "rss": "memory", "tail": "last_words"}.get(name, name)
        for name in Ended._fields
    ),
}
"""Names of the columns of an event's rows. `exit` is -N when signal N ended the process."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def name_of(kind: type[ev.Event]) -> str:
    """Return the name of an event class in snake case: "tasks_started" for TasksStarted."""
    return _CAPITAL.sub("_", kind.__name__).lower()


def event_view(event: ev.Event, ids: TaskIds | None = None) -> dict[str, Any]:
    """Return `{"at": 1763900000.0, "event": "tasks_started", "node": 0, "tasks": [{…}]}`.

    Args:
        ids: the job's task ids; None leaves positions.
    """
    out: dict[str, Any] = {"at": event.at, "event": name_of(type(event))}
    columns = ROWS.get(type(event))
    for item in fields(event):
        value = getattr(event, item.name)
        if columns and item.name == "rows":
            out["rows"] = [dict(zip(columns, row, strict=True)) for row in value]
        elif columns and item.name in ("tasks", "records"):
            rows = [dict(zip(columns, row, strict=True)) for row in value]
            if ids is not None:
                rows = [{**row, "task": ids.at(row["task"])} for row in rows]
            out["tasks"] = rows
        elif isinstance(event, ev.CancelRequested) and item.name == "tasks" and value and ids:
            out["tasks"] = [ids.at(task) for task in value]
        elif item.name != "at":
            out[item.name] = value
    return out
