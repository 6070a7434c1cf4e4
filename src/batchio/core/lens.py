"""Selecting and sorting tasks to show, and what an event may change on the screen. Pure.

It works on the columns of the Machine: of 100,000 tasks only the shown ones become rows.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core import events as ev
from batchio.core.rows import row_at, worded
from batchio.core.task import Outcome, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from batchio.core.arrays import TaskIds
    from batchio.core.machine import Machine
    from batchio.core.rows import TaskRow

    Keys = Sequence[float]


class Where(NamedTuple):
    """Conditions on tasks; a task must meet all of them, and an empty one is always met."""

    standing: frozenset[str] = frozenset()
    """States and outcomes, in the words of `TaskRow`: "running", "failed"."""
    nodes: frozenset[int] = frozenset()
    """Numbers of the nodes that the present attempts are on."""
    exits: frozenset[int] = frozenset()
    """Exit codes of attempts that have ended; -N is signal N."""
    attempt: int = 0
    """The least number of attempts."""
    longer: float = 0.0
    """The least duration, in seconds; for a running task, until now."""
    words: str = ""
    """Text that the reason or the last words contain, in upper or lower case."""
    shorter: float = 0.0
    """The longest duration, in seconds, as for `longer`; 0: any."""
    ids: TaskIds | None = None
    """Ids of tasks; None: any."""


class Order(NamedTuple):
    """A column to sort tasks by; tasks without a value there come last."""

    column: str = "id"
    backwards: bool = False


ALL: Final = Where()


def select(
    machine: Machine, where: Where = ALL, order: Sequence[Order] = (), now: float = 0.0
) -> array[int]:
    """Return the positions of the tasks that meet `where`, sorted by `order`, else by id.

    Args:
        order: Columns to sort by; the first counts most.
        now: Unix seconds; until then lasts the duration of running tasks.

    Raises:
        KeyError: there is no such column.
    """
    found: Sequence[int] = range(machine.tasks.count)
    for narrow in _narrowing(machine, where, now):
        found = narrow(found)
    return array("I", in_order(machine, found, order, now))


def in_order(
    machine: Machine, found: Sequence[int], order: Sequence[Order], now: float
) -> Sequence[int]:
    """Return positions sorted by `order`, of which the first counts most. Raises KeyError."""
    for by in reversed(order):
        found = _sorted(found, *COLUMNS[by.column](machine, now), by.backwards)
    return found


def window(machine: Machine, positions: Iterable[int], now: float) -> list[TaskRow]:
    """Return the rows of tasks at these positions, in that order."""
    return [row_at(machine, position, now) for position in positions]


class Touched(NamedTuple):
    """Positions of the tasks and numbers of the nodes that an event may change."""

    tasks: Collection[int]
    nodes: Collection[int]


def touched(machine: Machine, event: ev.Event) -> Touched:
    """Return the tasks and nodes that `event` may change; call this before it is applied."""
    nodes: Collection[int] = (event.node,) if isinstance(event, ev.NodeEvent) else ()
    match event:
        case ev.TasksFinished():
            return Touched([record.task for record in event.records], nodes)
        case ev.CancelRequested() if event.tasks is not None:
            return Touched(event.tasks, _on(machine, event.tasks))
        case ev.TasksRequeued():
            tasks = [row[0] for row in event.tasks]
            return Touched(tasks, _on(machine, tasks))
        case ev.TasksAssigned() | ev.TasksStarted() | ev.TasksReturned() | ev.TasksCollected():
            return Touched([row[0] for row in event.tasks], nodes)
        case ev.CancelRequested() | ev.JobTimedOut() | ev.MoneyGone() | ev.TasksAbandoned():
            return Touched(range(machine.tasks.count), range(len(machine.nodes)))
        case ev.NodesOrdered():
            return Touched((), range(event.first, event.first + sum(row[1] for row in event.rows)))
        case ev.NodesRefused() | ev.NodesDelayed():
            return Touched((), event.nodes)
        case ev.NodeRestarted() if _renames(machine, event):  # every task that was ever there
            where = machine.tasks.node
            return Touched([t for t in range(len(where)) if where[t] == event.node], nodes)
        case ev.NodeEvent() if event.node < len(machine.nodes):
            node = machine.nodes[event.node]
            return Touched(node.active | node.collecting, nodes)
        case _:
            return Touched((), nodes)


def _renames(machine: Machine, event: ev.NodeRestarted) -> bool:
    """Return whether a restarted agent's hello gives the node another host name."""
    if event.node >= len(machine.nodes):
        return False
    return machine.nodes[event.node].facts.get("hostname") != event.facts.get("hostname")


def _on(machine: Machine, tasks: Iterable[int]) -> set[int]:
    node, count = machine.tasks.node, machine.tasks.count
    return {node[task] for task in tasks if 0 <= task < count and node[task] >= 0}


# ---- narrowing ----------------------------------------------------------------------


