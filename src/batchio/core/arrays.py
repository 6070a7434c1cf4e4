"""Task ids: the `--array` grammar, and a set of ids that needs no object per task.

Grammar: ids and inclusive ranges with an optional step, between commas, blanks
tolerated ("5", "2,4-6,8-10", "0-10:2"); "%K" at the end means at most K at a time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from heapq import merge
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from batchio.errors import UsageError

ARRAY_FORMS: Final = 'write ids and ranges such as 5, 2,4-6,8-10, 0-10:2 or "0-99%8"'
MAX_ID: Final = 10**12
MAX_TASKS: Final = 10**8

_ITEM = re.compile(r"(\d+)(?:\s*-\s*(\d+)(?:\s*:\s*(\d+))?)?", re.ASCII)


class TaskIds(Collection[int]):
    """Distinct task ids in rising order, kept as ranges; immutable.

    A task's position (0..n-1) is its row in the machine's columns; `at` and
    `position` map between the two in O(log r) for r ranges. Two are equal when they
    hold the same ranges, which for sets read from text means the same spelling.
    """

    __slots__ = ("_ends", "_starts", "ranges")

    ranges: tuple[range, ...]
    _starts: tuple[int, ...]
    _ends: tuple[int, ...]

    def __init__(self, ranges: Iterable[range] = ()) -> None:
        """Keep the ids of these ranges. Raises UsageError: one is listed twice, or too many are."""
        tidy = sorted((_plain(part) for part in ranges if part), key=lambda r: r.start)
        if sum(map(len, tidy)) > MAX_TASKS:
            raise UsageError(f"too many tasks: a job has at most {MAX_TASKS}")
        if any(a[-1] >= b.start for a, b in pairwise(tidy)):
            tidy = list(_runs(merge(*tidy)))
        self.ranges = tuple(_joined(tidy))
        self._starts = tuple(part.start for part in self.ranges)
        self._ends = tuple(accumulate(len(part) for part in self.ranges))

    @classmethod
    def count(cls, n: int) -> TaskIds:
        """Return the ids 0..n-1."""
        return cls((range(n),))

    @classmethod
    def of(cls, ids: Iterable[int]) -> TaskIds:
        """Return the set of these ids, which may come in any order.

        Raises:
            UsageError: an id is listed twice.
        """
        return cls(_runs(sorted(ids)))

    def at(self, position: int) -> int:
        """Return the id at this position.

        Raises:
            IndexError: no such position.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"no task at position {position}")
        row = bisect_right(self._ends, position)
        return self.ranges[row][position - (self._ends[row - 1] if row else 0)]

    def position(self, task_id: int) -> int:
        """Return the position of this id.

        Raises:
            KeyError: no such id.
        """
        row = bisect_right(self._starts, task_id) - 1
        if row < 0 or task_id not in self.ranges[row]:
            raise KeyError(task_id)
        return (self._ends[row - 1] if row else 0) + self.ranges[row].index(task_id)

    def __contains__(self, task_id: object) -> bool:
        if not isinstance(task_id, int):
            return False
        row = bisect_right(self._starts, task_id) - 1
        return row >= 0 and task_id in self.ranges[row]

    def __iter__(self) -> Iterator[int]:
        for part in self.ranges:
            yield from part

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskIds) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __str__(self) -> str:
        return ",".join(_spelled(part) for part in self.ranges)

    def __repr__(self) -> str:
        return f"TaskIds({str(self)!r})"


class Array(NamedTuple):
    """The request of `--array`: task ids, and how many of them may run at a time, at most."""

    ids: TaskIds
    at_once: int | None = None

    def __str__(self) -> str:
        return f"{self.ids}%{self.at_once}" if self.at_once else str(self.ids)


def parse_array(text: str) -> Array:
    """Read "2,4-6", "0-10:2" or "0-99%8".

    Raises:
        UsageError: not of this grammar; the message names the part that is wrong.
    """
    listed, percent, limit = text.partition("%")
    limit = limit.strip()
    if percent and not (limit.isdecimal() and int(limit) > 0):
        raise UsageError(
            f'"{text}": write the number of tasks that may run at a time after the %, 1 or more',
            hint=ARRAY_FORMS,
        )
    parts = [_range(part.strip(), text) for part in listed.split(",")]
    return Array(TaskIds(parts), int(limit) if percent else None)


def parse_ids(text: str) -> TaskIds:
    """Read a set of task ids, as in `--task 2,4-6`; no "%".

    Raises:
        UsageError: not of this grammar.
    """
    if "%" in text:
        raise UsageError(f'"{text}" is not a list of task ids', hint=ARRAY_FORMS)
    return parse_array(text).ids


def compact(ids: Iterable[int]) -> str:
    """Write ids for people, in rising order: compact([5, 0, 1, 2]) == "0-2,5"."""
    return ",".join(_spelled(run) for run in _runs(sorted(set(ids))))


def _range(part: str, text: str) -> range:
    match = _ITEM.fullmatch(part)
    if match is None:
        raise UsageError(_complaint(part, text), hint=ARRAY_FORMS)
    first = int(match[1])
    last = int(match[2] or first)
    step = int(match[3] or 1)
    if first > last:
        raise UsageError(
            f'"{part}": the first id is larger than the last',
            hint=f"write {last}-{first}",
        )
    if step < 1:
        raise UsageError(f'"{part}": the step must be 1 or more', hint=ARRAY_FORMS)
    if last > MAX_ID:
        raise UsageError(f'"{part}": the largest task id is {MAX_ID}')
    return range(first, last + 1, step)


def _complaint(part: str, text: str) -> str:
    if not part:
        return f'"{text}": an id is missing' if text.strip() else "no task ids given"
    if part.startswith("-") and part[1:].isdecimal():
        return f'"{part}": a task id cannot be negative'
    if part.endswith("-") and part[:-1].strip().isdecimal():
        return f'"{part}": the last id of the range is missing'
    return f'"{part}" is neither a task id nor a range'


def _plain(part: range) -> range:
    """Return the same ids with a rising step, and with step 1 when there is only one id."""
    if part.start < 0 or part[-1] < 0:
        raise UsageError(f'"{min(part)}": a task id cannot be negative')
    part = part if part.step > 0 else part[::-1]
    return part if len(part) > 1 else range(part.start, part.start + 1)


def _joined(parts: Iterable[range]) -> Iterator[range]:
    """Join neighbouring ranges of step 1, so that "0-1,2" equals "0-2"."""
    last: range | None = None
    for part in parts:
        if last and last.step == part.step == 1 and last.stop == part.start:
            last = range(last.start, part.stop)
        else:
            if last:
                yield last
            last = part
    if last:
        yield last


def _runs(rising: Iterable[int]) -> Iterator[range]:
    """Yield the runs of consecutive ids. Raises UsageError: an id is listed twice."""
    start = stop = -1
    for task_id in rising:
        if task_id < 0:
            raise UsageError(f'"{task_id}": a task id cannot be negative')
        if task_id == stop - 1:
            raise UsageError(f"task id {task_id} is listed twice")
        if task_id == stop:
            stop += 1
            continue
        if stop > start:
            yield range(start, stop)
        start, stop = task_id, task_id + 1
    if stop > start:
        yield range(start, stop)


def _spelled(part: range) -> str:
    if len(part) == 1:
        return str(part.start)
    step = f":{part.step}" if part.step != 1 else ""
    return f"{part.start}-{part[-1]}{step}"
