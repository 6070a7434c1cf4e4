"""Policy: the decisions that follow from a state. Each is an event, journaled like a fact.

Pure. `all_of` is a generator: the machine applies each decision before it asks for the
next, so later ones see what earlier ones did. Nothing here looks at every task, and only
rare things (a timer, a node that comes or goes) make it look at every node.
"""

from __future__ import annotations

from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final

from batchio.core import events as ev
from batchio.core.budget import run_out, within
from batchio.core.dispatch import horizon, window
from batchio.core.node import TWIN, NodeState
from batchio.core.plan import choose, least_nodes, orders, shortage
from batchio.core.retry import QUARANTINED_BY, SUSPECT_LOSSES, again, delay
from batchio.core.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.core.machine import Machine
    from batchio.core.node import Node

STUCK_S: Final = 1.0
"""Seconds without a report after which a node's queued tasks are recalled."""

REPLACED_IN_S: Final = 90.0
"""Seconds in which another node can be had for one whose time will be over."""

PENDING, ASSIGNED, RUNNING = TaskState.PENDING, TaskState.ASSIGNED, TaskState.RUNNING


def all_of(m: Machine, now: float, *, rang: bool) -> Iterator[ev.Event]:
    """Yield all decisions to take at `now` (Unix seconds); `rang`: a timer was due."""
    by_state = m.tasks.by_state
    if rang:
        yield from _deadlines(m, now)
        m.replan = True
    if m.unsettled:
        yield from _requeue(m, now)
    m.replan = m.queue.mature(now) or m.replan
    if m.ending:
        yield from _notice(m, now)
    if m.replan:
        yield from _take_nodes(m, now)
        yield from _abandon(m, now)
    if by_state[PENDING] and _open(m):
        yield from _assign_pinned(m, now)
        yield from _assign_suspects(m, now)
        yield from _assign_plain(m, now)
    if by_state[ASSIGNED]:
        yield from _recall(m, now)
    else:
        m.recall_at = inf
    if m.quarantined:
        yield from _quarantine(m, now)
    if m.idle:
        yield from _give_back(m, now)
    job = m.running_job
    if not m.undone and job.merges and job.fresh:
        yield ev.MergeBegan(now, job.merging + 1)
    if not m.undone and not m.held and not job.closed and not job.to_merge:
        yield ev.JobClosed(now, m.outcome.label)


def _requeue(m: Machine, now: float) -> Iterator[ev.Event]:
    spec, chosen = m.running_job.spec, []
    for task in sorted(m.unsettled):
        cause = again(spec, m.tasks, task)
        if cause:
            chosen.append([task, now + delay(spec, m.tasks, task, cause), str(cause)])
    m.unsettled.clear()
    if chosen:
        yield ev.TasksRequeued(now, chosen)


def _deadlines(m: Machine, now: float) -> Iterator[ev.Event]:
    job = m.running_job
    limit = job.spec.job_timeout
    over = limit and job.running and now >= job.running + limit
    if over and m.undone and not job.timed_out:
        yield ev.JobTimedOut(now)
    for node in m.nodes:
        deadline = node.deadline(job.spec.node_timeout, job.ready_limit, ended=job.cut_short)
        if deadline is None or now < deadline:
            continue
        why = f"{node.state} for {deadline - node.since:g} s"
        why += f": {node.why}" if node.why else ""
        if node.state is NodeState.READY:
            yield ev.NodeReleased(now, node.number, node.why)
        elif node.state is NodeState.WANTED:
            yield ev.NodeReleased(now, node.number, why)
        else:
            yield ev.NodeLost(now, node.number, why, final=False)


# --- nodes -------------------------------------------------------------------


def _notice(m: Machine, now: float) -> Iterator[ev.Event]:
    """Replace each node whose time will be over before a task sent there now could end."""
    for number in sorted(m.ending):
        node = m.nodes[number]
        lead = max(_lasts(m), REPLACED_IN_S)
        if node.ends - lead <= now:
            m.ending.discard(number)
            if not node.deadline_at:
                yield ev.NodeNoticed(now, number, node.ends, "its time is almost over")
        else:
            m.wake_at(node.ends - lead)


def _lasts(m: Machine) -> float:
    """Return how many seconds the next task will take; 0 when that is not known."""
    return m.running_job.spec.task_timeout or 0.0 if m.mean is None else m.mean


def _take_nodes(m: Machine, now: float) -> Iterator[ev.Event]:
    m.replan = False
    waiting = m.tasks.by_state[PENDING] - m.postponed
    if m.offers is None or waiting <= 0:
        m.resting = False
        return
    spec, nodes = m.running_job.spec, m.live - m.doomed
    need = shortage(spec, m.useful, m.capacity, nodes, dispatch_started=m.dispatch_started)
    need = need._replace(nodes=max(need.nodes, int(min(_cluster(m) - nodes, need.most))))
    if not need.slots and not need.nodes:
        m.resting = False
        return
    chosen, m.resting = choose(need, m.offers.values(), m.used, m.trouble, spec, now)
    taken = within(m, chosen, now)
    for rows in orders(taken, m.offers):
        yield ev.NodesOrdered(now, len(m.nodes), [[*row] for row in rows])
    yield from run_out(m, now, refused=bool(chosen) and not taken)


