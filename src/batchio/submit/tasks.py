"""The inputs that the tasks of a job map over, from whatever source: read as a stream.

A source that can be read only once (standard input, a generator) is stored only when
somebody looks at it before the job is made.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchio.errors import UsageError
from batchio.options.values import split_values
from batchio.submit.caller import STDIN, blamed, unreadable
from batchio.submit.input_sources import format_of, from_file, from_values
from batchio.submit.opened import open_inputs
from batchio.submit.records import from_items, from_records, holds_records, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.spec import Inputs
    from batchio.options.command import Command
    from batchio.options.resolve import Effective
    from batchio.options.to_spec import ResolvedJob
    from batchio.submit.bundle import Bundle
    from batchio.submit.caller import CallerContext
    from batchio.submit.input_sources import Format


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of inputs, and the first and the last of them."""

    count: int
    first: str
    last: str


class Source:
    """The inputs of a job: `kind` as the spec has it, `what` names them in messages."""

    def __init__(self, kind: Inputs, what: str, read: Callable[[], Iterator[bytes]]) -> None:
        self.kind = kind
        self.what = what
        self.read = read

    def keep(self) -> None:
        """Make sure that the inputs can be read more than once."""

    def survey(self) -> Survey:
        """Read all inputs, and return their number, the first and the last.

        Raises:
            UsageError: there are none, or something is wrong with one.
        """
        self.keep()
        count, first, last = 0, b"", b""
        for last in self.read():
            if not count:
                first = last
            count += 1
        if not count:
            raise UsageError(f"no values in {self.what}", hint="a job needs at least one task")
        return Survey(count, first.decode(errors="replace"), last.decode(errors="replace"))


class _Objects(Source):
    """The objects of a Python caller as inputs."""

    def __init__(
        self,
        kind: Inputs,
        what: str,
        given: Iterable[object],
        encode: Callable[[Iterable[object], str], Iterator[bytes]],
    ) -> None:
        super().__init__(kind, what, lambda: encode(self._given, what))
        self._given = given

    def keep(self) -> None:
        if isinstance(self._given, Iterator):
            self._given = list(self._given)


class _Stream(Source):
    """Standard input, or a pipe, as inputs: gone once it was read."""

    def __init__(self, typed: str, path: str, kind: Format, delimiter: str | None) -> None:
        what = "standard input" if typed == "-" else typed
        super().__init__("values" if kind == "lines" else "records", what, self._read)
        self._path, self._format, self._delimiter = path, kind, delimiter
        self._kept: int | None = None

    def keep(self) -> None:
        if self._kept is not None:
            return
        if self._path == "-":
            from_file("-", "lines")  # only to refuse a terminal
        import tempfile

        with tempfile.TemporaryFile() as file:
            if self._path == "-":
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                with open(self._path, "rb") as pipe:
                    shutil.copyfileobj(pipe, file)
            file.flush()
            self._kept = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._kept)

    def _read(self) -> Iterator[bytes]:
        if self._kept is None:
            return from_file(self._path, self._format, self._delimiter)
        os.lseek(self._kept, 0, os.SEEK_SET)
        again = os.fdopen(os.dup(self._kept), "rb")  # whoever reads it closes it
        return from_file("-", self._format, self._delimiter, stdin=again)


def source(effective: Effective, here: CallerContext) -> Source | None:
    """Return the inputs that the options name; None when the job maps over nothing.

    Raises:
        UsageError: they are no list at all, or their file cannot be read.
    """
    delimiter = effective.value("map-over-delimiter")
    if effective.value("map-over-file") is not None:
        return _file(effective, here, delimiter)
    values = effective.value("map-over-values")
    if isinstance(values, str):
        return _Objects("values", "map-over-values", split_values(values, delimiter), from_values)
    if values is not None:
        return _Objects("values", "map_over_values", values, from_values)
    records = effective.value("map-over-task-var-dicts")
    if records is None:
        return None
    if isinstance(records, (str, bytes, Mapping)) or not isinstance(records, Iterable):
        raise UsageError(
            "map_over_task_var_dicts: not a list of dictionaries",
            hint='write [{"NAME": "value"}, …], one dictionary for each task',
        )
    return _Objects("records", "map_over_task_var_dicts", records, from_records)


