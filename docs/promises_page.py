"""docs/reference/coiled-batch.md, from the table that tests/conformance tries row by row."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.options.table import find
from batchio.providers import traits
from docs.reference_pages import NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE: Final = Path(__file__).parents[1] / "tests" / "conformance" / "rows.csv"

PARTS: Final = {
    "A": "First steps",
    "B": "First steps",
    "C": "Options in scripts",
    "D": "Looking at jobs",
    "E": "Many tasks",
    "F": "Variables of a task",
    "G": "Software",
    "H": "Credentials",
    "I": "Time limits",
    "R": "Options of `run`",
    "S": "The commands that look",
    "L": "The commands that look",
    "T": "The commands that look",
    "G:": "The commands that look",
    "Y": "In Python",
}
"""Heading of the rows whose id begins so; rows of `logs` are called `G:1` and so on."""

STATES: Final = {
    "works": "works",
    "elsewhere": "works",
    "refused": "refused",
    "ignored": "ignored",
    "absent": "no",
}

INTRODUCTION: Final = """\
# Coiled Batch, promise by promise

What the user's page of Coiled Batch promises, and what batchio does about it on this computer and
over SSH. Every row is tried by a test (`tests/conformance`), so this page cannot promise more.

- **works**: as promised.
- **refused**: where it cannot be done, an error with exit code 2 before anything runs. What a host
  lacks is known when it is reached: it is left out, and a job without hosts ends with exit code 3.
- **ignored**: the job runs, and one warning says that the option has no effect.
- **no**: batchio does not do it.

[Come from Coiled Batch](../how-to/from-coiled.md) says in words what differs.
"""


OPTION_OF: Final = {
    "A1": "region",
    "A2": "memory",
    "B8": "vm-type",
    "G2": "software",
    "H1": "forward-aws-credentials",
    "G:9": "profile",
    "R:--no-task-on-scheduler": "task-on-scheduler",
}
"""Names of options that rows are about, where their ids do not say it."""

ABSENT: Final = {
    "account": "there is no account",
    "clouds": "`--provider aws` rents machines; it has no column here yet",
    "web page": "`batchio dashboard` and `batchio report`",
}
"""Note of a row that is not there, by its reason in the table."""

HARDWARE: Final = ("cpu", "memory", "gpu", "arm")


class Row(NamedTuple):
    """A row of the table."""

    id: str
    promise: str
    local: str
    ssh: str
    why: str


def page() -> str:
    """Return the page: the count of rows by state, and a table for each part."""
    with TABLE.open(newline="") as file:
        rows = [Row(*fields) for fields in list(csv.reader(file))[1:]]
    parts = [NOTE, INTRODUCTION, *_summary(rows)]
    for heading, some in groupby(rows, key=_heading):
        parts += [f"## {heading}\n", "| promise | this computer | SSH | note |"]
        parts += ["| --- | --- | --- | --- |", *map(_line, some), ""]
    return "\n".join(parts).rstrip() + "\n"


def _summary(rows: list[Row]) -> Iterator[str]:
    yield f"Of {len(rows)} promises:\n"
    yield "| | this computer | SSH |"
    yield "| --- | ---: | ---: |"
    for word in dict.fromkeys(STATES.values()):
        local = sum(STATES[row.local] == word for row in rows)
        yield f"| {word} | {local} | {sum(STATES[row.ssh] == word for row in rows)} |"
    yield ""


def _heading(row: Row) -> str:
    return PARTS["G:" if row.id.startswith("G:") else row.id[0]]


def _line(row: Row) -> str:
    promise = row.promise
    kind, _, name = row.id.partition(":")
    if kind in "RY" and name not in ("", "COMMAND"):
        promise = f"`{name}`: {promise}" if kind == "R" else f"`{name}=`"
    return f"| {promise} | {STATES[row.local]} | {STATES[row.ssh]} | {_note(row, name)} |"


def _note(row: Row, name: str) -> str:
    """Return why it is not as promised, in the words of the option's own warning; or ""."""
    if row.local == "absent":
        return ABSENT[row.why]
    option = find(OPTION_OF.get(row.id, name)) if OPTION_OF.get(row.id, name) else None
    if option is None or {row.local, row.ssh} <= {"works", "elsewhere"}:
        return ""
    if option.name in HARDWARE:
        return "only where there is less than the job needs"
    if option.never:
        return option.never
    states = {"local": row.local, "ssh": row.ssh}
    said = [option.refusal(provider, traits(provider)) for provider in states]
    return "; ".join(dict.fromkeys(filter(None, said)))
