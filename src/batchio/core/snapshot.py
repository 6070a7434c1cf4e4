"""Snapshots: the machine as bytes, a cache that saves a reader the fold of a long journal.

Pure. A JSON header, then the columns of the tasks as they lie in memory. Read only by the
same layout that wrote it: with any other, the reader folds the whole journal instead.
Effects are not kept: those of the past were performed, and `due` tells what is under way.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections import deque
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from batchio.core.dispatch import Queue, pinned
from batchio.core.endings import Endings, Group
from batchio.core.events import FORMAT
from batchio.core.job import Job
from batchio.core.machine import Machine
from batchio.core.node import Node, NodeState
from batchio.core.plan import Offer, Trouble
from batchio.core.spec import SPEC_VERSION, JobSpec
from batchio.core.task import COLUMNS, Tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 2
"""Version of the layout; rises when this format or a field's meaning changes, not its name."""

PLAIN: Final = (
    "at", "scheduler", "mean", "dispatch_started", "live", "ready", "held", "capacity", "silent",
    "used", "doomed",
    "replan", "resting", "reserved", "recall_at", "late_count",
)  # fmt: skip
"""Attributes of the machine that are plain JSON values."""

_SIZE: Final = struct.Struct("<Q")
_NODE: Final = tuple(item.name for item in fields(Node))
_NODE_SETS: Final = ("active", "collecting", "recalled", "suspicions")
_JOB: Final = tuple(item.name for item in fields(Job) if item.init)
_TROUBLE: Final = tuple(item.name for item in fields(Trouble))

LAYOUT: Final = " ".join((
    f"{VERSION}.{FORMAT}.{SPEC_VERSION} {sys.byteorder}",
    *(f"{name}:{code}{array(code).itemsize}" for name, code in COLUMNS.items()),
    *PLAIN, *_NODE, *_JOB, *_TROUBLE, *(item.name for item in (*fields(Offer), *fields(Group))),
))  # fmt: skip


def dump(machine: Machine) -> bytes:
    """Return the machine's whole state as bytes; about 60 for each task."""
    job, tasks, offers = machine.job, machine.tasks, machine.offers
    header = {
        "layout": LAYOUT,
        "plain": {name: getattr(machine, name) for name in PLAIN},
        "job": job and {**_values(job, _JOB), "spec": job.spec.to_json()},
        "count": tasks.count,
        "by_state": tasks.by_state,
        "by_outcome": tasks.by_outcome,
        "tails": [list(tasks.tails), list(tasks.tails.values())],
        "coming": [list(tasks.coming), list(tasks.coming.values())],
        "reasons": [list(tasks.reasons), list(tasks.reasons.values())],
        "endings": machine.endings.to_json(),
        "due": list(machine.queue._due.items()),
        "nodes": [_packed(node) for node in machine.nodes],
        "offers": None if offers is None else [offer.to_json() for offer in offers.values()],
        "trouble": [[key, _values(item, _TROUBLE)] for key, item in machine.trouble.items()],
        "orders": list(machine.orders.items()),
        "notes": machine.notes,
        "taken": sorted(machine.taken),
        "idle": list(machine.idle),
        "quarantined": sorted(machine.quarantined),
        "ending": sorted(machine.ending),
        "unsettled": sorted(machine.unsettled),
        "maybe_free": list(machine.maybe_free),
        "timers": sorted(machine._timers),
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    columns = (getattr(tasks, name).tobytes() for name in COLUMNS)
    return b"".join((_SIZE.pack(len(text)), text, *columns))


def load(data: bytes) -> Machine | None:
    """Read the machine that `dump` wrote; None when it was written with another layout."""
    header = _header(data)
    if header is None:
        return None
    machine = Machine()
    for name, value in header["plain"].items():
        setattr(machine, name, value)
    machine.tasks = _tasks(header, memoryview(data)[-_width() * header["count"] or len(data) :])
    if header["job"] is not None:
        spec = JobSpec.from_json(header["job"]["spec"])
        machine.job = Job(**{**header["job"], "spec": spec})
    machine.endings = Endings.from_json(header["endings"])
    machine.queue = _queue(machine, header["due"])
    machine.nodes = [_unpacked(values) for values in header["nodes"]]
    if header["offers"] is not None:
        offers = map(Offer.from_json, header["offers"])
        machine.offers = {offer.id: offer for offer in offers}
    machine.trouble = {key: Trouble(**values) for key, values in header["trouble"]}
    machine.orders = {first: rows for first, rows in header["orders"]}
    machine.notes = [(at, text) for at, text in header["notes"]]
    machine.taken = set(header["taken"])
    machine.idle = dict.fromkeys(header["idle"])
    machine.quarantined = set(header["quarantined"])
    machine.ending = set(header["ending"])
    machine.unsettled = set(header["unsettled"])
    machine.maybe_free = deque(header["maybe_free"])
    machine._timers = header["timers"]  # sorted, so a heap
    return machine


def _header(data: bytes) -> dict[str, Any] | None:
    if len(data) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack_from(data)
    try:
        header: dict[str, Any] = json.loads(data[_SIZE.size : _SIZE.size + size])
        fits = header["layout"] == LAYOUT
    except (ValueError, KeyError, TypeError):
        return None
    return header if fits and len(data) == _SIZE.size + size + _width() * header["count"] else None


def _width() -> int:
    """Return the number of bytes that one task takes in all columns."""
    return sum(array(code).itemsize for code in COLUMNS.values())


def _tasks(header: dict[str, Any], columns: memoryview) -> Tasks:
    tasks, at = Tasks(0), 0
    tasks.count = header["count"]
    for name, code in COLUMNS.items():
        column = array(code)
        size = column.itemsize * tasks.count
        column.frombytes(columns[at : at + size])
        setattr(tasks, name, column)
        at += size
    tasks.by_state, tasks.by_outcome = header["by_state"], header["by_outcome"]
    tasks.tails = dict(zip(*header["tails"], strict=True))
    tasks.coming = dict(zip(*header["coming"], strict=True))
    tasks.reasons = dict(zip(*header["reasons"], strict=True))
    return tasks


def _queue(machine: Machine, due: list[tuple[int, float]]) -> Queue:
    """Make the queue of the tasks in `due`; its cursor begins anew, which is harmless."""
    queue = Queue(machine.tasks, pinned(machine.job.spec) if machine.job else ())
    for task in queue.pinned:
        queue.drop(task)
    queue.pinned.clear()
    for task, not_before in due:
        queue.add(task, not_before)
    return queue


def _packed(node: Node) -> dict[str, Any]:
    values = _values(node, _NODE)
    return {**values, **{name: sorted(values[name]) for name in _NODE_SETS}}


def _unpacked(values: Mapping[str, Any]) -> Node:
    sets = {name: set(values[name]) for name in _NODE_SETS}
    return Node(**{**values, **sets, "state": NodeState(values["state"])})


def _values(item: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(item, name) for name in names}
