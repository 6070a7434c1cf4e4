"""Inputs of a job's tasks, on disk: ten million inputs are two files, no objects.

`inputs` holds all of them back to back, `inputs.index` where each begins and the last one
ends, as little-endian 64-bit numbers. A value is its bytes; a record (variables of one
task) is a JSON object of texts. Where they come from: `submit/input_sources.py`. All blocks.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from array import array
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final

from batchio.core.checks import text
from batchio.errors import JournalCorrupt, NoSuchJob, UsageError
from batchio.stores.trouble import unusable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DATA_FILE: Final = "inputs"
INDEX_FILE: Final = "inputs.index"

_CHUNK: Final = 1 << 16  # inputs held in memory at a time
_ENTRY: Final = struct.Struct("<Q")
_PAIR: Final = struct.Struct("<QQ")


def write_inputs(folder: Path, inputs: Iterable[bytes], what: str) -> int:
    """Write all inputs of a job, and return their number.

    Args:
        inputs: Read once, in chunks; never held as a whole.
        what: The source of the inputs, for error messages: "inputs.txt".

    Raises:
        UsageError: there are none; or whatever reading `inputs` raises.
        JournalFull, WorkspaceError: they cannot be written.
    """
    source, count, end = iter(inputs), 0, 0
    try:
        with (folder / DATA_FILE).open("wb") as data, (folder / INDEX_FILE).open("wb") as index:
            index.write(_ENTRY.pack(0))
            while chunk := list(islice(source, _CHUNK)):
                ends = array("Q", accumulate(map(len, chunk), initial=end))
                end = ends[-1]
                if sys.byteorder == "big":
                    ends.byteswap()
                data.write(b"".join(chunk))
                index.write(memoryview(ends)[1:])
                count += len(chunk)
    except OSError as err:
        raise unusable(folder, err) from err
    if not count:
        raise UsageError(f"no values in {what}", hint="a job needs at least one task")
    return count


class FolderInputs:
    """The inputs of a job, read by position; implements `ports.Inputs`.

    Files are read as needed, not mapped: reading all of them leaves no trace in memory.

    Raises:
        NoSuchJob: the job has no inputs.
        JournalCorrupt: a file is cut; it is named.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = self._index = -1
        try:
            self._data = os.open(folder / DATA_FILE, os.O_RDONLY)
            self._index = os.open(folder / INDEX_FILE, os.O_RDONLY)
        except FileNotFoundError:
            self.close()
            raise NoSuchJob(f"there are no inputs in {folder}") from None
        size = os.fstat(self._index).st_size
        self.count = size // _ENTRY.size - 1
        whole = self.count >= 1 and size % _ENTRY.size == 0
        self._size = os.fstat(self._data).st_size
        if not whole or self._last() != self._size:
            self.close()
            raise self._cut()

    def raw(self, position: int) -> bytes:
        """Return the bytes of one task's input, by the task's position in the job.

        Raises:
            IndexError: there is no such task.
        """
        if not 0 <= position < self.count:
            raise IndexError(f"input {position} of {self.count}")
        begin, end = self._bounds(position)
        data = os.pread(self._data, end - begin, begin)
        if len(data) != end - begin:
            raise self._cut()
        return data

    def value(self, position: int) -> str:
        """Return the input of one task as a text.

        Bytes that are not UTF-8 become lone surrogates, which `os.fsencode` and an environment
        turn back into the same bytes (PEP 383).
        """
        return self.raw(position).decode("utf-8", "surrogateescape")

    def record(self, position: int) -> dict[str, str]:
        """Return the input of one task as variables: names and texts."""
        try:
            record = json.loads(self.raw(position))
            return {name: text(value) for name, value in record.items()}
        except (AttributeError, ValueError, RecursionError):
            raise self._cut() from None

    def close(self) -> None:
        """Close the files. Repeatable."""
        for file in (self._data, self._index):
            if file >= 0:
                os.close(file)
        self._data = self._index = -1

    def _bounds(self, position: int) -> tuple[int, int]:
        found = os.pread(self._index, _PAIR.size, position * _ENTRY.size)
        if len(found) != _PAIR.size:
            raise self._cut()
        begin, end = _PAIR.unpack(found)
        if not begin <= end <= self._size:
            raise self._cut()
        return begin, end

    def _last(self) -> int:
        """Return where the last input ends, as the index has it."""
        (end,) = _ENTRY.unpack(os.pread(self._index, _ENTRY.size, self.count * _ENTRY.size))
        return int(end)

    def _cut(self) -> JournalCorrupt:
        return JournalCorrupt(
            f"the inputs in {self._folder} are damaged", hint="submit the job again"
        )
