"""What tasks printed, as lines for people and as bytes for programs.

Reads `logs/<node>/` of a job's folder, where the spools of its nodes arrive; never writes.
Everything blocks, and streams: memory does not grow with the logs.

A line has the time at which it was complete. `\r\n` ends a line as `\n` does; a lone `\r`,
as progress bars use it, stays in the text. Bytes that are not UTF-8 become U+FFFD. A line
longer than LONGEST_LINE comes in several.
"""

from __future__ import annotations

import heapq
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from batchio.stores.log_records import (
    ALL,
    BLOCK,
    STDERR,
    Record,
    Select,
    read_records,
    segments,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    Ahead = Callable[[int], float]
    """By how many seconds a node's clock is ahead of ours."""

LONGEST_LINE: Final = 1 << 20
"""In bytes."""

MOST_OPEN: Final = 1024
"""Lines of a node that are begun and not ended: more than it has attempts at a time."""

_BUFFERS: Final = 64 << 20
_LEAST_BLOCK: Final = 32 << 10

_Key = tuple[int, int, int]
_Piece = tuple[int, _Key, bytes | bytearray]
"""Microseconds, (task, attempt, stream), the line."""


def _exact(_: int) -> float:
    return 0.0


class LogLine(NamedTuple):
    """One line that a task printed."""

    task: int
    """The task's position in the job, from 0."""
    attempt: int
    stream: Literal["stdout", "stderr"]
    time: float
    """Unix seconds, by the node's clock less what it is known to be ahead."""
    text: str
    """Without the newline."""
    node: int
    """The node's number in the job."""


class Printed(NamedTuple):
    """Bytes that a task printed: whole lines, as long as it prints lines."""

    task: int
    """The task's position in the job, from 0."""
    time: float
    """As of a `LogLine`."""
    data: bytes | bytearray
    """Of one stream of one attempt, one after the other: what it wrote."""
    node: int


def nodes(logs: Path) -> list[int]:
    """Numbers of the nodes that have logs."""
    try:
        return sorted(int(path.name) for path in logs.iterdir() if path.name.isdecimal())
    except FileNotFoundError:
        return []


def node_lines(
    logs: Path,
    node: int,
    start: int = 0,
    end: int | None = None,
    select: Select = ALL,
    block: int = BLOCK,
    ahead: float = 0.0,
) -> Iterator[LogLine]:
    """Lines of one node, in order. With a task's `log_from` and `log_to`: those of a task."""
    records = read_records(logs / str(node), start, end, select, block)
    joiner = _Joiner()
    for piece in joiner.lines(records):
        yield _line(node, piece, ahead)
    for piece in joiner.finish():
        yield _line(node, piece, ahead)


def all_lines(logs: Path, select: Select = ALL, ahead: Ahead = _exact) -> Iterator[LogLine]:
    """Lines of all nodes, merged by time."""
    block = _block(len(nodes(logs)))
    each = [node_lines(logs, n, select=select, block=block, ahead=ahead(n)) for n in nodes(logs)]
    return each[0] if len(each) == 1 else heapq.merge(*each, key=attrgetter("time"))


def last_lines(
    logs: Path, count: int, select: Select = ALL, ahead: Ahead = _exact
) -> list[LogLine]:
    """The last lines of all nodes, at most `count`, by time."""
    follower = LogFollower(logs, select, ahead)
    return _last(follower.last(count) + follower.finish(), count)


def raw(
    logs: Path,
    node: int,
    start: int = 0,
    end: int | None = None,
    select: Select = ALL,
    block: int = BLOCK,
    ahead: float = 0.0,
) -> Iterator[Printed]:
    """What was printed on a node, byte for byte, in order; chosen as `node_lines`."""
    joiner = _Joiner()
    records = read_records(logs / str(node), start, end, select, block)
    for piece in joiner.pieces(records):
        yield _printed(node, piece, ahead)
    for piece in joiner.finish():
        yield _printed(node, piece, ahead)


def all_raw(logs: Path, select: Select = ALL, ahead: Ahead = _exact) -> Iterator[Printed]:
    """What was printed on all nodes, merged by time."""
    block = _block(len(nodes(logs)))
    each = [raw(logs, n, select=select, block=block, ahead=ahead(n)) for n in nodes(logs)]
    return heapq.merge(*each, key=attrgetter("time"))


class LogFollower:
    """Lines as they arrive, from the beginning or, after `last`, from there."""

    def __init__(self, logs: Path, select: Select = ALL, ahead: Ahead = _exact) -> None:
        self._logs = logs
        self._select = select
        self._ahead = ahead
        self._positions: dict[int, int] = {}
        self._joiners: dict[int, _Joiner] = {}

    def poll(self, most: int = 4 << 20) -> list[LogLine]:
        """New whole lines of all nodes, by time; empty when nothing new was printed.

        Args:
            most: About how many bytes of each node to read; the rest is for the next call.
        """
        found: list[LogLine] = []
        for node in nodes(self._logs):
            joiner = self._joiners.setdefault(node, _Joiner())
            records = self._records(node, self._positions.get(node, 0), most)
            ahead = self._ahead(node)
            found += (_line(node, piece, ahead) for piece in joiner.lines(records))
        found.sort(key=attrgetter("time"))
        return found

    def poll_raw(self, most: int = 4 << 20) -> list[Printed]:
        """As `poll`, byte for byte."""
        found: list[Printed] = []
        for node in nodes(self._logs):
            joiner = self._joiners.setdefault(node, _Joiner())
            records = self._records(node, self._positions.get(node, 0), most)
            ahead = self._ahead(node)
            found += (_printed(node, piece, ahead) for piece in joiner.pieces(records))
        found.sort(key=attrgetter("time"))
        return found

    def last(self, count: int) -> list[LogLine]:
        """Pass over all there is but the last lines, at most `count`.

        Records can be read forwards only, so this reads whole segments: the last of each
        node, and earlier ones as long as they are needed.
        """
        found: list[LogLine] = []
        for node in nodes(self._logs):
            starts = segments(self._logs / str(node))
            back = 1
            while starts:
                joiner = self._joiners[node] = _Joiner()
                records = self._records(node, starts[-min(back, len(starts))], None)
                pieces = deque(joiner.lines(records), count)
                if len(pieces) == count or back >= len(starts):
                    found += (_line(node, piece, self._ahead(node)) for piece in pieces)
                    break
                back *= 2
        return _last(found, count)

    def position(self, node: int) -> int:
        """The offset up to which a node was read."""
        return self._positions.get(node, 0)

    def finish(self, task: int | None = None, attempt: int | None = None) -> list[LogLine]:
        """Last lines that no newline ended: of an attempt that is over, or of all."""
        found = [
            _line(node, piece, self._ahead(node))
            for node, joiner in self._joiners.items()
            for piece in joiner.finish(task, attempt)
        ]
        found.sort(key=attrgetter("time"))
        return found

    def finish_raw(self, task: int | None = None, attempt: int | None = None) -> list[Printed]:
        """As `finish`, byte for byte."""
        found = [
            _printed(node, piece, self._ahead(node))
            for node, joiner in self._joiners.items()
            for piece in joiner.finish(task, attempt)
        ]
        found.sort(key=attrgetter("time"))
        return found

    def _records(self, node: int, start: int, most: int | None) -> Iterator[Record]:
        """Selected ones; the position moves past the others too."""
        takes = self._select.takes
        self._positions[node] = start
        for record in read_records(self._logs / str(node), start):
            self._positions[node] = record.end
            if takes(record.task, record.attempt, record.stream):
                yield record
            if most is not None and record.end - start >= most:
                return


class _Joiner:
    """Makes lines of records, whose payloads may hold many or a part of one."""

    def __init__(self) -> None:
        self._open: dict[_Key, tuple[int, bytearray]] = {}
        """Lines begun and not ended, and the time of their newest part; oldest first."""

    def lines(self, records: Iterable[Record]) -> Iterator[_Piece]:
        """Lines that end in these records, in order."""
        opened = self._open
        for task, attempt, stream, time, payload, _ in records:
            key = (task, attempt, stream)
            pieces: list[bytes | bytearray] = [*payload.split(b"\n")]
            if key in opened:
                begun = opened.pop(key)[1]
                begun += pieces[0]
                pieces[0] = begun
            rest = pieces.pop()
            for line in pieces:
                yield time, key, line
            if len(rest) > LONGEST_LINE:
                yield time, key, rest
            elif rest:
                opened[key] = time, rest if isinstance(rest, bytearray) else bytearray(rest)
                if len(opened) > MOST_OPEN:
                    yield from self._close([next(iter(opened))])

    def pieces(self, records: Iterable[Record]) -> Iterator[_Piece]:
        """Every byte of these records, as far as lines have ended; `finish` has the rest."""
        opened = self._open
        for task, attempt, stream, time, payload, _ in records:
            key = (task, attempt, stream)
            ended, newline, rest = payload.rpartition(b"\n")
            begun = opened.pop(key)[1] if key in opened else bytearray()
            if newline:
                yield time, key, b"".join((begun, ended, newline))
                begun = bytearray()
            begun += rest
            if len(begun) > LONGEST_LINE:
                yield time, key, begun
            elif begun:
                opened[key] = time, begun
                if len(opened) > MOST_OPEN:
                    yield from self._close([next(iter(opened))])

    def finish(self, task: int | None = None, attempt: int | None = None) -> Iterator[_Piece]:
        """Lines that nothing will end any more, by time."""
        select = Select(task, attempt)
        return self._close([key for key in self._open if select.takes(*key)])

    def _close(self, keys: list[_Key]) -> Iterator[_Piece]:
        for key in keys:
            time, line = self._open.pop(key)
            yield time, key, line


def _line(node: int, piece: _Piece, ahead: float) -> LogLine:
    time, (task, attempt, stream), line = piece
    text = line.removesuffix(b"\r").decode("utf-8", "replace")
    name: Literal["stdout", "stderr"] = "stderr" if stream == STDERR else "stdout"
    return LogLine(task, attempt, name, time / 1e6 - ahead, text, node)


def _printed(node: int, piece: _Piece, ahead: float) -> Printed:
    time, (task, _, _), data = piece
    return Printed(task, time / 1e6 - ahead, data, node)


def _block(count: int) -> int:
    """Bytes to read at a time of each of so many nodes."""
    return max(_LEAST_BLOCK, min(BLOCK, _BUFFERS // max(count, 1)))


def _last(lines: list[LogLine], count: int) -> list[LogLine]:
    lines.sort(key=attrgetter("time"))
    return lines[max(len(lines) - count, 0) :]
