"""The command about the Python environment that travels: what of it does, what hosts keep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.documents import (
    Cleaned,
    CleanedPlace,
    EnvironmentPart,
    LeftOut,
    NamedEnvironment,
    NamedEnvironments,
    ShownEnvironment,
)
from batchio.cli.options import command
from batchio.cli.output import Cell, Column
from batchio.cli.terminal import visible
from batchio.core.record import SCHEMA
from batchio.core.sizes import format_bytes
from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.api import Made
    from batchio.cli.output import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvArgs:
    """Arguments of `batchio env`."""

    verb: str
    name: str | None
    format: Format
    typed: Mapping[str, Any]


def env_it(args: EnvArgs) -> int:
    """Show the Python environment that jobs take along, make others, or remove what is kept.

    show lists all packages and folders that travel to other computers, as what, and how large
    they are, and what does not travel, and why. clean removes what was packed here, or with
    --hosts what they keep; what a job uses there stays. create lets uv make an environment with
    a name, of a file, for jobs with --software NAME; list shows those there are; delete removes
    one.

    \b
      batchio env show
      batchio env create train --software requirements.txt
      batchio env clean --hosts alice@gpu1,gpu2
    """
    if (args.name is None) == (args.verb in NAMED):
        wrong = "takes the name of an environment" if args.name is None else "takes no name"
        raise UsageError(f"env {args.verb} {wrong}")
    return VERBS[args.verb](args)


def _show(args: EnvArgs) -> int:
    from batchio import api

    environment, warnings = api.users_environment(args.typed)
    for warning in warnings:
        diagnostics.warn(visible(warning))
    if args.format != "table":
        captured, found = environment.captured, environment.found
        parts = [
            EnvironmentPart(
                name=item.name,
                version=item.version,
                travels=item.why,
                files=len(item.files),
                bytes=item.size,
            )
            for item in found.items
        ]
        left = [LeftOut(what=what, why=why) for what, why in found.left]
        record = ShownEnvironment(
            schema=SCHEMA,
            python=captured.version,
            executable=captured.executable,
            because=environment.python.why,
            parts=parts,
            bytes=environment.size,
            left=left,
        )
        output.json_document(record, args.format)
        return 0
    rows = [
        (visible(item.name), item.version, format_bytes(item.size), visible(item.why))
        for item in environment.found.items
    ]
    rows += [(visible(what), "", "-", visible(why)) for what, why in environment.found.left]
    output.table(_COLUMNS, rows)
    output.flush()
    diagnostics.say(visible(str(environment)))
    return 0


def _clean(args: EnvArgs) -> int:
    from batchio import api

    cleaned = api.blocking(partial(api.clean_packages, args.typed))
    if args.format != "table":
        places = [
            CleanedPlace(name=found.name, ok=found.ok is not False, bytes=size, said=found.said)
            for found, size in cleaned
        ]
        output.json_document(Cleaned(schema=SCHEMA, places=places), args.format)
    else:
        rows = [
            (visible(found.name), Cell(f"{format_bytes(size)} removed"))
            if found.ok
            else (visible(found.name), Cell(visible(found.said), "red"))
            for found, size in cleaned
        ]
        output.table(_CLEANED, rows)
        output.flush()
    return 0 if all(found.ok for found, _ in cleaned) else 1


def _create(args: EnvArgs) -> int:
    from batchio import api

    made = api.create_environment(str(args.name), args.typed)
    return _listed(args, [made])


def _list(args: EnvArgs) -> int:
    from batchio import api

    return _listed(args, api.environments())


def _delete(args: EnvArgs) -> int:
    from batchio import api

    api.delete_environment(str(args.name))
    return _listed(args, api.environments())


def _listed(args: EnvArgs, found: Sequence[Made]) -> int:
    if args.format != "table":
        rows = [
            NamedEnvironment(name=made.name, executable=made.python, sources=list(made.sources))
            for made in found
        ]
        output.json_document(NamedEnvironments(schema=SCHEMA, environments=rows), args.format)
        return 0
    output.table(
        _NAMED,
        [(made.name, visible(", ".join(made.sources)), visible(made.python)) for made in found],
    )
    output.flush()
    return 0


VERBS: Final = {
    "show": _show,
    "create": _create,
    "list": _list,
    "delete": _delete,
    "clean": _clean,
}
NAMED: Final = ("create", "delete")
"""Verbs that take the name of an environment."""

_NAMED: Final = (Column("Name"), Column("Made of"), Column("Python"))
_COLUMNS: Final = (Column("Package"), Column("Version"), Column("Size"), Column("Travels"))
_CLEANED: Final = (Column("Where"), Column("Packages"))

env = command(
    "env",
    env_it,
    EnvArgs,
    click.Argument(["verb"], type=click.Choice(list(VERBS)), metavar="|".join(VERBS)),
    click.Argument(["name"], required=False),
    like="run",
    groups=("Software", "Where", "Looking"),
)
