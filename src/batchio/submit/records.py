"""Records of inputs: the variables of each task, from CSV, TSV, JSONL, JSON and Python.

Streams, but for JSON, whose text is read whole. Errors name file and line, or file and item.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, Final

from batchio.errors import UsageError
from batchio.options.texts import unpassable

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_AS_WRITTEN: Final[dict[str, Any]] = {
    "parse_int": str, "parse_float": str, "parse_constant": str,
}  # fmt: skip
"""Arguments for JSON: numbers stay the texts they are, 1e5 and 0.10 reach the task as written."""

LONGEST: Final = (1 << 17) - len("COILED_BATCH_TASK_INPUT=") - 1
"""Most bytes of a value: Linux gives a program no longer variable (MAX_ARG_STRLEN)."""


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
            f"{_short(record)} is not an object with variables",
            where=where,
            hint='one object per task, such as {"NAME": "value"}',
        )
    out: dict[str, str] = {}
    for name, value in record.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise _bad_name(name, where)
        text = plain_text(value, f"{where}: {name}")
        if text is not None:
            out[name] = text
    if any("\0" in text for text in out.values()):
        raise nul_error(where)
    for name, text in out.items():
        if (
            len(text) + len(name) > LONGEST
            or len(text.encode("utf-8", "surrogateescape")) > LONGEST
        ):
            raise too_long(f"{where}: {name}")
    return json.dumps(out, separators=(",", ":")).encode()


def from_csv(file: IO[bytes], name: str, comma: str) -> Iterator[bytes]:
    """Yield the records of CSV as spreadsheets write it (RFC 4180); its first row is names."""
    if len(comma) != 1:
        raise UsageError(f"{comma!r} cannot separate columns", hint="use one character")
    import csv

    text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    rows = _Tsv(text) if comma == "\t" else csv.reader(text, delimiter=comma, strict=True)
    header: list[str] = []
    try:
        for row in rows:
            where = f"{name}:{rows.line_num}"
            if not row:
                continue
            if not header:
                header = _header(row, where, comma)
            elif len(row) != len(header):
                raise UsageError(f"{len(row)} values under {len(header)} columns", where=where)
            else:
                yield encode_record(dict(zip(header, row, strict=True)), where)
    except csv.Error as err:
        where = f"{name}:{rows.line_num}"
        if "field larger" in str(err):
            raise too_long(where) from err
        raise UsageError(f"not CSV: {err}", where=where) from err
    finally:
        text.detach()


class _Tsv:
    """The rows of TSV: quotes count where a line has them as CSV would, else they are text."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.line_num = 0
        self._lines = lines

    def __iter__(self) -> Iterator[list[str]]:
        import csv

        for line in self._lines:
            self.line_num += 1
            plain = line.rstrip("\r\n")
            try:
                yield next(csv.reader([plain], delimiter="\t", strict=True), [])
            except csv.Error:
                yield plain.split("\t")


def _header(row: list[str], where: str, comma: str) -> list[str]:
    names = [name.strip() for name in row]
    for name in names:
        if not _VARIABLE.fullmatch(name):
            other = next((sign for sign in ";\t|," if sign in name), None)
            if not name:
                why = "a column has no name"
                raise UsageError(
                    why, where=where, hint="in pandas, write the file with index=False"
                )
            if len(names) == 1 and other:
                sign = "\\t" if other == "\t" else other
                raise _bad_name(name, where, f"--map-over-delimiter '{sign}'")
            raise _bad_name(name, where)
        if names.count(name) > 1:
            raise UsageError(f'two columns are named "{name}"', where=where)
    return names


def from_jsonl(file: IO[bytes], name: str) -> Iterator[bytes]:
    for number, line in enumerate(file, start=1):
        where = f"{name}:{number}"
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            continue
        try:
            record = json.loads(line, **_AS_WRITTEN)
        except ValueError as err:
            raise UsageError(f"not JSON: {err}", where=where) from err
        try:
            data = encode_record(record, where)
        except UsageError:
            encode_record(json.loads(line), where)  # as it stands: the same, with its numbers
            raise
        yield data


def read_json(file: IO[bytes], name: str) -> list[Any]:
    """Return the items of a JSON array.

    Raises:
        UsageError: it is none.
    """
    try:
        items = json.loads(file.read().removeprefix(codecs.BOM_UTF8), **_AS_WRITTEN)
    except ValueError as err:
        hint = "for one value per line: --map-over-format jsonl, or lines"
        raise UsageError(f"not JSON: {err}", where=name, hint=hint) from err
    if not isinstance(items, list):
        raise UsageError("not a JSON array", where=name, hint='write [1, 2] or [{"NAME": 1}]')
    return items


def holds_records(items: list[Any]) -> bool:
    """Return whether the items of a JSON array are objects of variables: the first decides."""
    return bool(items) and isinstance(items[0], dict)


def from_items(items: list[Any], name: str) -> Iterator[bytes]:
    """Yield the items of a JSON array: all of them values, or all of them objects of variables."""
    records = holds_records(items)
    for number, item in enumerate(items, 1):
        where = f"{name}: item {number}"
        yield encode_record(item, where) if records else encode_value(item, where)


def encode_value(value: object, where: str) -> bytes:
    """Return one value as it is stored: a text, a number as it stood, true or false.

    Raises:
        UsageError: something else, or a text that no variable can hold.
    """
    text = plain_text(value, where)
    if text is None:
        raise UsageError(f"{'null' if value is None else value} is not a value", where=where)
    data = no_nul(text.encode("utf-8", "surrogateescape"), where)
    if len(data) > LONGEST:
        raise too_long(where)
    return data


def plain_text(value: object, where: str) -> str | None:
    match value:
        case str():
            if why := unpassable(value.replace("\0", "")):  # who keeps it looks for NUL
                raise UsageError(f"it contains {why}", where=where)
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case None:
            return None
        case _:
            raise UsageError(
                f"{_short(value)} is not a simple value",
                where=where,
                hint="use a string, a number, true, false or null",
            )


def no_nul(data: bytes, where: str, nul: bytes = b"\0") -> bytes:
    if nul in data:
        raise nul_error(where)
    return data


def nul_error(where: str) -> UsageError:
    return UsageError(
        "a NUL byte, which an environment variable cannot contain",
        where=where,
        hint=r"for values separated by NUL: --map-over-delimiter '\0'",
    )


def too_long(where: str) -> UsageError:
    """Return the error for a value that no environment variable can hold."""
    return UsageError(
        "longer than 128 KiB, the limit of an environment variable; is the delimiter right?",
        where=where,
        hint="put the values in files, and map over the file names",
    )


def _bad_name(name: object, where: str, hint: str = "") -> UsageError:
    plain = re.sub(r"[^A-Za-z0-9]+", "_", str(name)).strip("_")
    such = f"_{plain}" if plain[:1].isdigit() else plain or "FILE_NAME"
    return UsageError(
        f"{_short(name)} is not a valid name of an environment variable",
        where=where,
        hint=hint or f"use letters, digits and _, such as {such}",
    )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 40 else text[:39] + "…"
