"""The sources of inputs: lists, lines, CSV, JSONL and JSON, each as an iterator of bytes.

Streams: only of JSON a whole file is held. Errors name file and line. A value cannot hold a
NUL byte, because no environment variable can.

Lines are used as they are: nothing is trimmed, unquoted or skipped, and a blank line is
an empty value, but for blank lines at the very end. With a delimiter, one at the end ends
the last value, and so does the newline that ends the file.
"""

from __future__ import annotations

import codecs
import os
from itertools import chain
from typing import IO, TYPE_CHECKING, Final, Literal

from batchio.errors import UsageError
from batchio.submit.opened import closing, open_inputs
from batchio.submit.records import (
    LONGEST,
    encode_value,
    from_csv,
    from_items,
    from_jsonl,
    nul_error,
    read_json,
    too_long,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Format = Literal["lines", "csv", "jsonl", "json"]

FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip
"""The format of a file by its extension; any other is lines."""

_PACKED: Final = (".gz", ".bz2", ".xz")
_BLOCK: Final = 1 << 20


def format_of(path: str) -> Format:
    """Return the format of a file when the user names none."""
    return next((FORMATS[end] for end in _suffixes(path) if end in FORMATS), "lines")


def _suffixes(path: str) -> list[str]:
    """Return the last ending of a file's name, or the last two when it is a packed one."""
    stem, last = os.path.splitext(path.lower())
    return [os.path.splitext(stem)[1]] if last in _PACKED else [last]


def from_file(
    path: str, kind: Format, delimiter: str | None = None, stdin: IO[bytes] | None = None
) -> Iterator[bytes]:
    """Return an iterator over the inputs in a file; `-` is standard input.

    Args:
        kind: lines gives values, csv and jsonl give records.
        delimiter: What separates values, or the columns of CSV.

    Raises:
        UsageError: at once when the file cannot be read; later for what stands in it.
    """
    file, name = open_inputs(path, stdin)
    match kind:
        case "lines":
            by = (delimiter or "\n").encode()
            return closing(file, name, chain.from_iterable(_batches(file, name, by)))
        case "csv":
            comma = delimiter or ("\t" if ".tsv" in _suffixes(path) else ",")
            return closing(file, name, from_csv(file, name, comma))
        case "jsonl":
            return closing(file, name, from_jsonl(file, name))
        case "json":
            return closing(file, name, from_items(read_json(file, name), name))


def from_values(values: Iterable[object], what: str = "map_over_values") -> Iterator[bytes]:
    """Yield the values of a Python caller, encoded: texts, paths, numbers.

    Raises:
        UsageError: one is something else.
    """
    for number, value in enumerate(values, start=1):
        where = f"{what}: value {number}"
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        elif hasattr(value, "__fspath__"):
            value = os.fsdecode(value)
        elif value is None:
            raise UsageError("None is not a value", where=where)
        yield encode_value(value, where)


def _batches(file: IO[bytes], name: str, delimiter: bytes) -> Iterator[list[bytes]]:
    """Yield the values, a list for each block read: splitting and joining stay in C."""
    lines = delimiter == b"\n"
    block, rest = file.read(_BLOCK).removeprefix(codecs.BOM_UTF8), b""
    count = blank = 0  # blank: lines that may turn out to be the last ones
    while block:
        found = (rest + block).split(delimiter)
        if b"\0" in block and delimiter != b"\0":
            number = next(n for n, value in enumerate(found, count + 1) if b"\0" in value)
            raise nul_error(f"{name}:{number}" if lines else f"{name}: value {number}")
        rest = found.pop()
        if len(rest) > LONGEST or max(map(len, found), default=0) > LONGEST:
            before = next((n for n, one in enumerate(found) if len(one) > LONGEST), len(found))
            number = count + before + 1
            raise too_long(f"{name}:{number}" if lines else f"{name}: value {number}")
        count += len(found)
        if lines:
            if b"\r" in block or (found and found[0].endswith(b"\r")):
                found = [line.removesuffix(b"\r") for line in found]
            if any(found):
                found = [b""] * blank + found
                blank = 0
            while found and not found[-1]:
                found.pop()
                blank += 1
        yield found
        block = file.read(_BLOCK)
    rest = rest.removesuffix(b"\r") if lines else rest.removesuffix(b"\n").removesuffix(b"\r")
    if rest:
        yield [b""] * blank + [rest]
