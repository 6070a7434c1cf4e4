"""How events about a node change the machine, and what a node needs done. Pure.

The node's own table (`node.step`) comes first; here stands what follows from it for the
sums, for the tasks on the node, and for the scheduler's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.fold_job import watch_job, watch_node
from batchio.core.node import LEAVING, Node, NodeState, step
from batchio.core.plan import Trouble
from batchio.core.task import Outcome, TaskFact
from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchio.core.machine import Machine


def on_wanted(m: Machine, event: ev.NodeWanted) -> bool:
    if event.node != len(m.nodes):
        raise IllegalEvent(f"node {event.node} wanted, {len(m.nodes)} expected")
    job = m.running_job
    job.provisioning = job.provisioning or event.at
    node = Node(event.node, event.offer, since=event.at)
    m.nodes.append(node)
    m.live += 1
    m.held += 1
    m.capacity += 1
    m.used[node.offer] = m.used.get(node.offer, 0) + 1
    m.idle[node.number] = None
    watch_node(m, node)
    m.emit(*under_way(m, node))
    return True


def on_node(m: Machine, event: ev.NodeEvent) -> bool:
    """Everything else about a node."""
    node = m.node(event.node)
    was, slots = node.state, node.slots or 1
    if not step(node, event):
        return False
    if node.state is not was:
        _count(m, node, was, slots)
        watch_node(m, node)
    if node.state is NodeState.READY:
        m.has_room(node)
    match event:
        case ev.NodeCreateFailed() | ev.NodeLost():
            past = m.trouble.setdefault(node.offer, Trouble())
            past.add(event.at, event.why, final=event.final)
            m.wake_at(past.not_before)
        case ev.NodeGreeted():
            _greeted(m, node)
        case _:
            pass
    if isinstance(event, ev.NodeRestarted):
        _lose(m, node, node.active, "its agent was restarted")
    elif not node.alive:
        _lose(m, node, node.active | node.collecting, node.why)
        _elect(m, node)
    m.emit(*_newly_due(m, node))
    return True


def _count(m: Machine, node: Node, was: NodeState, slots: int) -> None:
    """Keep the sums; `slots` is what it counted for before."""
    m.ready += (node.state is NodeState.READY) - (was is NodeState.READY)
    m.held -= node.state is NodeState.GONE
    m.replan = True
    if node.alive:
        m.capacity += (node.slots or 1) - slots
    elif was not in LEAVING:
        m.live -= 1
        m.capacity -= slots
        m.used[node.offer] -= 1
        m.idle.pop(node.number, None)
        m.quarantined.discard(node.number)


def _greeted(m: Machine, node: Node) -> None:
    job = m.running_job
    m.trouble.pop(node.offer, None)
    if m.scheduler is None:
        m.scheduler = node.number
    if not job.running:
        job.running = node.greeted
        watch_job(m)


def _lose(m: Machine, node: Node, lost: set[int], why: str) -> None:
    """Attempts that died with the node or its agent: each waits for a decision."""
    tasks = m.tasks
    for task in sorted(lost):
        tasks.move(task, TaskFact.NODE_LOST)
        stopping = tasks.stopping[task]
        tasks.settle(task, Outcome(stopping) if stopping else Outcome.LOST)
        tasks.reasons[task] = why
        m.unsettled.add(task)
    node.collecting -= lost
    node.active.clear()
    node.recalled.clear()
    node.alone = False
    if node.alive and node.idle:
        m.idle[node.number] = None


def _elect(m: Machine, leaving: Node) -> None:
    """The scheduler stays while it lives; then the next node that has greeted is it.

    Nodes leave in order when a job ends, so the search begins behind the one that leaves.
    """
    if m.scheduler != leaving.number:
        return
    count = len(m.nodes)
    after = (m.nodes[(leaving.number + step) % count] for step in range(1, count))
    follower = next((node for node in after if node.alive and node.greeted), None)
    m.scheduler = None if follower is None else follower.number


# --- what a node needs done --------------------------------------------------


def under_way(m: Machine, node: Node) -> Iterator[ef.Effect]:
    """All that a node in this state needs done; it stays connected from BOOTING on."""
    if node.state in (NodeState.WANTED, NodeState.UNWANTED):
        yield ef.CreateNode(node.number, node.offer, f"{m.running_job.id}-{node.number}")
    elif node.handle is not None and node.state in (NodeState.READY, NodeState.SILENT):
        yield _connect(node, node.handle)
    yield from _newly_due(m, node)


def _newly_due(m: Machine, node: Node) -> Iterator[ef.Effect]:
    """What it needs done on entering its state.

    SILENT: nothing, it is told everything once it is heard.
    """
    match node.state:
        case NodeState.BOOTING if node.handle is not None:
            yield _connect(node, node.handle)
        case NodeState.READY:
            yield from _tell(m, node)
        case NodeState.DRAINING if node.handle is not None:
            yield ef.DeleteNode(node.number, node.handle)
        case _:
            pass


def _connect(node: Node, handle: str) -> ef.ConnectNode:
    return ef.ConnectNode(node.number, handle, str(node.facts.get("instance", "")))


def _tell(m: Machine, node: Node) -> Iterator[ef.Effect]:
    """What its agent should know; told whole after each silence. A recall is forgotten.

    Attempts to be stopped are started first: an agent that never heard of one would
    ignore the stop, and nobody would ever say that it has ended.
    """
    tasks, active = m.tasks, sorted(node.active)
    if active:
        yield ef.StartTasks(node.number, [[t, tasks.attempt[t]] for t in active])
    for outcome in Outcome:
        pairs = [[t, tasks.attempt[t]] for t in active if tasks.stopping[t] == outcome]
        if outcome and pairs:
            yield ef.StopTasks(node.number, pairs, outcome.label)
    if node.collecting:
        pairs = [[t, tasks.attempt[t]] for t in sorted(node.collecting)]
        yield ef.CollectOutputs(node.number, pairs)


FOLDS: Final[dict[type[ev.Event], Callable[[Machine, Any], bool]]] = {
    ev.NodeWanted: on_wanted,
    **dict.fromkeys(
        (
            ev.NodeCreated, ev.NodeCreateFailed, ev.NodeGreeted, ev.NodeSilent, ev.NodeHeard,
            ev.NodeRestarted, ev.NodeLost, ev.NodeReleased, ev.NodeDeleted,
        ),
        on_node,
    ),
}  # fmt: skip