def _abandon(m: Machine, now: float) -> Iterator[ev.Event]:
    """Give up the pending tasks when no node is left to run them and none can be had."""
    if not m.tasks.by_state[PENDING]:
        return
    if m.offers is None:
        job = m.running_job
        if job.offers_why and not job.offers_again:
            yield ev.TasksAbandoned(now, job.offers_why)
        return
    least = _least(m)
    if m.live >= least:
        return
    hope = sum(
        offer.limit
        for offer in m.offers.values()
        if offer.id not in m.trouble or not m.trouble[offer.id].hopeless
    )
    if hope < least:
        yield ev.TasksAbandoned(now, _no_nodes(m, least))


def _cluster(m: Machine) -> int:
    """Return how many nodes --wait-for-ready-cluster waits for; 0: it does not, or not any more.

    They are those of the first orders, but a computer that was named twice is one.
    """
    if m.dispatch_started or not m.running_job.spec.wait_for_ready or not m.nodes:
        return 0
    first = sum(node.ordered == m.nodes[0].ordered for node in m.nodes)
    twins = sum(past.hopeless and TWIN in past.why for past in m.trouble.values())
    return max(first - twins, 1)


def _least(m: Machine) -> int:
    """Return how many nodes the job cannot do without from here on."""
    spec = m.running_job.spec
    if m.dispatch_started:
        leads = m.scheduler is not None and m.nodes[m.scheduler].leads
        return 1 + leads
    return least_nodes(spec) if spec.min_workers else max(least_nodes(spec), _cluster(m))


def _no_nodes(m: Machine, least: int) -> str:
    alike: dict[str, list[str]] = {}
    for name, past in m.trouble.items():
        alike.setdefault(past.why.removeprefix(f"{name}: "), []).append(name)
    said = "; ".join(f"{_few(names)}: {why}" for why, names in islice(alike.items(), 3))
    more = f"; {len(alike) - 3} more reasons" if len(alike) > 3 else ""
    need = f"fewer than {least} nodes were available" if least > 1 else "no node was available"
    hint = ""
    if _cluster(m) > 1 and m.ready and not m.running_job.spec.min_workers:
        hint = f"; to start without them: --min-workers {m.ready}"
    return f"{need} ({said}{more}){hint}" if said else need


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _quarantine(m: Machine, now: float) -> Iterator[ev.Event]:
    """Give up quarantined nodes once they are idle; never try an offer of one computer again."""
    for number in sorted(m.quarantined):
        node = m.nodes[number]
        if node.idle:
            offer = (m.offers or {}).get(node.offer)
            why = f"{len(node.suspicions)} different tasks could not run there"
            yield ev.NodeLost(now, number, why, final=offer is None or offer.single)


def _give_back(m: Machine, now: float) -> Iterator[ev.Event]:
    """Release idle nodes that are not needed: first those not ready yet, the newest first.

    As many nodes stay as would be ordered. Slots of silent nodes do not count here: they may
    be lost.
    """
    if not m.undone:
        for number in list(m.idle):
            yield ev.NodeReleased(now, number, "the job is over")
        return
    if m.doomed:
        for number in [n for n in m.idle if m.nodes[n].deadline_at]:
            yield ev.NodeReleased(now, number, m.nodes[number].why)
    spec = m.running_job.spec
    if spec.wait_for_ready or m.queue.first(m.queue.suspects, inf) is not None:
        return
    surplus = m.capacity - m.silent - m.useful
    if surplus <= 0:
        return
    spare = m.live - m.doomed - (0 if m.dispatch_started else least_nodes(spec))
    pinned = m.tasks.by_state[PENDING] and m.queue.pins
    for node in sorted((m.nodes[number] for number in m.idle), key=_readiness):
        if spare <= 0 or surplus <= 0:
            return
        if node.state is NodeState.SILENT or not 0 < node.weight <= surplus:
            continue
        if pinned and node.number == m.scheduler:
            continue
        surplus, spare = surplus - node.weight, spare - 1
        yield ev.NodeReleased(now, node.number, "there is no work left for it")


def _readiness(node: Node) -> tuple[int, int]:
    """Return the sort key of nodes to release: those furthest from doing work come first."""
    return _AWAY.get(node.state, len(_AWAY)), -node.number


_AWAY: Final = {NodeState.WANTED: 0, NodeState.BOOTING: 1}


# --- tasks -------------------------------------------------------------------


def _open(m: Machine) -> bool:
    """Return whether tasks may be sent to nodes: once enough nodes are ready for the first."""
    if m.dispatch_started:
        return True
    spec = m.running_job.spec
    if m.ready < least_nodes(spec):
        return False
    return not spec.wait_for_ready or not (m.live > m.ready or m.resting)


