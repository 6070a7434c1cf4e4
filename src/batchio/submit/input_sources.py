"""The sources of inputs: lists, lines, CSV and JSONL, each as an iterator of bytes.

Streams: nothing here holds a whole file. Errors name file and line. A value cannot hold a
NUL byte, because no environment variable can.

Lines are used as they are: nothing is trimmed, unquoted or skipped, and a blank line is
an empty value, but for blank lines at the very end. With a delimiter, one at the end ends
the last value, and so does the newline that ends the file.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from collections.abc import Mapping
from itertools import chain
from typing import IO, TYPE_CHECKING, Final, Literal

from batchio.errors import UsageError
from batchio.options.texts import unpassable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Format = Literal["lines", "csv", "jsonl"]

FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
"""The format of a file by its extension; any other is lines."""

_BLOCK: Final = 1 << 20
_LONGEST: Final = 1 << 20
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def format_of(path: str) -> Format:
    """Return the format of a file when the user names none."""
    return FORMATS.get(os.path.splitext(path)[1].lower(), "lines")


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
    file, name = _open(path, stdin)
    match kind:
        case "lines":
            return _closing(
                file, chain.from_iterable(_batches(file, name, (delimiter or "\n").encode()))
            )
        case "csv":
            comma = delimiter or ("\t" if path.lower().endswith(".tsv") else ",")
            return _closing(file, _csv(file, name, comma))
        case "jsonl":
            return _closing(file, _jsonl(file, name))


def from_values(values: Iterable[object], what: str = "map_over_values") -> Iterator[bytes]:
    """Yield the values of a Python caller, encoded: texts, paths, numbers.

    Raises:
        UsageError: one is something else.
    """
    for number, value in enumerate(values, start=1):
        where = f"{what}: value {number}"
        if isinstance(value, bytes):
            text = value.decode("utf-8", "surrogateescape")
        elif hasattr(value, "__fspath__"):
            text = os.fsdecode(value)
        else:
            found = _text(value, where)
            if found is None:
                raise UsageError("None is not a value", where=where)
            text = found
        yield _no_nul(text.encode("utf-8", "surrogateescape"), where)


def from_records(
    records: Iterable[object], what: str = "map_over_task_var_dicts"
) -> Iterator[bytes]:
    """Yield the variables of each task from a Python caller, encoded.

    Raises:
        UsageError: one is no dictionary, or holds what no variable can.
    """
    for number, record in enumerate(records, start=1):
        yield encode_record(record, f"{what}: item {number}")


def encode_record(record: object, where: str) -> bytes:
    """Return one record as it is stored: names of variables to texts.

    A number is written as it stood, true and false in lower case; a null (None) leaves
    its variable unset.

    Raises:
        UsageError: not an object of plain values, or a name that no variable can have.
    """
    if not isinstance(record, Mapping):
        raise UsageError(
            f"{_short(record)} is not an object of variables",
            where=where,
            hint='one object a task, such as {"NAME": "value"}',
        )
    out: dict[str, str] = {}
    for name, value in record.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise _bad_name(name, where)
        text = _text(value, f"{where}: {name}")
        if text is not None:
            out[name] = text
    if any("\0" in text for text in out.values()):
        raise _nul(where)
    return json.dumps(out, separators=(",", ":")).encode()


# --- lines ---------------------------------------------------------------------------


def _batches(file: IO[bytes], name: str, delimiter: bytes) -> Iterator[list[bytes]]:
    """Yield the values, a list for each block read: splitting and joining stay in C."""
    lines = delimiter == b"\n"
    block, rest = file.read(_BLOCK).removeprefix(codecs.BOM_UTF8), b""
    count = blank = 0  # blank: lines that may turn out to be the last ones
    while block:
        found = (rest + block).split(delimiter)
        if b"\0" in block and delimiter != b"\0":
            number = next(n for n, value in enumerate(found, count + 1) if b"\0" in value)
            raise _nul(f"{name}:{number}" if lines else f"{name}: value {number}")
        rest = found.pop()
        if len(rest) > _LONGEST:
            where = f"{name}: value {count + len(found) + 1}"
            raise UsageError("longer than 1 MiB; is the delimiter right?", where=where)
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


# --- records -------------------------------------------------------------------------


def _csv(file: IO[bytes], name: str, comma: str) -> Iterator[bytes]:
    """Yield the records of CSV as spreadsheets write it (RFC 4180); its first row is names."""
    if len(comma) != 1:
        raise UsageError(f"{comma!r} cannot separate columns", hint="give one character")
    import csv

    text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    rows = csv.reader(text, delimiter=comma, strict=True)
    header: list[str] = []
    try:
        for row in rows:
            where = f"{name}:{rows.line_num}"
            if not row:
                continue
            if not header:
                header = _header(row, where)
            elif len(row) != len(header):
                raise UsageError(f"{len(row)} values under {len(header)} columns", where=where)
            else:
                yield encode_record(dict(zip(header, row, strict=True)), where)
    except csv.Error as err:
        raise UsageError(f"not CSV: {err}", where=f"{name}:{rows.line_num}") from err
    finally:
        text.detach()


def _header(row: list[str], where: str) -> list[str]:
    names = [name.strip() for name in row]
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise _bad_name(name, where)
        if names.count(name) > 1:
            raise UsageError(f'two columns are named "{name}"', where=where)
    return names


def _jsonl(file: IO[bytes], name: str) -> Iterator[bytes]:
    for number, line in enumerate(file, start=1):
        where = f"{name}:{number}"
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            continue
        try:
            # Numbers stay the texts they are: 1e5 and 0.10 reach the task as written.
            record = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        except ValueError as err:
            raise UsageError(f"not JSON: {err}", where=where) from err
        yield encode_record(record, where)


def _text(value: object, where: str) -> str | None:
    match value:
        case str():
            if why := unpassable(value.replace("\0", "")):  # who keeps it looks for NUL
                raise UsageError(f"it holds {why}", where=where)
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case None:
            return None
        case _:
            raise UsageError(
                f"{_short(value)} is not a plain value",
                where=where,
                hint="give a text, a number, true, false or null",
            )


# --- help ----------------------------------------------------------------------------


def _open(path: str, stdin: IO[bytes] | None) -> tuple[IO[bytes], str]:
    if path == "-":
        if stdin is None and sys.stdin is None:
            raise UsageError("standard input is closed", where="-", hint="name a file")
        file = sys.stdin.buffer if stdin is None else stdin
        if file.isatty():
            raise UsageError(
                "standard input is a terminal", where="-", hint="pipe the values in, or name a file"
            )
        return file, "standard input"
    try:
        return open(path, "rb"), path
    except OSError as err:
        raise UsageError(f"cannot read {path}: {err.strerror}") from err


def _closing(file: IO[bytes], inputs: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from inputs
    except OSError as err:
        raise UsageError(f"cannot read {file.name}: {err.strerror}") from err
    finally:
        if sys.stdin is None or file is not sys.stdin.buffer:
            file.close()


def _no_nul(data: bytes, where: str, nul: bytes = b"\0") -> bytes:
    if nul in data:
        raise _nul(where)
    return data


def _nul(where: str) -> UsageError:
    return UsageError(
        "a NUL byte, which no environment variable can hold",
        where=where,
        hint=r"for values that NUL separates: --map-over-delimiter '\0'",
    )


def _bad_name(name: object, where: str) -> UsageError:
    return UsageError(
        f"{_short(name)} is not a name for an environment variable",
        where=where,
        hint="use letters, digits and _, such as FILE_NAME",
    )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 40 else text[:39] + "…"
