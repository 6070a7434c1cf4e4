"""The command that shows a job's nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchio.cli import diagnostics, output
from batchio.cli.common import JobArgument, finished, found
from batchio.cli.options import command
from batchio.cli.output import Cell, Column
from batchio.cli.summary import concern_line
from batchio.cli.words import dollars, standing
from batchio.core.record import SCHEMA
from batchio.core.sizes import format_bytes

if TYPE_CHECKING:
    from batchio.cli.output import Format
    from batchio.core.views import JobView, NodeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesArgs:
    """Arguments of `batchio nodes`."""

    job: str | None
    format: Format
    workspace: str | None


def show_nodes(args: NodesArgs) -> int:
    """Show the nodes of a job; without JOB, of the newest job.

    \b
      batchio nodes hello
    """

    async def look() -> JobView:
        return await (await found(args.job, args.workspace)).status()

    view = finished(look())
    nodes = view.nodes
    match args.format:
        case "json":
            output.json_list({"schema": SCHEMA, **node.to_json()} for node in nodes)
        case "jsonl":
            output.json_lines({"schema": SCHEMA, **node.to_json()} for node in nodes)
        case _ if not nodes:
            diagnostics.say("no nodes yet; batchio explain says why")
        case _:
            if any(node.rate for node in nodes):
                output.table((*NODE_COLUMNS, *PRICE_COLUMNS), map(_priced_cells, nodes))
            else:
                output.table(NODE_COLUMNS, map(_node_cells, nodes))
            for concern in view.concerns:
                output.line(concern_line(concern))
    return 0


NODE_COLUMNS: Final = (
    Column("Node", right=True),
    Column("Name"),
    Column("State"),
    Column("Slots", right=True),
    Column("Running", right=True),
    Column("Queued", right=True),
    Column("Ended", right=True),
    Column("Load", right=True),
    Column("Address", spare=1),
    Column("CPUs", right=True, spare=3),
    Column("Memory", right=True, spare=2),
    Column("Disk Free", right=True, spare=4),
    Column("Note"),
)


def _node_cells(node: NodeRow) -> tuple[Cell | str, ...]:
    return (
        str(node.number),
        node.name,
        standing(node.state),
        "" if node.slots is None else str(node.slots),
        str(node.running),
        str(node.queued),
        str(node.ended),
        "" if node.load is None else f"{node.load:.2f}",
        node.address or "",
        "" if node.cpus is None else f"{node.cpus:g}",
        "" if node.memory is None else format_bytes(node.memory),
        "" if node.disk_free is None else format_bytes(node.disk_free),
        node.why,
    )


PRICE_COLUMNS: Final = (
    Column("Zone", spare=2),
    Column("$/h", right=True),
    Column("Cost", right=True),
)
"""Further columns about nodes of which some are rented."""


def _priced_cells(node: NodeRow) -> tuple[Cell | str, ...]:
    zone = f"{node.zone} spot" if node.spot else node.zone
    return (*_node_cells(node), zone, dollars(node.rate), dollars(node.cost))


nodes_command = command("nodes", show_nodes, NodesArgs, JobArgument(), like="explain")
