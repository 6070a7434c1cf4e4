"""Folds of events about nodes into the machine, and the effects a node needs. Pure.

The node's own table (`node.step`) comes first; here stands what follows from it for the
sums, for the tasks on the node, and for the scheduler's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.cost import attempt_cost
from batchio.core.dispatch import keeps_away
from batchio.core.fold_job import watch_job, watch_node
from batchio.core.node import EDGES, LEAVING, Node, NodeState, step
from batchio.core.plan import RENTED_PATIENCE_S, Trouble, expected_slots
from batchio.core.task import Outcome, TaskFact
from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchio.core.machine import Machine


MOST_ORDERED: Final = 1_000_000
"""Most nodes of one offer in one order; a larger number in a journal is damage."""

ANSWER_S: Final = 60.0
"""Seconds a provider may take to answer once it is asked again."""


def on_ordered(m: Machine, event: ev.NodesOrdered) -> bool:
    if event.first != len(m.nodes):
        raise IllegalEvent(f"nodes from {event.first} on ordered, {len(m.nodes)} expected")
    if any(not 0 < count <= MOST_ORDERED for _, count, _ in event.rows):
        raise IllegalEvent(f"an order of {event.rows} nodes")
    job = m.running_job
    job.provisioning = job.provisioning or event.at
    m.orders[event.first] = event.rows
    for offer, count, slots in event.rows:
        known = (m.offers or {}).get(offer)
        single = known is not None and known.single
        for number in range(len(m.nodes), len(m.nodes) + count):
            node = Node(
                number,
                offer,
                event.at,
                single=single,
                order=event.first,
                ordered=event.at,
                expected=slots,
            )
            m.nodes.append(node)
            m.idle[number] = None
            m.reweigh(node)
            watch_node(m, node)
        m.live += count
        m.held += count
        m.used[offer] = m.used.get(offer, 0) + count
    m.emit(_order(m, event.first))
    return True


def on_wanted(m: Machine, event: ev.NodeWanted) -> bool:
    """Fold an order of one node, as journals of earlier versions have it."""
    offer = (m.offers or {}).get(event.offer)
    slots = expected_slots(m.running_job.spec, offer) if offer else 1
    return on_ordered(m, ev.NodesOrdered(event.at, event.node, [[event.offer, 1, slots]]))


def on_node(m: Machine, event: ev.NodeEvent) -> bool:
    """Fold any event of a node's table (`node.EDGES`)."""
    node = m.node(event.node)
    was, offer, doomed = node.state, node.offer, node.doomed
    if not step(node, event):
        return False
    m.doomed += node.doomed - doomed
    _count(m, node, was, offer)
    watch_node(m, node)
    if node.state is NodeState.READY:
        m.has_room(node)
    match event:
        case ev.NodeCreateFailed():
            _failed(m, node.offer, event)
        case ev.NodeLost() if not node.greeted or event.final or _alone(m, node.offer):
            # That of many that had worked is no fault of the offer.
            _failed(m, node.offer, event)
        case ev.NodeCreated() if (past := m.trouble.get(node.offer)) and not past.failures:
            del m.trouble[node.offer]  # it only had not answered
        case ev.NodeGreeted():
            _greeted(m, node)
        case ev.NodeEnds():
            m.ending.add(node.number)
            m.wake_at(event.at)
        case _:
            pass
    if isinstance(event, ev.NodeRestarted):
        _lose(m, node, node.active, "its agent was restarted", event.at)
        m.running_job.blocked.pop(str(node.number), None)
    elif not node.alive:
        _lose(m, node, node.active | node.collecting, node.why, event.at)
        _elect(m, node)
        m.running_job.blocked.pop(str(node.number), None)
    if not isinstance(event, (ev.NodeNoticed, ev.NodeEnds)):
        m.emit(*_newly_due(m, node))
    return True


def on_refused(m: Machine, event: ev.NodesRefused) -> bool:
    """Fold a refusal of nodes; it is one failure of the offer, however many nodes it is about."""
    changed = False
    for number in event.nodes:
        node = m.node(number)
        was = node.state
        if step(node, ev.NodeCreateFailed(event.at, number, event.why, event.final)):
            changed = True
            _count(m, node, was, node.offer)
    if changed:
        _failed(m, event.offer, event)
    return changed


def on_delayed(m: Machine, event: ev.NodesDelayed) -> bool:
    changed = False
    for number in event.nodes:
        node = m.node(number)
        if node.state not in (NodeState.WANTED, NodeState.UNWANTED, NodeState.DRAINING):
            continue
        changed = True
        node.delayed, node.again = event.why, event.again
        if node.state is not NodeState.DRAINING:  # nothing more is asked of it meanwhile
            past = _trouble(m, node.offer)
            past.rest(event.again + ANSWER_S, event.why)
            m.wake_at(past.not_before)
    return changed