def _assign_pinned(m: Machine, now: float) -> Iterator[ev.Event]:
    """Assign the tasks that must run on the scheduler's node, before all others."""
    if m.scheduler is None:
        return
    node = m.nodes[m.scheduler]
    while (task := m.queue.first(m.queue.pinned, now)) is not None:
        room = 1 if m.tasks.losses[task] >= SUSPECT_LOSSES else node.slots
        if not _usable(node) or len(node.active) >= room:
            return
        yield _assigned(m, now, node, [task])


def _assign_suspects(m: Machine, now: float) -> Iterator[ev.Event]:
    """Assign each task under which nodes were lost to an empty node; keep one free for it."""
    while (task := m.queue.first(m.queue.suspects, now)) is not None:
        node = _quietest(m)
        m.reserved = None if node is None else node.number
        if node is None or node.active:
            return
        yield _assigned(m, now, node, [task])
    if m.reserved is not None:
        m.has_room(m.nodes[m.reserved])
        m.reserved = None


def _quietest(m: Machine) -> Node | None:
    """Return a usable node without tasks; else the reserved one; else the one with the fewest
    tasks; None when no node is usable."""
    empty = (m.nodes[number] for number in m.idle)
    fit = next(filter(_usable, empty), None)
    if fit is not None:
        return fit
    if m.reserved is not None and _usable(m.nodes[m.reserved]):
        return m.nodes[m.reserved]
    usable = filter(_usable, m.nodes)
    return min(usable, key=lambda node: (len(node.active), node.number), default=None)


def _assign_plain(m: Machine, now: float) -> Iterator[ev.Event]:
    """Assign tasks that may run anywhere, to each node its share, until tasks or room run out."""
    queue, by_state, most = m.queue, m.tasks.by_state, m.running_job.spec.at_once
    mean = m.mean if most is None else None  # a queued one counts as one at a time
    horizon_s = horizon(m.write_s)
    while m.maybe_free:
        for left in range(len(m.maybe_free), 0, -1):
            ready = queue.plain(now)
            if most is not None:
                ready = min(ready, most - by_state[ASSIGNED] - by_state[RUNNING])
            if ready <= 0:
                return
            node = m.nodes[m.maybe_free[0]]
            room = _room(m, node, window(node.slots, mean, ready, m.live, horizon_s), now)
            chosen = queue.pop(min(room, -(-ready // left)), now)
            if room > 0 and not chosen:
                return
            m.maybe_free.popleft()
            node.maybe_free = False
            if chosen:
                yield _assigned(m, now, node, chosen)
            if room > len(chosen):
                m.has_room(node)


def _room(m: Machine, node: Node, most: int, now: float) -> int:
    """Return how many more tasks the node may hold; `most` is all that it may hold."""
    if not _usable(node) or node.number == m.reserved:
        return 0
    if node.ends and now + _lasts(m) > node.ends:
        return 0
    if node.number == m.scheduler and m.queue.first(m.queue.pinned, now) is not None:
        return 0
    return max(most - len(node.active), 0)


def _usable(node: Node) -> bool:
    """Return whether more tasks may go to the node beside those it has."""
    return (
        node.state is NodeState.READY
        and not node.alone
        and not node.leads
        and not node.deadline_at
        and len(node.suspicions) < QUARANTINED_BY
    )


def _assigned(m: Machine, now: float, node: Node, chosen: list[int]) -> ev.TasksAssigned:
    attempt = m.tasks.attempt
    return ev.TasksAssigned(now, node.number, [[task, attempt[task]] for task in chosen])


def _recall(m: Machine, now: float) -> Iterator[ev.Event]:
    """Ask for tasks queued behind long ones, when others have slots to spare.

    Looks at all nodes, but at most once in STUCK_S.
    """
    if m.queue.plain(now):
        m.recall_at = inf
        return
    if now < m.recall_at:
        m.recall_at = min(m.recall_at, now + STUCK_S)
        return
    m.recall_at = now + STUCK_S
    spare = sum(
        max(node.slots - len(node.active), 0)
        for node in m.nodes
        if _usable(node) and node.number != m.reserved
    )
    for node in m.nodes:
        queued = _stuck(m, node, spare, now) if spare > 0 else []
        if queued:
            spare -= len(queued)
            yield ev.TasksRecalled(now, node.number, queued)


def _stuck(m: Machine, node: Node, spare: int, now: float) -> list[list[int]]:
    """Return up to `spare` queued tasks, `[task, attempt]`, of a node that has reported
    nothing for STUCK_S, or that will be taken from us."""
    beyond = len(node.active) - node.slots - len(node.recalled)
    stuck = node.deadline_at > 0 or (beyond > 0 and now >= node.fed + STUCK_S)
    if node.state is not NodeState.READY or not stuck:
        return []
    tasks = m.tasks
    queued = [
        [task, tasks.attempt[task]]
        for task in sorted(node.active - node.recalled, reverse=True)
        if tasks.state[task] == ASSIGNED
    ]
    return queued[: spare if node.deadline_at else min(spare, beyond)]
