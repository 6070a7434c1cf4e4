"""The command that says what a job would take, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from batchio.cli import diagnostics, output
from batchio.cli.common import CommandArgument
from batchio.cli.options import command
from batchio.cli.output import Column
from batchio.cli.run import plan_lines
from batchio.cli.terminal import visible
from batchio.cli.words import dollars, lasted, plural
from batchio.core.sizes import format_dollars, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchio.api import Prepared
    from batchio.cli.output import Format
    from batchio.core.quote import Quota, Quote

POOLS: Final = 12
"""Number of pools that are shown to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArgs:
    """Arguments of `batchio plan`."""

    command: tuple[str, ...]
    expect: str | None
    format: Format
    typed: Mapping[str, Any]


def plan_it(args: PlanArgs) -> int:
    """Show what a job would take and cost, and rent nothing.

    Takes the options of batchio run, with --provider aws. Without credentials it uses the
    table of prices that comes with batchio; with them it asks AWS for prices and quotas.
    Run times come from --expect, or from the newest job of the same name.

    \b
      batchio plan --provider aws --ntasks 100 --cpu 4 train.py
      batchio plan --provider aws --spot-policy spot --expect 10m train.py
    """
    from batchio import api

    if args.expect is not None:
        parse_duration(args.expect)
    prepared = api.prepare(args.command, {}, typed=args.typed)
    for warning in prepared.warnings:
        diagnostics.warn(visible(warning))
    plan, found = prepared.plan(), quoted(prepared, args.expect)
    if args.format != "table":
        cost = None if found is None else found.to_json()
        output.json_document({**plan.to_json(), "cost": cost}, args.format)
        return 0
    for line in plan_lines(plan):
        output.line(visible(line))
    if found is None:
        output.flush()
        diagnostics.say(f"the {plan.provider} provider rents nothing, so it costs nothing")
    else:
        show_quote(found)
    return 0


def quoted(prepared: Prepared, expect: str | None = None) -> Quote | None:
    """Return what a job would cost; None where nothing is rented, and nobody is asked."""
    from batchio import api

    if not prepared.rents:
        return None
    return api.blocking(partial(api.estimate, prepared, expect))


def show_quote(quote: Quote) -> None:
    """Show what a job would cost: a few lines, and a table of the pools."""
    for line in _lines(quote):
        output.line(visible(line))
    output.line()
    shown = quote.pools[:POOLS]
    output.table(
        _COLUMNS,
        (
            (pool.machine, pool.zone, "spot" if pool.spot else "on demand", _hourly(pool.rate))
            for pool in shown
        ),
    )
    if more := quote.pools[POOLS:]:
        output.line(f"and {plural(len(more), 'more pool')}; --format json has all of them")
    output.flush()


def _lines(quote: Quote) -> Iterator[str]:
    each = f"{plural(quote.nodes, 'node')} of {plural(quote.slots, 'slot')} from {quote.offer}"
    if quote.low is None or quote.high is None:
        yield f"nodes     {each}, at prices that are not known"
    else:
        span = {_hourly(quote.low): None, _hourly(quote.high): None}
        yield f"nodes     {each}, {' to '.join(span)} an hour each"
        yield f"an hour   {dollars(quote.nodes * quote.high)} at most, while all of them are there"
    if quote.expected:
        low, high = map(format_dollars, quote.expected)
        yield f"expected  {low} (P50) to {high} (P90), by {quote.because}"
    elif quote.high is not None:
        yield "expected  not known: --expect 10m says how long a task runs"
    if quote.worst is not None:
        yield f"worst     {dollars(quote.worst)} more, if all that leads the job died at once"
    if quote.max_cost is not None:
        yield f"never     more than {dollars(quote.max_cost)} (--max-cost)"
    begun = f"the last node {lasted(quote.launch)} after the first" if quote.launch else "at once"
    yield f"launched  {begun}"
    for quota in quote.quotas:
        yield f"quota     {_quota(quota)}"
    yield f"prices    {quote.source}"
    for note in quote.notes:
        yield f"note      {note}"


def _quota(quota: Quota) -> str:
    needs = f"{quota.needed:g} vCPU of {quota.code} ({quota.name})"
    if quota.limit is None:
        return needs
    return f"{needs}: {quota.limit - (quota.used or 0.0):g} of {quota.limit:g} are free"


def _hourly(rate: float | None) -> str:
    return "not known" if rate is None else f"${rate:.4f}"


_COLUMNS: Final = (
    Column("Machine"),
    Column("Zone"),
    Column("Market"),
    Column("$/h", right=True),
)

plan = command(
    "plan",
    plan_it,
    PlanArgs,
    CommandArgument("COMMAND..."),
    click.Option(["--expect"], metavar="TIME", help="How long a task runs, such as 10m."),
    like="run",
    allow_interspersed_args=False,
)