def _file(effective: Effective, here: CallerContext, delimiter: str | None) -> Source:
    typed = effective.value("map-over-file")
    if typed in STDIN and here.stdin_read:
        wrong = UsageError("standard input holds the script", hint="name a file of values")
        raise blamed(effective, "map-over-file", wrong)
    kind: Format = effective.value("map-over-format") or format_of(typed)
    path = typed if typed == "-" else here.opened(typed)
    if kind == "json":
        return _array(effective, typed, path)
    if typed == "-" or stat.S_ISFIFO(_mode(effective, typed, path)):
        return _Stream(typed, path, kind, delimiter)
    return Source(
        "values" if kind == "lines" else "records",
        typed,
        lambda: from_file(path, kind, delimiter),
    )


def _array(effective: Effective, typed: str, path: str) -> Source:
    """Return the items of a JSON array as inputs."""
    if typed != "-":
        _mode(effective, typed, path)
    file, name = open_inputs(path)
    with file:
        items = read_json(file, name)
    kind: Inputs = "records" if holds_records(items) else "values"
    return Source(kind, name, lambda: from_items(items, name))


def _mode(effective: Effective, typed: str, path: str) -> int:
    """Return the mode bits of the file, after checking that it opens."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISFIFO(mode):
            with open(path, "rb"):
                pass
    except OSError as err:
        raise blamed(effective, "map-over-file", unreadable(typed, err)) from None
    return mode


def unfilled(command: Command, source: Source | None) -> list[str]:
    """Return a line when the command has the variable of an input, and there is none."""
    named = next((found for word in command.argv if (found := _INPUT.search(word))), None)
    if named is None or (source is not None and source.kind == "values"):
        return []
    why = "there is no --map-over option"
    if source is not None:
        why = "each column of a table is its own variable"
    return [f"{named[0]} in the command is not replaced: {why}"]


_INPUT: Final = re.compile(r"(?<!\\)\$\{?(?:BATCHIO_TASK_INPUT|COILED_BATCH_TASK_INPUT)\b\}?")


def unused(
    resolved: ResolvedJob, source: Source | None, bundle: Bundle, here: CallerContext
) -> list[str]:
    """Return a line when nothing that runs names the variable of an input, so it has no effect.

    That is what is left when the caller's shell has replaced a `$BATCHIO_TASK_INPUT` without
    quotes. Where more than the command and its scripts may read the variable, nothing is said.
    """
    command, effective = resolved.command, resolved.effective
    if source is None or source.kind != "values":
        return []
    if not set(bundle.items) <= {file.path for file in command.files}:
        return []
    name = effective.value("map-over-input-var") or "BATCHIO_TASK_INPUT"
    texts = [os.fsencode(text) for text in (*command.argv, command.text or "")]
    for file in command.files:
        if file.source is not None:
            with open(here.path(file.source), "rb") as script:
                texts.append(script.read(_LOOKED_AT))
    wanted = (b"TASK_INPUT", b"TASK_ID", os.fsencode(name))
    if any(word in text for text in texts for word in wanted):
        return []
    return [
        f"the command does not use ${name}, so all tasks do the same; if your shell replaced it, "
        f"quote it: '${name}'"
    ]


_LOOKED_AT: Final = 16 << 20
"""Bytes of a script or program in which the variable of an input is looked for."""


def idle(effective: Effective) -> list[str]:
    """Return a line for each option about mapping, when there is nothing to map over."""
    return [
        f"--{name} ({effective.origin(name)}): ignored, there is no --map-over option"
        for name in ("map-over-input-var", "map-over-delimiter", "map-over-format")
        if effective.value(name) is not None
    ]