def _trouble(m: Machine, offer: str) -> Trouble:
    rented = (m.offers or {}).get(offer)
    patience = RENTED_PATIENCE_S if rented and rented.rented else 0.0
    return m.trouble.setdefault(offer, Trouble(patience=patience))


def _failed(
    m: Machine, offer: str, event: ev.NodeCreateFailed | ev.NodeLost | ev.NodesRefused
) -> None:
    past = _trouble(m, offer)
    past.add(event.at, event.why, final=event.final)
    m.wake_at(past.not_before)


def _alone(m: Machine, offer: str) -> bool:
    """Return whether the offer is one single computer, so that losing it is the offer's failure."""
    known = (m.offers or {}).get(offer)
    return known is None or known.single


def _count(m: Machine, node: Node, was: NodeState, offer: str) -> None:
    """Bring the machine's sums up to date; `was` and `offer` are the node's earlier values."""
    m.reweigh(node)
    if node.offer != offer and was not in LEAVING:
        m.used[offer] -= 1
        m.used[node.offer] = m.used.get(node.offer, 0) + 1
    if node.state is was:
        return
    m.ready += (node.state is NodeState.READY) - (was is NodeState.READY)
    m.held -= node.state is NodeState.GONE
    m.replan = True
    if not node.alive and was not in LEAVING:
        m.live -= 1
        m.used[node.offer] -= 1
        m.idle.pop(node.number, None)
        m.quarantined.discard(node.number)
        m.ending.discard(node.number)


def _greeted(m: Machine, node: Node) -> None:
    job = m.running_job
    if _alone(m, node.offer):
        m.trouble.pop(node.offer, None)
    elif past := m.trouble.get(node.offer):
        past.note_success()
    if m.scheduler is None:
        _lead(m, node)
    if not job.running:
        job.running = node.greeted
        watch_job(m)


def _lead(m: Machine, node: Node) -> None:
    """Make it the scheduler's node; where tasks keep away from that, it gets no more of them.

    The last node that is left leads, and works on: nobody else could end the job.
    """
    m.scheduler = node.number
    node.leads = keeps_away(m.running_job.spec) and not (m.dispatch_started and m.live < 2)
    m.reweigh(node)


def _lose(m: Machine, node: Node, lost: set[int], why: str, at: float) -> None:
    """Mark attempts as lost that died with the node or its agent; `decide` says what follows."""
    tasks = m.tasks
    for task in sorted(lost):
        tasks.move(task, TaskFact.NODE_LOST)
        stopping = tasks.stopping[task]
        tasks.set_outcome(task, Outcome(stopping) if stopping else Outcome.LOST)
        tasks.reasons[task] = why
        m.endings.add(tasks, task, at, attempt_cost(m, task, at))
        m.unsettled.add(task)
    node.collecting -= lost
    node.active.clear()
    node.recalled.clear()
    node.alone = False
    m.reweigh(node)
    if node.alive and node.idle:
        m.idle[node.number] = None


def _elect(m: Machine, leaving: Node) -> None:
    """Choose another scheduler's node when that node leaves: the next one that has greeted.

    Nodes leave in order when a job ends, so the search begins behind the one that leaves.
    """
    if m.scheduler != leaving.number:
        return
    count = len(m.nodes)
    after = (m.nodes[(leaving.number + step) % count] for step in range(1, count))
    follower = next((node for node in after if node.alive and node.greeted), None)
    m.scheduler = None
    if follower is not None:
        _lead(m, follower)


# --- what a node needs done --------------------------------------------------


def under_way(m: Machine) -> Iterator[ef.Effect]:
    """Yield all effects that the nodes need in their states; from BOOTING on, a connection."""
    ordered = set[int]()
    for node in m.nodes:
        if node.state in (NodeState.WANTED, NodeState.UNWANTED):
            if node.order not in ordered:
                ordered.add(node.order)
                yield _order(m, node.order)
        elif node.handle is not None and node.state in (NodeState.READY, NodeState.SILENT):
            yield _connect(node, node.handle)
        yield from _newly_due(m, node)


def _order(m: Machine, first: int) -> ef.PlaceOrder:
    rows = [(str(offer), int(count)) for offer, count, _ in m.orders[first]]
    return ef.PlaceOrder(first, rows, f"{m.running_job.id}-{first}")


def _newly_due(m: Machine, node: Node) -> Iterator[ef.Effect]:
    """Yield the effects that a node needs when it enters its state.

    A SILENT node needs none: its agent is told everything once it is heard.
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
    return ef.ConnectNode(node.number, handle)


def _tell(m: Machine, node: Node) -> Iterator[ef.Effect]:
    """Yield all that a node's agent must know, again after each silence; recalls are forgotten.

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
    ev.NodesOrdered: on_ordered,
    ev.NodesRefused: on_refused,
    ev.NodesDelayed: on_delayed,
    **dict.fromkeys(sorted({kind for _, kind in EDGES}, key=lambda kind: kind.tag), on_node),
}
