"""Output that tasks printed, as lines for people and as bytes for programs.

Reads a `LogStore`, where the log bytes of nodes arrive; never writes. Everything blocks, and
streams: memory does not grow with the logs. A `Shape` chooses: LINES or RAW.

A line has the time at which it was complete. `\r\n` ends a line as `\n` does; a lone `\r`,
as progress bars use it, stays in the text. Bytes that are not UTF-8 become U+FFFD. A line
longer than LONGEST_LINE comes in several.
"""

from __future__ import annotations

import heapq
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeVar

from batchio.errors import JournalDown
from batchio.stores.log_records import ALL, BLOCK, STDERR, Record, Select, read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batchio.ports import LogStore

    Ahead = Callable[[int], float]
    """Returns by how many seconds the clock of a node (its number) is ahead of ours."""

LONGEST_LINE: Final = 1 << 20
"""Most bytes of one line."""

MOST_OPEN: Final = 1024
"""Most lines of a node that are begun and not ended: more than it has attempts at a time."""

_BUFFERS: Final = 64 << 20
_LEAST_BLOCK: Final = 32 << 10

PORTION: Final = 1 << 20
"""Bytes of a node, about, that are read at once while its log is followed."""

P = TypeVar("P", bound="LogLine | Printed")

_Key = tuple[int, int, int]
_Piece = tuple[int, _Key, bytes | bytearray]
"""Microseconds, (task, attempt, stream), the line."""


def _exact(_: int) -> float:
    return 0.0


class LogLine(NamedTuple):
    """One line that a task printed."""

    task: int
    """The task's id, for readers of a job; in the stores, its position."""
    attempt: int
    stream: Literal["stdout", "stderr"]
    time: float
    """Unix seconds by the node's clock, less the seconds by which that is known to be ahead."""
    text: str
    """The line without its newline."""
    node: int
    """The node's number in the job."""


class Printed(NamedTuple):
    """Bytes that a task printed: whole lines, as long as it prints lines."""

    task: int
    """As in `LogLine`."""
    time: float
    """Unix seconds, as in `LogLine`."""
    data: bytes | bytearray
    """Bytes of one stream of one attempt, in the order in which they were written."""
    node: int


class Shape(NamedTuple, Generic[P]):
    """How to make lines, or bytes, of records."""

    joined: Callable[[_Joiner, Iterable[Record]], Iterator[_Piece]]
    made: Callable[[int, _Piece, float], P]


def node_printed(
    logs: LogStore,
    shape: Shape[P],
    node: int,
    start: int = 0,
    end: int | None = None,
    select: Select = ALL,
    block: int = BLOCK,
    ahead: float = 0.0,
) -> Iterator[P]:
    """Yield the output that was printed on one node, in order.

    Args:
        start, end: Byte offsets to read between, such as a task's `log_from` and `log_to`.
    """
    joiner = _Joiner()
    records = read_records(logs, node, start, end, select, block)
    for piece in shape.joined(joiner, records):
        yield shape.made(node, piece, ahead)
    for piece in joiner.finish():
        yield shape.made(node, piece, ahead)


def all_printed(
    logs: LogStore, shape: Shape[P], select: Select = ALL, ahead: Ahead = _exact
) -> Iterator[P]:
    """Yield the output that was printed on all nodes, merged by time."""
    nodes = logs.nodes()
    block = _block(len(nodes))
    each = [
        node_printed(logs, shape, node, select=select, block=block, ahead=ahead(node))
        for node in nodes
    ]
    return each[0] if len(each) == 1 else heapq.merge(*each, key=attrgetter("time"))


def last_lines(
    logs: LogStore, count: int, select: Select = ALL, ahead: Ahead = _exact
) -> list[LogLine]:
    """Return the last lines of all nodes, at most `count`, by time."""
    follower = LogFollower(logs, LINES, select, ahead)
    return last(follower.last(count) + follower.finish(), count)


