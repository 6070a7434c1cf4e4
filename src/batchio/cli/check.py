"""The command that looks, before there is a job, whether it could run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchio.cli import diagnostics, output
from batchio.cli.common import CommandArgument
from batchio.cli.documents import Checked, CheckedPart
from batchio.cli.options import command
from batchio.cli.output import Cell, Column
from batchio.cli.terminal import visible
from batchio.core.record import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.api import Finding
    from batchio.cli.output import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckArgs:
    """Arguments of `batchio check`."""

    command: tuple[str, ...]
    format: Format
    typed: Mapping[str, Any]


def check_it(args: CheckArgs) -> int:
    """Check that a job would run: its workspace, and each of its nodes.

    Each node is contacted the way a job would do it, and nothing is left there. With a
    COMMAND, the options in its script apply, too. The exit code is 0 if everything is
    fine, else 1.

    \b
      batchio check
      batchio check --hosts alice@gpu1,gpu2 --memory 8GB
      batchio check train.py
    """
    return checked(args.command or ("true",), args.typed, args.format)


def checked(command: tuple[str, ...], typed: Mapping[str, Any], form: Format) -> int:
    """Check that a job would run, show what was found, and return the exit code."""
    from batchio import api

    prepared = api.prepare(command, {}, typed=typed)
    for warning in prepared.warnings:
        diagnostics.warn(visible(warning))
    found = api.blocking(partial(api.check_prepared, prepared))
    fine = all(finding.ok is not False for finding in found)
    if form == "table":
        _show(found)
    else:
        parts = [CheckedPart(name=f.name, ok=f.ok, said=f.said, hint=f.hint) for f in found]
        record = Checked(schema=SCHEMA, ok=fine, findings=parts)
        output.json_document(record, form)
    return 0 if fine else 1


def _show(found: list[Finding]) -> None:
    output.table(_COLUMNS, ((finding.name, _MARKS[finding.ok], finding.said) for finding in found))
    output.flush()
    for finding in found:
        if finding.hint:
            diagnostics.hint(visible(f"{finding.name}: {finding.hint}"))


_COLUMNS: Final = (Column("Checked"), Column(""), Column("Found"))
_MARKS: Final = {True: Cell("ok", "green"), False: Cell("wrong", "red"), None: Cell("?", "yellow")}

check = command(
    "check",
    check_it,
    CheckArgs,
    CommandArgument("[COMMAND]..."),
    like="run",
    groups=("Machines", "Software", "Where", "Looking"),
    allow_interspersed_args=False,
)
