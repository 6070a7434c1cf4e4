"""Events as sentences, for people who read what happened to a job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core import events as ev
from batchio.core.arrays import compact
from batchio.core.news import name_of
from batchio.core.rows import ended_by, worded
from batchio.core.sizes import format_dollars, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from batchio.core.arrays import TaskIds
    from batchio.core.machine import Machine
    from batchio.core.reports import Ended

MOST_IDS: Final = 60
"""Most characters of ids in a sentence."""


def sentence(event: ev.Event, ids: TaskIds, node_name: Callable[[int], str]) -> str:
    """Return what happened, in one plain sentence without its time.

    Args:
        ids: The job's task ids.
        node_name: Returns the name of the node of a number.
    """
    if isinstance(event, ev.NodeEvent):
        name = node_name(event.node)
        return _of_tasks(event, ids, name) or _of_node(event, name)
    return _of_job(event, ids, node_name)


def told_of(
    machine: Machine,
    rows: Iterable[tuple[int, str]],
    tasks: Container[int] | None = None,
    words: Sequence[str] = (),
) -> list[tuple[int, float, str]]:
    """Return number, Unix seconds and sentence of each event in `rows`, which the journal gave.

    Args:
        tasks: Only events about tasks at these positions, and those that `words` choose; None: all.
        words: Texts; a sentence that has one of them is returned whatever it is about.
    """
    nodes, ids = machine.nodes, machine.running_job.spec.tasks
    found = []

    def node_name(number: int) -> str:
        return nodes[number].name if 0 <= number < len(nodes) else f"node {number}"

    for number, body in rows:
        try:
            event = ev.decode(body)
            said = sentence(event, ids, node_name)
            if tasks is None or is_about(event, tasks) or any(word in said for word in words):
                found.append((number, event.at, said))
        except (ValueError, LookupError, TypeError):
            found.append((number, 0.0, "this event is damaged, and left out"))
    return found


def is_about(event: ev.Event, tasks: Container[int]) -> bool:
    """Return whether an event is about one of the tasks at these positions."""
    if isinstance(event, ev.TasksFinished):
        return any(record.task in tasks for record in event.records)
    rows = getattr(event, "tasks", None) or ()
    return any((row if isinstance(row, int) else row[0]) in tasks for row in rows)


def _of_job(event: ev.Event, ids: TaskIds, node_name: Callable[[int], str]) -> str:
    match event:
        case ev.JobSubmitted():
            return f"the job was submitted: {_counted(len(ids), 'task')}"
        case ev.HeadStarted():
            again = "" if event.epoch == 1 else f", the {event.epoch}. one"
            return f"a head started to run the job on {event.host} (process {event.pid}){again}"
        case ev.CancelRequested():
            which = "the job" if event.tasks is None else _tasks(ids, event.tasks)
            return f"{which} was cancelled: {event.why}"
        case ev.JobTimedOut():
            return "the job reached its --job-timeout"
        case ev.MoneyGone():
            limit, spent = format_dollars(event.limit), format_dollars(event.spent)
            return f"the job reached its --max-cost of {limit}; {spent} were spent"
        case ev.JobClosed():
            return f"the job is done: {event.outcome.replace('_', ' ')}"
        case ev.Noted():
            return f"note: {event.text}"
        case ev.TasksRequeued():
            return f"{_tasks(ids, (row[0] for row in event.tasks))} will be tried again"
        case ev.TasksAbandoned():
            return f"the remaining tasks were given up: {event.why}"
        case ev.OffersListed():
            return f"the provider offers {_counted(len(event.offers), 'node')}"
        case ev.OffersFailed():
            return f"the provider did not list its nodes: {event.why}"
        case ev.NodesOrdered():
            return f"{_counted(sum(row[1] for row in event.rows), 'node')} were asked for"
        case ev.NodesRefused():
            return f"{', '.join(map(node_name, event.nodes))} were not available: {event.why}"
        case ev.NodesDelayed():
            return f"{', '.join(map(node_name, event.nodes))} must wait: {event.why}"
        case ev.OutputsMerged() if event.why:
            return f"output files could not be copied: {event.why}"
        case _:
            return name_of(type(event)).replace("_", " ")


def _of_tasks(event: ev.NodeEvent, ids: TaskIds, name: str) -> str:
    match event:
        case ev.TasksAssigned():
            return f"{_tasks(ids, (row[0] for row in event.tasks))} sent to {name}"
        case ev.TasksStarted():
            return f"{_tasks(ids, (row[0] for row in event.tasks))} started on {name}"
        case ev.TasksFinished():
            return _ended(ids, event.records, name)
        case ev.TasksRecalled():
            return f"{_tasks(ids, (row[0] for row in event.tasks))} recalled from {name}"
        case ev.TasksReturned():
            which = _tasks(ids, (row[0] for row in event.tasks))
            return f"{which} returned from {name} without being started"
        case ev.TasksCollected():
            which, why = _tasks(ids, (row[0] for row in event.tasks)), event.why
            return f"output files of {which} were copied from {name}" + (
                f", not all: {why}" if why else ""
            )
        case _:
            return ""


def _ended(ids: TaskIds, records: Sequence[Ended], name: str) -> str:
    if len(records) == 1:
        one = records[0]
        code, signal = ended_by(one.exit)
        how = signal or f"exit code {code}"
        took = format_duration(max(one.ended - one.started, 0.0)) if one.started else "no time"
        told = ": ".join(filter(None, (worded(one.reason), one.tail)))
        which = f"task {ids.at(one.task)} ended on {name} with {how} after {took}"
        return f"{which}: {told}" if told else which
    bad = [record.task for record in records if record.exit or record.reason]
    text = f"{_tasks(ids, (record.task for record in records))} ended on {name}"
    return f"{text}; {len(bad)} of them failed" if bad else text


def _of_node(event: ev.NodeEvent, name: str) -> str:
    why = getattr(event, "why", "")
    match event:
        case ev.NodeWanted():
            return f"{name} was asked for"
        case ev.NodeCreated():
            return f"{name} was allocated and is being contacted"
        case ev.NodeGreeted():
            return f"{name} is ready with {_counted(event.slots, 'slot')}"
        case ev.NodeSilent():
            return f"the connection to {name} broke: {why}"
        case ev.NodeHeard():
            return f"{name} answers again"
        case ev.NodeRestarted():
            return f"the agent on {name} restarted"
        case ev.NodeNoticed() | ev.NodeEnds():
            return f"{name} will be reclaimed" + (f": {why}" if why else "")
        case ev.NodeDeleted():
            left = f"; {event.left}" if event.left else ""
            return f"{name} was released{left}"
        case ev.NodeReleased():
            return f"{name} is not needed any more: {why}"
        case ev.NodeLost() | ev.NodeVanished() | ev.NodeCreateFailed():
            return f"{name} was lost: {why}"
        case _:
            return f"{name}: {name_of(type(event)).replace('_', ' ')}"


def _tasks(ids: TaskIds, positions: Iterable[int]) -> str:
    known = [ids.at(position) for position in positions]
    text = compact(known)
    text = text if len(text) <= MOST_IDS else text[:MOST_IDS].rpartition(",")[0] + ",…"
    return f"task {text}" if len(known) == 1 else f"{len(known)} tasks ({text})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
