"""Folds of events about tasks into the machine. Pure.

These run once for each task of a job: nothing here looks at all nodes or all tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.cost import attempt_cost
from batchio.core.fold_job import reopen
from batchio.core.retry import NODE_FAULT, QUARANTINED_BY, SUSPECT_LOSSES, Cause, verdict
from batchio.core.task import Outcome, TaskFact
from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.machine import Machine
    from batchio.core.node import Node

MEAN_WEIGHT: Final = 0.05
"""Weight of one finished task in the running mean of durations."""


def on_assigned(m: Machine, event: ev.TasksAssigned) -> bool:
    node, tasks = m.node(event.node), m.tasks
    attempts, losses, drop = tasks.attempt, tasks.losses, m.queue.drop
    for task, attempt in event.tasks:
        if attempt != attempts[task]:
            raise IllegalEvent(f"task {task}: attempt {attempt} was assigned")
        tasks.move(task, TaskFact.ASSIGNED)
        tasks.node[task] = event.node
        node.active.add(task)
        drop(task)
        if losses[task] >= SUSPECT_LOSSES:
            node.alone = True
            m.reweigh(node)
    node.fed = event.at
    m.idle.pop(event.node, None)
    m.dispatch_started = True
    m.emit(ef.StartTasks(event.node, event.tasks))
    return True


def on_started(m: Machine, event: ev.TasksStarted) -> bool:
    tasks, changed = m.tasks, False
    for task, attempt, at in event.tasks:
        if tasks.current(task, attempt, event.node) and tasks.move(task, TaskFact.STARTED):
            tasks.started[task] = at
            m.nodes[event.node].recalled.discard(task)
            changed = True
    return changed


def on_finished(m: Machine, event: ev.TasksFinished) -> bool:
    node, tasks = m.node(event.node), m.tasks
    collect: list[list[int]] = []
    changed = False
    for record in event.records:
        task = record.task
        if not tasks.current(task, record.attempt, event.node):
            continue
        if not tasks.move(task, TaskFact.LEFT_OUTPUTS if record.files else TaskFact.FINISHED):
            continue
        changed = True
        tasks.set_result(record)
        _measure(m, record.ended - record.started)
        _remove_from_node(m, node, task)
        node.ended += 1
        if record.files:
            node.collecting.add(task)
            collect.append([task, record.attempt])
        else:
            _conclude(m, node, task, record.ended)
    if changed:
        node.fed = event.at
        _freed(m, node)
    m.emit(ef.AckResults(event.node, event.seq))
    if collect:
        m.emit(ef.CollectOutputs(event.node, collect))
    return changed


def on_collected(m: Machine, event: ev.TasksCollected) -> bool:
    node, tasks = m.node(event.node), m.tasks
    changed = False
    for task, attempt in event.tasks:
        if not tasks.current(task, attempt, event.node):
            continue
        if not tasks.move(task, TaskFact.COLLECTED):
            continue
        changed = True
        node.collecting.discard(task)
        tasks.coming.pop(task, None)
        if event.why:
            tasks.reasons[task] = event.why
            tasks.files[task] = 0
            # Unless it left what it may not, the program did its part, and its node did not.
            bad = Outcome.FAILED if event.blame == ev.TASK else Outcome.LOST
            tasks.set_outcome(task, Outcome(tasks.stopping[task] or bad))
            m.unsettled.add(task)
            m.endings.add(tasks, task, event.at, attempt_cost(m, task))
        else:
            _conclude(m, node, task, event.at)
    _freed(m, node)
    m.emit(ef.DiscardOutputs(event.node, event.tasks))
    return changed


def on_recalled(m: Machine, event: ev.TasksRecalled) -> bool:
    m.node(event.node).recalled.update(task for task, _ in event.tasks)
    m.emit(ef.RecallTasks(event.node, event.tasks))
    return True


def on_returned(m: Machine, event: ev.TasksReturned) -> bool:
    """Put returned tasks back in the queue, if they were recalled on this connection.

    After a new connection the agent was told to start them again.
    """
    node, tasks = m.node(event.node), m.tasks
    changed = False
    for task, attempt in event.tasks:
        if task not in node.recalled or not tasks.current(task, attempt, event.node):
            continue
        if not tasks.move(task, TaskFact.RETURNED):
            continue
        changed = True
        tasks.node[task] = -1
        _remove_from_node(m, node, task)
        if tasks.stopping[task]:
            tasks.move(task, TaskFact.DROPPED)
            tasks.set_outcome(task, Outcome(tasks.stopping[task]))
        else:
            m.queue.add(task)
    if changed:
        m.replan = True
        _freed(m, node)
    return changed


def on_requeued(m: Machine, event: ev.TasksRequeued) -> bool:
    tasks, changed = m.tasks, False
    for task, not_before, cause in event.tasks:
        undone = m.undone
        if not tasks.move(task, TaskFact.REQUEUED):
            continue
        if cause == Cause.USER:
            tasks.failures[task] += 1
        elif cause == Cause.INFRA:
            tasks.losses[task] += 1
        else:
            tasks.failures[task] = tasks.losses[task] = 0
            reopen(m, event.at, over=not undone)
        m.endings.forget(task, attempt_cost(m, task))
        tasks.renew(task)
        m.unsettled.discard(task)
        m.queue.add(task, not_before)
        m.replan = changed = True
    return changed


def _conclude(m: Machine, node: Node, task: int, at: float) -> None:
    """Give a task its outcome, once its process ended and no files are left to download.

    `at`: Unix seconds at which that was.
    """
    tasks = m.tasks
    reason = tasks.reasons.get(task, "")
    outcome = verdict(tasks.exit[task], reason, tasks.stopping[task])
    tasks.set_outcome(task, outcome)
    m.endings.add(tasks, task, at, attempt_cost(m, task))
    if outcome is Outcome.SUCCEEDED:
        return
    m.unsettled.add(task)
    if reason == NODE_FAULT:
        node.suspicions.add(task)
        if len(node.suspicions) >= QUARANTINED_BY and node.alive:
            m.quarantined.add(node.number)
            m.reweigh(node)


def _remove_from_node(m: Machine, node: Node, task: int) -> None:
    node.active.discard(task)
    node.recalled.discard(task)
    if node.alone and not node.active:
        node.alone = False
        m.reweigh(node)


def _freed(m: Machine, node: Node) -> None:
    """Tell the dispatcher that tasks left the node, so that it may have room or be idle."""
    if node.alive:
        m.has_room(node)
        if node.idle:
            m.idle[node.number] = None


def _measure(m: Machine, seconds: float) -> None:
    seconds = max(seconds, 0.0)
    m.mean = seconds if m.mean is None else m.mean + (seconds - m.mean) * MEAN_WEIGHT


FOLDS: Final[dict[type[ev.Event], Callable[[Machine, Any], bool]]] = {
    ev.TasksAssigned: on_assigned,
    ev.TasksStarted: on_started,
    ev.TasksFinished: on_finished,
    ev.TasksRecalled: on_recalled,
    ev.TasksReturned: on_returned,
    ev.TasksCollected: on_collected,
    ev.TasksRequeued: on_requeued,
}
