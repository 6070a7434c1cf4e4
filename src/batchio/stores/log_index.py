"""The lines of logs by their number: where each ends is known, and only those asked for are read.

It looks at all records once and keeps a few numbers of each. Lines are the same, and in the same
order, as `logs.all_printed` yields them; what no newline has ended yet stands at the end.
Everything blocks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Final

from batchio.stores.log_records import HEADER, read_records
from batchio.stores.logs import LINES, LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchio.ports import LogStore
    from batchio.stores.log_records import Record
    from batchio.stores.logs import Ahead, LogLine

    Wanted = Callable[[int, int, int], bool]
    """Returns whether lines of a task (its position), an attempt and a stream are wanted."""

PORTION: Final = 1 << 20
"""Bytes of a node, about, that `extend` reads."""

BLOCK: Final = 256 << 10
"""Bytes that are read at once when lines are made: what stands beside them is often next."""

COLUMNS: Final = {
    "node": "i",
    "offset": "Q",
    "size": "I",  # bytes of the payload
    "time": "q",  # microseconds since 1970, less what the node's clock is ahead
    "lines": "I",  # lines that end in it
    "before": "i",  # the record in which its first line was begun or went on; -1: it begins here
    "task": "i",
    "attempt": "H",
    "stream": "B",
}
"""Name and array type code of each column; a row is a record that is wanted."""


class LogIndex:
    """Lines of all nodes, or of some, by number.

    Args:
        nodes: Only what was printed on these; None: on all.
        ahead: Returns by how many seconds a node's clock is ahead.
    """

    def __init__(
        self, logs: LogStore, wanted: Wanted, ahead: Ahead, nodes: Iterable[int] | None = None
    ) -> None:
        self._logs = logs
        self._wanted = wanted
        self._ahead = ahead
        self._nodes = None if nodes is None else list(nodes)
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in COLUMNS.items()}
        self._read: dict[int, int] = {}
        """By node, the offset up to which it was read."""
        self._order = array("I")
        """Records in which lines end, by time; those that were read later come later."""
        self._upto = array("Q")
        """By place in `_order`: the number of lines up to the end of that record."""
        self._ordered = 0
        """Number of records that were put in order."""
        self._open: dict[tuple[int, int, int, int], tuple[int, int]] = {}
        """By node, task, attempt and stream: the newest record of a line that has not ended, and
        the length of the line so far."""
        self._tails: list[int] = []
        """The records of `_open` when everything was last put in order."""
        self._last = -1
        """Number of bytes that were read the time before."""
        self._block = (-1, 0, b"")
        """Node, offset and bytes that were read last."""

    def __len__(self) -> int:
        return (self._upto[-1] if self._upto else 0) + len(self._tails)

    # --- reading on ---------------------------------------------------------------

    def extend(self, most: int = PORTION) -> float:
        """Read what is new; return how much of all there is was read. New lines count at 1.0.

        Args:
            most: About how many bytes of each node to read.
        """
        self._logs.catch_up(over=True)
        read = whole = 0
        for node in self._logs.nodes() if self._nodes is None else self._nodes:
            first = next(iter(self._logs.starts(node)), 0)
            end, position = self._logs.end(node), self._read.get(node, first)
            if position < end:
                position = self._read_on(node, position, most)
            read += position - first
            whole += end - first
        done = read >= whole or read == self._before(read)
        if done:
            self._put_in_order()
        return 1.0 if done else read / whole

    def _before(self, read: int) -> int:
        """Return how much was read the time before: where nothing moves, all that is whole was."""
        before, self._last = self._last, read
        return before

    def _read_on(self, node: int, start: int, most: int) -> int:
        position = start
        for record in read_records(self._logs, node, start):
            position = record.end
            if self._wanted(record.task, record.attempt, record.stream):
                self._add(node, record)
            if position - start >= most:
                break
        self._read[node] = position
        return position

    def _add(self, node: int, record: Record) -> None:
        task, attempt, stream, time, payload, end = record
        key, columns = (node, task, attempt, stream), self._columns
        number = len(columns["node"])
        before, begun = self._open.pop(key, (-1, 0))
        lines, rest = payload.count(b"\n"), len(payload) - payload.rfind(b"\n") - 1
        length = rest if lines else begun + rest
        if length > LONGEST_LINE:
            lines += 1
        elif length:
            self._open[key] = number, length
        columns["node"].append(node)
        columns["offset"].append(end - HEADER.size - len(payload))
        columns["size"].append(len(payload))
        columns["time"].append(time - round(self._ahead(node) * 1e6))
        columns["lines"].append(lines)
        columns["before"].append(before)
        columns["task"].append(task)
        columns["attempt"].append(attempt)
        columns["stream"].append(stream)

    def _put_in_order(self) -> None:
        time, lines = self._columns["time"], self._columns["lines"]
        new = [n for n in range(self._ordered, len(lines)) if lines[n]]
        new.sort(key=time.__getitem__)
        self._ordered = len(lines)
        upto = self._upto[-1] if self._upto else 0
        self._order.extend(new)
        self._upto.extend(islice(accumulate(map(lines.__getitem__, new), initial=upto), 1, None))
        self._tails = sorted((number for number, _ in self._open.values()), key=time.__getitem__)

    # --- looking ------------------------------------------------------------------

    def page(self, first: int, count: int) -> list[LogLine]:
        """Return lines from number `first` (from 0) on, at most `count`."""
        ended = self._upto[-1] if self._upto else 0
        found: list[LogLine] = []
        last, at = min(first + count, len(self)), max(first, 0)
        place = bisect_right(self._upto, at)
        while at < min(last, ended):
            record = self._order[place]
            begin = self._upto[place] - self._columns["lines"][record]
            pieces = self._pieces(record)[at - begin : last - begin]
            found += (self._line(record, piece) for piece in pieces)
            at, place = at + len(pieces), place + 1
        for record in self._tails[max(at - ended, 0) : max(last - ended, 0)]:
            found.append(self._line(record, self._data(record).rpartition(b"\n")[2]))
        return found

    def find(self, text: str, start: int, *, back: bool = False) -> int | None:
        """Return the number of the next line after `start`, or before, that has a text.

        Capitals do not count. None: there is none.
        """
        wanted, step = text.casefold(), -1 if back else 1
        place = bisect_right(self._upto, start) if start >= 0 else 0
        places = range(min(place, len(self._order) - 1), -1, -1) if back else (
            range(place, len(self._order))
        )  # fmt: skip
        if not back:
            found = self._found(places, wanted, start, step)
            return found if found is not None else self._in_tails(wanted, start, step)
        found = self._in_tails(wanted, start, step)
        return found if found is not None else self._found(places, wanted, start, step)

    def _found(self, places: range, wanted: str, start: int, step: int) -> int | None:
        for place in places:
            record = self._order[place]
            data = self._data(record)
            if wanted not in data.decode("utf-8", "replace").casefold():
                continue
            pieces = self._pieces(record)
            begin = self._upto[place] - len(pieces)
            for at in range(len(pieces))[::step]:
                beyond = (begin + at - start) * step > 0
                if beyond and wanted in pieces[at].decode("utf-8", "replace").casefold():
                    return begin + at
        return None

    def _in_tails(self, wanted: str, start: int, step: int) -> int | None:
        ended = self._upto[-1] if self._upto else 0
        for at in range(len(self._tails))[::step]:
            number = ended + at
            [line] = self.page(number, 1)
            if (number - start) * step > 0 and wanted in line.text.casefold():
                return number
        return None

    def at(self, time: float) -> int:
        """Return the number of the first line at a time (Unix seconds) or later."""
        times = self._columns["time"]
        place = bisect_left(self._order, round(time * 1e6), key=times.__getitem__)
        return self._upto[place - 1] if place else 0

    # --- bytes --------------------------------------------------------------------

    def _line(self, record: int, piece: bytes) -> LogLine:
        columns = self._columns
        key = columns["task"][record], columns["attempt"][record], columns["stream"][record]
        return LINES.made(columns["node"][record], (columns["time"][record], key, piece), 0.0)

    def _pieces(self, record: int) -> list[bytes]:
        """Return the lines that end in a record."""
        return self._data(record).split(b"\n")[: self._columns["lines"][record]]

    def _data(self, record: int) -> bytes:
        """Return the bytes of a record, and before them those of the line that it goes on with."""
        parts, before = [self._payload(record)], self._columns["before"][record]
        while before >= 0:
            _, newline, rest = self._payload(before).rpartition(b"\n")
            parts.append(rest)
            before = -1 if newline else self._columns["before"][before]
        return b"".join(reversed(parts))

    def _payload(self, record: int) -> bytes:
        columns = self._columns
        node, size = columns["node"][record], columns["size"][record]
        offset = columns["offset"][record] + HEADER.size
        known, begin, data = self._block
        if known != node or offset < begin or offset + size > begin + len(data):
            begin, data = offset, self._logs.read(node, offset, max(BLOCK, size))
            self._block = node, begin, data
        return data[offset - begin : offset - begin + size]