def _narrowing(
    m: Machine, where: Where, now: float
) -> Iterable[Callable[[Sequence[int]], Sequence[int]]]:
    """Yield a filter of positions for each condition in `where`, the cheap ones first."""
    tasks = m.tasks
    state, outcome, ended = tasks.state, tasks.outcome, tasks.ended
    if where.standing:
        states = bytes(item.name.lower() in where.standing for item in TaskState)
        ends = bytes(item.label in where.standing for item in Outcome)
        yield lambda found: [p for p in found if states[state[p]] or ends[outcome[p]]]
    if where.nodes:
        yield lambda found: [p for p in found if tasks.node[p] in where.nodes]
    if where.exits:
        yield lambda found: [p for p in found if ended[p] and tasks.exit[p] in where.exits]
    if where.attempt > 1:
        yield lambda found: [p for p in found if tasks.attempt[p] >= where.attempt]
    if where.longer:
        keys, _ = _durations(m, now)
        yield lambda found: [p for p in found if keys[p] >= where.longer]
    if where.shorter:
        ran, _ = _durations(m, now)
        yield lambda found: [p for p in found if 0 <= ran[p] <= where.shorter]
    if where.ids is not None:
        chosen = _positions(m.running_job.spec.tasks, where.ids)
        yield lambda found: [p for p in found if p in chosen]
    if where.words:
        words = where.words.casefold()
        said = {p for p, text in tasks.tails.items() if words in text.casefold()}
        said |= {p for p, text in tasks.reasons.items() if words in worded(text).casefold()}
        yield lambda found: [p for p in found if p in said]


def _positions(known: TaskIds, wanted: TaskIds) -> Collection[int]:
    """Return the positions of the wanted ids among the known ones."""
    if len(known.ranges) == 1 and known.ranges[0].step == 1 and len(wanted.ranges) == 1:
        first, part = known.ranges[0].start, wanted.ranges[0]
        return range(part.start - first, part.stop - first, part.step)
    if len(wanted) <= len(known):
        return {known.position(task) for task in wanted if task in known}
    return {position for position, task in enumerate(known) if task in wanted}


# ---- sorting ------------------------------------------------------------------------


def _sorted(
    found: Sequence[int], keys: Keys, missing: float | None, backwards: bool
) -> Sequence[int]:
    """Sort positions by their keys; those whose key is `missing` come last, in their order."""
    known, unknown = found, list[int]()
    if missing is not None:
        known = [p for p in found if keys[p] != missing]
        unknown = [p for p in found if keys[p] == missing] if len(known) < len(found) else []
    return [*sorted(known, key=keys.__getitem__, reverse=backwards), *unknown]


def _ranks(words: Sequence[str]) -> bytes:
    """Return a table from the index of a word to its place in alphabetic order; "" is 0."""
    order = sorted({"", *words})
    return bytes(order.index(word) for word in words).ljust(256, b"\0")


_STATES: Final = _ranks([state.name.lower() for state in TaskState])
_OUTCOMES: Final = _ranks([outcome.label for outcome in Outcome])


def _nodes(m: Machine, _: float) -> tuple[Keys, float | None]:
    """Return the rank of each task's node by name; -1 before the task is sent to one."""
    places = {name: place for place, name in enumerate(sorted({node.name for node in m.nodes}))}
    ranks = [*(places[node.name] for node in m.nodes), -1]  # the last is for node -1
    return [ranks[number] for number in m.tasks.node], -1


def _durations(m: Machine, now: float) -> tuple[Keys, float | None]:
    running, tasks = TaskState.RUNNING, m.tasks
    columns = zip(tasks.started, tasks.ended, tasks.state, strict=True)
    return [
        (max((b or now) - a, 0.0) if a and (b or state == running) else -1.0)
        for a, b, state in columns
    ], -1.0


def _exits(m: Machine, _: float) -> tuple[Keys, float | None]:
    columns = zip(m.tasks.exit, m.tasks.ended, strict=True)
    return [(code if ended and code >= 0 else -1) for code, ended in columns], -1


def _cpus(m: Machine, _: float) -> tuple[Keys, float | None]:
    columns = zip(m.tasks.cpu, m.tasks.ended, strict=True)
    return [(seconds if ended else -1.0) for seconds, ended in columns], -1.0


COLUMNS: Final[dict[str, Callable[[Machine, float], tuple[Keys, float | None]]]] = {
    "id": lambda m, _: (range(m.tasks.count), None),
    "state": lambda m, _: (m.tasks.state.tobytes().translate(_STATES), None),
    "outcome": lambda m, _: (m.tasks.outcome.tobytes().translate(_OUTCOMES), 0),
    "attempt": lambda m, _: (m.tasks.attempt, None),
    "node": _nodes,
    "started": lambda m, _: (m.tasks.started, 0.0),
    "stopped": lambda m, _: (m.tasks.ended, 0.0),
    "duration": _durations,
    "exit_code": _exits,
    "memory": lambda m, _: (m.tasks.rss, 0),
    "cpu": _cpus,
}
"""Columns to sort tasks by, with the names of `TaskRow`; each gives the keys by position, and
the key that means no value."""
