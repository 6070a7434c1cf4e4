"""The tasks of a report as typed columns: gzipped, and in base64, so that a page can hold them.

The layout: four bytes with the length of a JSON header, the header, and the columns of its
`columns` in that order, each split into planes of bytes, which compress better. The script of
the page reads it (`page.js`).
"""

from __future__ import annotations

import gzip
import json
import struct
from array import array
from base64 import b64encode
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from batchio.core.endings import BAD
from batchio.core.rows import worded
from batchio.core.task import Outcome, TaskState
from batchio.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.core.machine import Machine

MOST: Final = 200_000
"""Tasks that a report lists; of a job with more the others are summed."""

MOST_NOTES: Final = 20_000
"""Tasks whose last words stand in a report as they are; of more only those of their group."""

LONGEST_NOTE: Final = 300
"""Characters of a note that are kept."""

STANDINGS: Final = tuple(
    [state.name.lower() for state in TaskState] + [outcome.label for outcome in Outcome]
)
"""Words by the number in the column `standing`."""

_UNIT: Final = 0.001
_LARGEST: Final = 2**32 - 2


def listed(machine: Machine) -> Sequence[int]:
    """Return the positions of the tasks that a report lists; bad ones are never left out first."""
    tasks = machine.tasks
    if tasks.count <= MOST:
        return range(tasks.count)
    bad = [position for position, outcome in enumerate(tasks.outcome) if outcome in BAD][:MOST]
    chosen = set(bad)
    others = (position for position in range(tasks.count) if position not in chosen)
    return sorted([*bad, *(next(others) for _ in range(MOST - len(bad)))])


def packed(machine: Machine, positions: Sequence[int], names: Sequence[str]) -> str:
    """Return the rows of these tasks in base64; `names` are those of the nodes by number."""
    tasks, begin = machine.tasks, machine.running_job.submitted
    ids = machine.running_job.spec.tasks
    latest = max([machine.at, *tasks.ended] if tasks.count else [machine.at])
    unit = _UNIT
    while (latest - begin) / unit > _LARGEST:
        unit *= 10
    columns: list[tuple[str, array[Any]]] = [
        ("id", array("d", _steps([ids.at(position) for position in positions]))),
        ("standing", array("B", [_standing(machine, position) for position in positions])),
        ("attempt", array("H", [tasks.attempt[position] for position in positions])),
        ("node", array("i", [tasks.node[position] for position in positions])),
        ("exit", array("h", [tasks.exit[position] for position in positions])),
        ("started", array("I", [_ticks(tasks.started[p] - begin, unit) for p in positions])),
        ("took", array("I", [_took(machine, p, unit) for p in positions])),
    ]
    header = {
        "count": len(positions),
        "begin": begin,
        "unit": unit,
        "standings": STANDINGS,
        "nodes": [visible(name) for name in names],
        "columns": [[name, column.typecode, column.itemsize] for name, column in columns],
        "notes": _notes(machine, positions),
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    parts = [struct.pack("<I", len(text)), text, *(_planes(column) for _, column in columns)]
    return b64encode(gzip.compress(b"".join(parts), 6, mtime=0)).decode()


def _steps(ids: list[int]) -> list[int]:
    return [*ids[:1], *(after - before for before, after in pairwise(ids))]


def _standing(machine: Machine, position: int) -> int:
    outcome = machine.tasks.outcome[position]
    state = machine.tasks.state[position]
    return len(TaskState) + outcome if state == TaskState.DONE else state


def _ticks(seconds: float, unit: float) -> int:
    """Return a time in units, counted from 1; 0 stands for none."""
    return 0 if seconds < -1e8 else min(max(round(seconds / unit), 0), _LARGEST) + 1


def _took(machine: Machine, position: int, unit: float) -> int:
    tasks = machine.tasks
    started, ended = tasks.started[position], tasks.ended[position]
    if not started or not (ended or tasks.state[position] == TaskState.RUNNING):
        return 0
    return _ticks(max((ended or machine.at) - started, 0.0), unit)


def _planes(column: array[Any]) -> bytes:
    """Return the bytes of a column, little endian: first all lowest bytes, then the next ones."""
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        column = array(column.typecode, column)
        column.byteswap()
    data, size = column.tobytes(), column.itemsize
    return b"".join(data[place::size] for place in range(size))


def _notes(machine: Machine, positions: Sequence[int]) -> dict[str, list[Any]]:
    """Return the texts of notes, and the rows that have one with the number of its text."""
    tasks, endings = machine.tasks, machine.endings
    many = len(tasks.tails) + len(tasks.reasons) > MOST_NOTES
    texts: dict[str, int] = {}
    rows, which = list[int](), list[int]()
    for row, position in enumerate(positions):
        reason, words = tasks.reasons.get(position, ""), tasks.tails.get(position, "")
        if not reason and not words:
            continue
        if many and (group := endings.of.get(position)) is not None:
            reason, words = endings.groups[group].reason, endings.groups[group].words
        note = ": ".join(part for part in (worded(reason), words) if part)
        rows.append(row)
        which.append(texts.setdefault(visible(note)[:LONGEST_NOTE], len(texts)))
    return {"texts": list(texts), "rows": _steps(rows), "which": which}
