"""All that a report says of a job, read once from its store."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from batchio import __version__, tasklogs
from batchio.core.lanes import lanes
from batchio.core.lens import ALL, Order
from batchio.errors import BatchioError
from batchio.report.charts import FAILED, IDLE, LEVELS
from batchio.report.packing import listed, packed
from batchio.runtime.host import in_thread
from batchio.runtime.live import Live
from batchio.stores.logs import LINES
from batchio.tasklogs import Lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchio.core.history import History
    from batchio.core.lanes import Lanes
    from batchio.core.machine import Machine
    from batchio.core.rows import FailureGroup, NodeRow, TaskRow
    from batchio.core.views import JobView
    from batchio.ports import JobStore
    from batchio.stores.logs import LogLine

    Reproduced = Callable[[int, int], Awaitable[str]]
    """Takes the id of a task and the number of an attempt."""

BINS: Final = (40, 240)
"""Least and largest number of parts of the job's time in a picture."""

GROUPS: Final = 20
"""Failure groups that a report shows, with an example each."""

TAIL: Final = 50
"""Lines of an example's log that a report shows."""

LONGEST_LINE: Final = 2000
"""Characters of a line that a report shows."""

SLOWEST: Final = 20
LANES: Final = 200
"""Nodes whose lanes a report shows; of more, the busiest and the idlest."""

_SECRET: Final = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure group, and one of its attempts."""

    group: FailureGroup
    lines: Sequence[LogLine]
    """The last lines of the example."""
    unread: str
    """Why its log cannot be read; or ""."""
    again: str
    """Shell lines that reproduce the example; "" for attempts that never ran."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node, and what became of the attempts on it."""

    row: NodeRow
    failed: int
    """Number of attempts that ended badly there."""
    python: str
    arch: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that a report says."""

    view: JobView
    now: float
    """The moment that is shown, in Unix seconds."""
    version: str
    damage: str
    """What of the journal could not be read; or ""."""
    failures: Sequence[Failure]
    nodes: Sequence[NodeFacts]
    lanes: Lanes
    since: float
    """Begin and end of the time that pictures show, in Unix seconds."""
    until: float
    rows: Sequence[tuple[str, bytes]]
    """Names of nodes and their lanes as values of the picture's palette."""
    slowest: Sequence[TaskRow]
    urgent: Sequence[TaskRow]
    """The first tasks, those that need attention before others: what is shown without a script."""
    env: Sequence[tuple[str, str]]
    options: Sequence[tuple[str, str, str]]
    listed: int
    """Number of tasks in `tasks`."""
    tasks: str
    """Their columns, packed."""


async def gather(store: JobStore, reproduced: Reproduced, look: type[Live] = Live) -> Gathered:
    """Read a job, and return all that a report of it says.

    Args:
        reproduced: Returns the shell lines that reproduce an attempt of a task, by its id.
        look: How the job is looked at.
    """
    async with look(store) as live:
        view, machine, now = live._whole_view(), live._machine, live._now()
        history, damage = await live.history(), str(live.damage or "")
    failures = [
        await _failure(store, group, reproduced) for group in view.failures(attempts=True)[:GROUPS]
    ]
    make = partial(_gathered, view, machine, now, history, failures, damage)
    return await in_thread(make)


def _gathered(
    view: JobView,
    machine: Machine,
    now: float,
    history: History,
    failures: Sequence[Failure],
    damage: str,
) -> Gathered:
    since, until = _span(machine, now)
    bins = min(max(len(history.columns["task"]) // 2, BINS[0]), BINS[1])
    seen, positions = lanes(history, since, until, bins), listed(machine)
    spec = machine.running_job.spec
    by_time = view.select(ALL, Order("duration", backwards=True))
    return Gathered(
        view=view,
        now=now,
        version=__version__,
        damage=damage,
        failures=failures,
        nodes=_nodes(view, machine),
        lanes=seen,
        since=since,
        until=until,
        rows=_lanes(view, seen),
        slowest=[row for row in view.rows(by_time[:SLOWEST]) if row.duration is not None],
        urgent=[row for row, _ in zip(view.urgent(), range(TAIL), strict=False)],
        env=[(name, _masked(name, value)) for name, value in sorted(spec.env.items())],
        options=[(name, value, origin) for name, (value, origin) in sorted(spec.options.items())],
        listed=len(positions),
        tasks=packed(machine, positions, [node.name for node in machine.nodes]),
    )


async def _failure(store: JobStore, group: FailureGroup, reproduced: Reproduced) -> Failure:
    if group.task is None:
        return Failure(group, (), "", "")
    lines: list[LogLine] = []
    unread = again = ""
    which = Lines([group.task], group.attempt, None, None, TAIL)
    try:
        async with aclosing(tasklogs.past(store, which, LINES)) as found:
            lines = [_cut(line) async for line in found]
    except (BatchioError, OSError) as err:
        unread = str(err)
    try:
        again = await reproduced(group.task, group.attempt)
    except (BatchioError, OSError) as err:
        unread = unread or str(err)
    return Failure(group, lines, unread, again)


def _cut(line: LogLine) -> LogLine:
    if len(line.text) <= LONGEST_LINE:
        return line
    return line._replace(text=f"{line.text[:LONGEST_LINE]} … ({len(line.text):,} characters)")


def _span(machine: Machine, now: float) -> tuple[float, float]:
    """Return begin and end of the time to draw; at least a second, whatever clocks did."""
    job = machine.running_job
    since = job.running or job.submitted
    return since, max(job.closed or now, since + 1.0)


def _nodes(view: JobView, machine: Machine) -> list[NodeFacts]:
    failed: dict[int, int] = {}
    for group in machine.endings.groups:
        for node, count in group.nodes.items():
            failed[node] = failed.get(node, 0) + count
    return [
        NodeFacts(
            row,
            failed.get(row.number, 0),
            str(machine.nodes[row.number].facts.get("python", "")),
            str(machine.nodes[row.number].facts.get("arch", "")),
        )
        for row in view.nodes
    ]


def _lanes(view: JobView, seen: Lanes) -> list[tuple[str, bytes]]:
    """Return the lanes of nodes, the busiest first; of many nodes the busiest and the idlest."""
    slots = {row.number: max(row.slots or 1, 1) for row in view.nodes}
    names = {row.number: row.name for row in view.nodes}
    known = [node for node in seen.nodes if node in names]
    order = sorted(known, key=lambda node: -sum(seen.nodes[node].busy) / slots[node])
    if len(order) > LANES:
        order = order[: LANES // 2] + order[-LANES // 2 :]
    return [(names[node], _values(seen, node, slots[node])) for node in order]


def _values(seen: Lanes, node: int, slots: int) -> bytes:
    lane = seen.nodes[node]
    return bytes(
        FAILED if failed else IDLE if busy <= 0 else min(1 + int(busy / slots * LEVELS), LEVELS)
        for busy, failed in zip(lane.busy, lane.failed, strict=True)
    )


def _masked(name: str, value: str) -> str:
    """Return the value of a variable, unless its name sounds like a secret."""
    return "(not shown)" if _SECRET.search(name) else value
