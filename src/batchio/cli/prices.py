"""The command that shows the prices that plans and costs are reckoned with."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.documents import PriceTable
from batchio.cli.options import command
from batchio.cli.output import Column
from batchio.cli.words import lasted
from batchio.core.record import SCHEMA
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.api import PriceList
    from batchio.cli.output import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesArgs:
    """Arguments of `batchio prices`."""

    type: tuple[str, ...]
    provider: str
    region: tuple[str, ...]
    refresh: bool
    format: Format


def show_prices(args: PricesArgs) -> int:
    """Show on-demand prices of machines by the hour, cheapest first, and their source.

    TYPE chooses some, such as 'm7i.*'. Prices of AWS are kept for a week; before they were
    ever asked for, a table that comes with batchio serves, and says so. A node also pays for
    its disk and its public address.

    \b
      batchio prices
      batchio prices 'c7g.*' --region eu-west-1
      batchio prices --refresh
    """
    from batchio import api

    asked = partial(api.prices, args.provider, args.region, refresh=args.refresh)
    found = api.blocking(asked)
    match args.format:
        case "json":
            output.json_list(_document(listed, args.type) for listed in found)
        case "jsonl":
            output.json_lines(_document(listed, args.type) for listed in found)
        case _:
            _show(found, args.type)
    return 0


def _show(found: list[PriceList], wanted: tuple[str, ...]) -> None:
    for at, (listed, rows) in enumerate([(one, _chosen(one, wanted)) for one in found]):
        if at:
            output.line()
        output.line(f"region  {listed.region}")
        output.line(f"source  {listed.source}{_age(listed)}")
        output.line()
        output.table(_COLUMNS, ((name, f"${rate:.4f}") for name, rate in rows))
    output.flush()
    if any(listed.age is None for listed in found):
        diagnostics.hint("batchio prices --refresh asks AWS for all of them; it needs credentials")


def _age(listed: PriceList) -> str:
    return "" if listed.age is None else f", asked {lasted(listed.age // 1)} ago"


def _chosen(listed: PriceList, wanted: tuple[str, ...]) -> list[tuple[str, float]]:
    """Return types and prices that fit one of the patterns, the cheapest first.

    Raises:
        UsageError: no price is known of any of them.
    """
    fit = [
        (name, rate)
        for name, rate in listed.rates.items()
        if not wanted or any(fnmatchcase(name, one) for one in wanted)
    ]
    if not fit:
        named = f"no price of {', '.join(wanted)} is known" if wanted else "no price is known"
        raise UsageError(named, where=listed.region, hint="batchio prices --refresh asks AWS")
    return sorted(fit, key=lambda one: (one[1], one[0]))


def _document(listed: PriceList, wanted: tuple[str, ...]) -> PriceTable:
    return PriceTable(
        schema=SCHEMA,
        region=listed.region,
        source=listed.source,
        age=listed.age,
        prices=dict(_chosen(listed, wanted)),
    )


_COLUMNS: Final = (Column("Machine"), Column("$/h", right=True))

prices = command(
    "prices",
    show_prices,
    PricesArgs,
    click.Argument(["type"], nargs=-1, metavar="[TYPE]..."),
    click.Option(["--provider"], default="aws", metavar="NAME", help="Who rents them: aws."),
    click.Option(["--region"], multiple=True, metavar="REGION", help="Where (default: yours)."),
    click.Option(["--refresh"], is_flag=True, help="Ask for the prices of now, and keep them."),
)
