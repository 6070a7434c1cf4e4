"""What pending tasks wait for, in sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core.node import NodeState
from batchio.core.sizes import format_duration
from batchio.core.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.core.machine import Machine


def waiting_for(m: Machine, now: float) -> Iterator[str]:
    """Yield what pending tasks in general wait for; nothing when none is pending."""
    pending = m.tasks.by_state[TaskState.PENDING]
    if not pending:
        return
    line = closed(m, now) or no_room(m)
    if line:
        yield line
    due = m.queue.next_due()
    if due is not None and due > now:
        yield f"The next retry starts in {_in(due - now)}."


def closed(m: Machine, now: float) -> str:
    """Return why no task may be sent to nodes yet; "" when tasks may be sent."""
    spec = m.running_job.spec
    ready = sum(node.state is NodeState.READY for node in m.nodes)
    if m.offers is None:
        line = f"It waits for the {spec.provider} provider to list its nodes"
        if not (why := m.running_job.offers_why):
            return f"{line}."
        return f"{line}: {why}; it will be asked again in {_in(m.running_job.offers_again - now)}."
    if not ready:
        return "It waits for a node to be ready."
    if m.dispatch_started:
        return ""
    if spec.min_workers and ready < spec.min_workers:
        return f"It waits for {spec.min_workers} nodes (--min-workers); {ready} are ready."
    if spec.wait_for_ready:
        return (
            f"It waits for the whole cluster to be ready (--wait-for-ready-cluster); "
            f"{ready} of {m.live} nodes are."
        )
    return ""


def no_room(m: Machine) -> str:
    spec, tasks = m.running_job.spec, m.tasks
    under_way = tasks.by_state[TaskState.ASSIGNED] + tasks.by_state[TaskState.RUNNING]
    if spec.at_once is not None and under_way >= spec.at_once:
        return f"It waits for one of {under_way} to end: --array allows {spec.at_once} at a time."
    ready = [node for node in m.nodes if node.state is NodeState.READY]
    slots = sum(node.slots for node in ready)
    if under_way >= slots:
        where = f"{len(ready)} node{'' if len(ready) == 1 else 's'}"
        return f"It waits for a free slot: all {slots} on {where} are taken."
    return ""


def _in(seconds: float) -> str:
    return format_duration(max(seconds, 0.0))