class LogFollower(Generic[P]):
    """A reader of output as it arrives, from the beginning or, after `last`, from there on."""

    def __init__(
        self, logs: LogStore, shape: Shape[P], select: Select = ALL, ahead: Ahead = _exact
    ) -> None:
        self._logs = logs
        self._shape = shape
        self._select = select
        self._ahead = ahead
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        """By node, the end of the bytes that were read; they may end within a record."""
        self._joiners: dict[int, _Joiner] = {}

    def poll(self, nodes: Iterable[int] | None = None, most: int = PORTION) -> list[P]:
        """Return new output, by time; with LINES, only lines that have ended.

        A node without new bytes is not read.

        Args:
            nodes: Numbers of the nodes to read; None: all.
            most: About how many bytes of each node to read; the rest is for the next call.
        """
        found: list[P] = []
        self._logs.catch_up(over=nodes is None)
        for node in self._logs.nodes() if nodes is None else nodes:
            try:
                found += self._new(node, most)
            except JournalDown:  # what is found by now is given now, the rest by the next call
                if not found:
                    raise
                break
        found.sort(key=attrgetter("time"))
        return found

    def _new(self, node: int, most: int) -> list[P]:
        """Return what a node has printed since the last time; all of it, or none and an error."""
        end = self._logs.end(node)
        if end == self._ends.get(node, 0):
            return []
        start = self._positions.get(node, 0)
        try:
            records = list(self._records(node, start, most))
        except JournalDown:
            self._positions[node] = start
            raise
        more = self._positions[node] - start >= most
        self._ends[node] = self._positions[node] if more else end
        joiner, ahead = self._joiners.setdefault(node, _Joiner()), self._ahead(node)
        return [
            self._shape.made(node, piece, ahead) for piece in self._shape.joined(joiner, records)
        ]

    def last(self, count: int) -> list[P]:
        """Skip all output there is, and return only its last lines, at most `count`.

        Records can be read forwards only, so this reads whole segments: the last of each
        node, and earlier ones as long as they are needed.
        """
        found: list[P] = []
        for node in self._logs.nodes():
            starts = self._logs.starts(node)
            back = 1
            while starts:
                joiner = self._joiners[node] = _Joiner()
                records = self._records(node, starts[-min(back, len(starts))], None)
                pieces = deque(self._shape.joined(joiner, records), count)
                if len(pieces) == count or back >= len(starts):
                    found += (self._shape.made(node, piece, self._ahead(node)) for piece in pieces)
                    break
                back *= 2
        return last(found, count)

    def position(self, node: int) -> int:
        """Return the offset up to which a node was read."""
        return self._positions.get(node, 0)

    def finish(self, task: int | None = None, attempt: int | None = None) -> list[P]:
        """Return last lines that no newline ended: of one attempt that is over, or of all."""
        found = [
            self._shape.made(node, piece, self._ahead(node))
            for node, joiner in self._joiners.items()
            for piece in joiner.finish(task, attempt)
        ]
        found.sort(key=attrgetter("time"))
        return found

    def _records(self, node: int, start: int, most: int | None) -> Iterator[Record]:
        """Yield the selected records of a node; move its position past all that are read."""
        takes = self._select.takes
        self._positions[node] = start
        for record in read_records(self._logs, node, start):
            self._positions[node] = record.end
            if takes(record.task, record.attempt, record.stream):
                yield record
            if most is not None and record.end - start >= most:
                return


class _Joiner:
    """Maker of lines from records, whose payloads may hold many lines or a part of one."""

    def __init__(self) -> None:
        self._open: dict[_Key, tuple[int, bytearray]] = {}
        """Lines that are begun and not ended, with the time of their newest part; oldest first."""

    def lines(self, records: Iterable[Record]) -> Iterator[_Piece]:
        """Yield the lines that end in these records, in order."""
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
        """Yield all bytes of these records up to the last newline; `finish` yields the rest."""
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
        """Yield begun lines that no newline will end any more, oldest first."""
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


LINES: Final = Shape(_Joiner.lines, _line)
"""Shape: lines of text."""

RAW: Final = Shape(_Joiner.pieces, _printed)
"""Shape: the bytes exactly as they were printed."""


def _block(count: int) -> int:
    """Return the bytes to read at a time from each of `count` nodes."""
    return max(_LEAST_BLOCK, min(BLOCK, _BUFFERS // max(count, 1)))


def last(lines: list[P], count: int) -> list[P]:
    """Return the last `count` lines by time, or all when there are fewer."""
    lines.sort(key=attrgetter("time"))
    return lines[max(len(lines) - count, 0) :]
