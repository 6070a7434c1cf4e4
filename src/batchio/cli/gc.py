"""The command that finds what is left in a cloud account, and ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.options import command
from batchio.cli.output import Column
from batchio.cli.terminal import visible
from batchio.cli.words import dollars, lasted, plural

if TYPE_CHECKING:
    from batchio.api import Left, Orphan

BETWEEN_S: Final = 120.0
"""Seconds between the two looks that both must find something orphaned before it is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GcArgs:
    """Arguments of `batchio gc`."""

    provider: str
    region: tuple[str, ...]
    all_regions: bool
    yes: bool


def collect(args: GcArgs) -> int:
    """Find machines that nobody leads any more in your cloud account; with --yes end them.

    Whoever leads a job renews a tag on all that it rents, every few minutes. What was not
    renewed for 40 minutes is shown, with its price. With --yes it is looked at again two
    minutes later, and what nobody renewed is ended: instances, launch templates and security
    groups of batchio. What cannot be looked at is said, and is not touched.

    The exit code is 0 when nothing is left, else 1.

    \b
      batchio gc
      batchio gc --all-regions --yes
    """
    from batchio import api

    regions = args.region or tuple(
        api.blocking(partial(api.regions, args.provider, every=args.all_regions))
    )
    found = api.blocking(partial(api.orphans, args.provider, regions))
    _show(found, regions)
    if not found.orphans:
        return 1 if found.unknown else 0
    if not args.yes:
        diagnostics.hint("batchio gc --yes ends them, with the same options")
        return 1
    diagnostics.say(f"looking again in {lasted(BETWEEN_S)}, before anything is ended")
    time.sleep(BETWEEN_S)
    again = api.blocking(partial(api.orphans, args.provider, regions))
    _tell_unknown(again)
    still = {orphan.handle for orphan in again.orphans}
    for orphan in found.orphans:
        if orphan.handle not in still:
            diagnostics.say(f"{_named(orphan)} is not orphaned any more")
    chosen = [orphan for orphan in again.orphans if orphan.handle in _handles(found)]
    failed: list[str] = []

    def ended(orphan: Orphan, why: str) -> None:
        if why:
            failed.append(orphan.handle)
            cost = f", which costs {dollars(orphan.rate)} an hour" if orphan.rate else ""
            diagnostics.warn(visible(f"{_named(orphan)}{cost}, is still there: {why}"))
        else:
            diagnostics.say(f"ended {_named(orphan)}")

    api.blocking(partial(api.end_orphans, args.provider, chosen, ended))
    return 1 if failed or found.unknown or again.unknown else 0


def _handles(found: Left) -> set[str]:
    return {orphan.handle for orphan in found.orphans}


def _named(orphan: Orphan) -> str:
    return f"{orphan.kind} {orphan.handle}"


def _show(found: Left, regions: tuple[str, ...]) -> None:
    where = ", ".join(regions) if len(regions) < 4 else plural(len(regions), "region")
    if found.orphans:
        output.table(_COLUMNS, map(_cells, found.orphans))
        output.flush()
        hourly = sum(orphan.rate or 0.0 for orphan in found.orphans)
        cost = f", {dollars(hourly)} an hour" if hourly else ""
        diagnostics.say(f"{len(found.orphans)} orphaned in {where}{cost}; {found.alive} in use")
    elif not found.unknown:
        diagnostics.say(f"nothing is orphaned in {where}; {found.alive} in use")
    _tell_unknown(found)


def _tell_unknown(found: Left) -> None:
    for one in found.unknown:
        diagnostics.warn(visible(f"unknown, and nothing is ended on its account: {one}"))


def _cells(orphan: Orphan) -> tuple[str, ...]:
    rate = "not known" if orphan.rate is None else dollars(orphan.rate) if orphan.rate else ""
    return orphan.handle, orphan.kind, orphan.state, orphan.job, lasted(orphan.expired // 1), rate


_COLUMNS: Final = (
    Column("Orphan"),
    Column("Kind"),
    Column("State", spare=1),
    Column("Job"),
    Column("Expired For", right=True),
    Column("$/h", right=True),
)

gc = command(
    "gc",
    collect,
    GcArgs,
    click.Option(["--provider"], default="aws", metavar="NAME", help="Whose account: aws."),
    click.Option(["--region"], multiple=True, metavar="REGION", help="Where (default: yours)."),
    click.Option(["--all-regions"], is_flag=True, help="Look in every region of the account."),
    click.Option(["-y", "--yes"], is_flag=True, help="End what both of two looks find orphaned."),
)
