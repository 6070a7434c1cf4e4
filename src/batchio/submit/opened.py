"""Files of inputs, opened: standard input, and what gzip, bzip2 and xz have packed."""

from __future__ import annotations

import io
import sys
import zlib
from importlib import import_module
from typing import IO, TYPE_CHECKING, Final, cast

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNPACKS: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}
"""The module that reads a packed file, by how the file begins."""

_FOREIGN: Final = {
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "decompress it: zstd -d FILE"),
    b"PK\x03\x04": (
        "a zip archive (.xlsx files are zip archives, too)",
        "unpack it, or save it as CSV",
    ),
    b"PAR1": ("a Parquet file", "save it as CSV or JSONL"),
    b"%PDF": ("a PDF file", "use a text file"),
    b"SQLite": ("an SQLite database", "save the table as CSV"),
}
"""What is no list of inputs, by how the file begins: what it is, and what helps."""


def open_inputs(path: str, stdin: IO[bytes] | None = None) -> tuple[IO[bytes], str]:
    """Open a file of inputs, `-` for standard input; return it and its name for messages.

    Raises:
        UsageError: it cannot be read, is a terminal, or begins as no list of inputs does.
    """
    if path == "-":
        if stdin is None and sys.stdin is None:
            raise UsageError("standard input is closed", where="-", hint="name a file")
        file = sys.stdin.buffer if stdin is None else stdin
        if file.isatty():
            raise UsageError(
                "standard input is a terminal", where="-", hint="pipe the values in, or name a file"
            )
        return _unpacked(file, "standard input"), "standard input"
    try:
        return _unpacked(open(path, "rb"), path), path
    except OSError as err:
        raise UsageError(f"cannot read {path}: {err.strerror}") from err


def _unpacked(file: IO[bytes], name: str) -> IO[bytes]:
    """Return a file as it is, or unpacked.

    Raises:
        UsageError: it begins as no list of inputs does.
    """
    peek = getattr(file, "peek", None)
    begin = peek(8) if peek else b""
    for magic, (what, hint) in _FOREIGN.items():
        if begin.startswith(magic):
            _close(file)
            raise UsageError(f"it is {what}", where=name, hint=hint)
    for magic, module in _UNPACKS.items():
        if begin.startswith(magic):
            return cast("IO[bytes]", _Unpacked(file, module))
    return file


class _Unpacked(io.BufferedReader):
    """A packed file, read as what is in it; closed with it."""

    def __init__(self, packed: IO[bytes], module: str) -> None:
        super().__init__(import_module(module).open(packed))
        self._packed = packed

    def close(self) -> None:
        """Close both."""
        super().close()
        _close(self._packed)


def _close(file: IO[bytes]) -> None:
    """Close a file, unless it is standard input, which is not ours."""
    if sys.stdin is None or file is not sys.stdin.buffer:
        file.close()


def _damage() -> tuple[type[Exception], ...]:
    """Return the errors of a packed file that is damaged, beside OSError."""
    xz = sys.modules.get("lzma")
    return (EOFError, zlib.error, *((xz.LZMAError,) if xz else ()))


def closing(file: IO[bytes], name: str, inputs: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the inputs, and close their file.

    Raises:
        UsageError: it cannot be read, or is damaged.
    """
    try:
        yield from inputs
    except OSError as err:
        raise UsageError(f"cannot read {name}: {err.strerror or err}") from err
    except _damage() as err:
        raise UsageError(f"it is compressed, and damaged: {err}", where=name) from err
    finally:
        _close(file)
