"""Folds of events about the job as a whole into the machine. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.dispatch import Queue, pinned
from batchio.core.job import Job
from batchio.core.plan import Offer
from batchio.core.sizes import format_dollars
from batchio.core.spec import JobSpec
from batchio.core.task import Outcome, TaskFact, Tasks, TaskState
from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchio.core.machine import Machine
    from batchio.core.node import Node


def on_submitted(m: Machine, event: ev.JobSubmitted) -> bool:
    if m.job is not None:
        raise IllegalEvent(f"job {m.job.id} was submitted already")
    spec = JobSpec.from_json(event.spec)
    m.job = Job(id=event.job, spec=spec, submitted=event.at)
    m.tasks = Tasks(len(spec.tasks))
    m.queue = Queue(m.tasks, pinned(spec))
    m.emit(ef.ListOffers())
    return True


def on_head(m: Machine, event: ev.HeadStarted) -> bool:
    job = m.running_job
    job.epoch, job.head = event.epoch, event.kind
    job.boot, job.booted = event.boot, event.booted
    m.running_job.blocked.clear()  # it will hear, or see for itself
    return True


def on_noted(m: Machine, event: ev.Noted) -> bool:
    if event.node != -1:
        m.node(event.node)
    m.notes.append((event.at, event.text))
    if event.waits:
        m.running_job.blocked[str(event.node)] = event.text
    elif event.waits is False:
        m.running_job.blocked.pop(str(event.node), None)
    return True


def on_taken(m: Machine, event: ev.RequestTaken) -> bool:
    m.taken.add(event.name)
    return True


def on_offers(m: Machine, event: ev.OffersListed) -> bool:
    """Keep the first list of offers: a repeated order must be the same as the first one."""
    if m.offers is not None:
        return False
    listed = map(Offer.from_json, event.offers)
    m.offers = {offer.id: offer for offer in listed}
    m.running_job.rents = any(offer.rented for offer in m.offers.values())
    m.running_job.offers_why = ""
    m.replan = True
    return True


def on_offers_failed(m: Machine, event: ev.OffersFailed) -> bool:
    if m.offers is not None:
        return False
    m.running_job.offers_why, m.running_job.offers_again = event.why, event.again
    m.replan = True
    return True


def on_cancel(m: Machine, event: ev.CancelRequested) -> bool:
    if event.tasks is not None:
        return end_tasks(m, event.tasks, Outcome.CANCELLED, event.why)
    return _end_job(m, Outcome.CANCELLED, event.why)


def on_timeout(m: Machine, event: ev.JobTimedOut) -> bool:
    return _end_job(m, Outcome.TIMED_OUT, "the job reached its --job-timeout")


def on_money_gone(m: Machine, event: ev.MoneyGone) -> bool:
    limit, spent = format_dollars(event.limit), format_dollars(event.spent)
    why = f"the job reached its --max-cost of {limit}: {spent} spent, the rest kept in reserve"
    return _end_job(m, Outcome.TIMED_OUT, why)


def on_abandoned(m: Machine, event: ev.TasksAbandoned) -> bool:
    return _end_job(m, Outcome.LOST, event.why)


def on_merge_began(m: Machine, event: ev.MergeBegan) -> bool:
    job = m.running_job
    job.merging, job.fresh = event.number, False
    m.emit(ef.MergeOutputs(event.number))
    return True


def on_merged(m: Machine, event: ev.OutputsMerged) -> bool:
    job = m.running_job
    if event.number <= job.merged:
        return False
    job.merged = event.number
    if event.why and not job.fresh:
        job.unmerged = event.why
        m.notes.append((event.at, event.why))
    return True


def on_closed(m: Machine, event: ev.JobClosed) -> bool:
    m.running_job.closed = event.at
    return True


def _end_job(m: Machine, outcome: Outcome, why: str) -> bool:
    """End every task that has not ended, and note why the job ended early."""
    job = m.running_job
    if not m.undone and not m.unsettled:
        return False
    job.cancelled = job.cancelled or outcome is Outcome.CANCELLED
    job.timed_out = job.timed_out or outcome is Outcome.TIMED_OUT
    job.why = job.why or why
    end_tasks(m, range(m.tasks.count), outcome, why)
    for node in m.nodes:
        watch_node(m, node)
    return True


def end_tasks(m: Machine, which: Iterable[int], outcome: Outcome, why: str) -> bool:
    """Stop tasks: pending ones at once, active ones through their node; return if any changed.

    A task that has just ended, or whose files are being downloaded, only gets no new attempt.

    Raises:
        IllegalEvent: there is no such task.
    """
    tasks, stops = m.tasks, dict[int, list[list[int]]]()
    changed = False
    for task in which:
        if not 0 <= task < tasks.count:
            raise IllegalEvent(f"task {task} cannot end: there are {tasks.count}")
        state = tasks.state[task]
        if state == TaskState.DONE:
            changed = changed or task in m.unsettled
            m.unsettled.discard(task)
        elif state == TaskState.PENDING:
            tasks.move(task, TaskFact.DROPPED)
            tasks.set_outcome(task, outcome)
            tasks.reasons[task] = why
            m.queue.drop(task)
            changed = True
        elif not tasks.stopping[task]:
            tasks.stopping[task] = outcome
            changed = True
            if state != TaskState.COLLECTING:
                pair = [task, tasks.attempt[task]]
                stops.setdefault(tasks.node[task], []).append(pair)
    for number, pairs in stops.items():
        m.emit(ef.StopTasks(number, pairs, outcome.label))
    return changed


def reopen(m: Machine, at: float, *, over: bool) -> None:
    """Open the job again, as some tasks are to run again: forget what ended it before.

    `over`: every task had ended, so the job timeout counts anew, from `at` (Unix seconds).
    """
    job = m.running_job
    if over or job.closed or job.cancelled or job.timed_out:
        job.running = at if any(node.alive and node.greeted for node in m.nodes) else 0.0
        watch_job(m)
    job.closed, job.cancelled, job.timed_out, job.why = 0.0, False, False, ""
    job.fresh, job.unmerged = True, ""
    m.trouble.clear()
    if job.offers_why and not job.offers_again:
        job.offers_why = ""
        m.emit(ef.ListOffers())
    for node in m.nodes:
        watch_node(m, node)


def watch_node(m: Machine, node: Node) -> None:
    """Set a timer for the time at which the node is given up if its state does not change."""
    job = m.running_job
    deadline = node.deadline(job.spec.node_timeout, job.ready_limit, ended=job.cut_short)
    if deadline is not None:
        m.wake_at(deadline)


def watch_job(m: Machine) -> None:
    """Set a timer for the job's timeout."""
    job = m.running_job
    if job.running and job.spec.job_timeout:
        m.wake_at(job.running + job.spec.job_timeout)


FOLDS: Final[dict[type[ev.Event], Callable[[Machine, Any], bool]]] = {
    ev.JobSubmitted: on_submitted,
    ev.HeadStarted: on_head,
    ev.Noted: on_noted,
    ev.RequestTaken: on_taken,
    ev.OffersListed: on_offers,
    ev.OffersFailed: on_offers_failed,
    ev.CancelRequested: on_cancel,
    ev.JobTimedOut: on_timeout,
    ev.MoneyGone: on_money_gone,
    ev.TasksAbandoned: on_abandoned,
    ev.JobClosed: on_closed,
    ev.MergeBegan: on_merge_began,
    ev.OutputsMerged: on_merged,
}
