"""The state machine of one job: one state, one door.

- `apply(event)` folds one fact or decision; the only thing a replay calls.
- `decide(now)` is policy; its decisions are events, applied and returned to be journaled.
- `due()` lists what the state says must be under way; `take_effects()` gives the same
  things one by one as they become due.

Pure: no I/O, no clock, no randomness. A replay of the same events gives the same state.
How each event is folded stands in `fold_job`, `fold_nodes` and `fold_tasks`; what follows
from a state in `decisions`. docs/design/machine.md says why.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any, Final

from batchio.core import (
    decisions,
    fold_job,
    fold_nodes,
    fold_tasks,
)
from batchio.core import (
    effects as ef,
)
from batchio.core import (
    events as ev,
)
from batchio.core import (
    job as jobs,
)
from batchio.core.dispatch import Queue
from batchio.core.node import NodeState
from batchio.core.task import Outcome, Tasks, TaskState
from batchio.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.job import Job, JobState
    from batchio.core.node import Node
    from batchio.core.plan import Offer, Trouble


class Machine:
    """Everything that is known and decided about one job."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.tasks = Tasks(0)
        self.nodes: list[Node] = []
        self.offers: dict[str, Offer] | None = None
        self.trouble: dict[str, Trouble] = {}
        self.orders: dict[int, list[list[Any]]] = {}
        """Rows of every order, by its first node."""
        self.queue = Queue(self.tasks)
        self.scheduler: int | None = None
        """The node others find as scheduler: the first that greeted, while it lives."""
        self.mean: float | None = None
        """Running mean of how long tasks take, in seconds."""
        self.dispatch_started = False
        """Whether any task was ever sent out."""
        self.notes: list[tuple[float, str]] = []
        """When, and what people should know."""
        self.taken: set[str] = set()
        """Requests from the inbox that are answered already."""

        # Sums over `nodes`, so that nothing has to look at all of them.
        self.live = 0
        """Nodes that may still do work."""
        self.ready = 0
        """Nodes whose agent can be told something."""
        self.held = 0
        """Nodes not yet given back."""
        self.capacity = 0
        """Slots of the live nodes that may be counted on: `Node.slots_counted`."""
        self.silent = 0
        """Those of them on nodes whose connection broke."""
        self.used: dict[str, int] = {}
        """Live nodes of each offer."""
        self.idle: dict[int, None] = {}
        """Live nodes with nothing on them."""
        self.quarantined: set[int] = set()
        """Nodes that failed too many tasks for their own reasons."""
        self.doomed = 0
        """Live nodes that will be taken from us."""
        self.ending: set[int] = set()
        """Live nodes whose time will be over, and of which nobody has taken notice yet."""

        # Marks for `decide`: what it has to look at. Never read by `apply`.
        self.unsettled: set[int] = set()
        """Tasks that ended badly and wait for `decide` to say what follows."""
        self.maybe_free: deque[int] = deque()
        """Nodes that may have room; those found full are dropped."""
        self.replan = True
        """Something changed that may call for more nodes."""
        self.resting = False
        """Nodes are missing, and an offer that failed will be tried again."""
        self.reserved: int | None = None
        """A node kept free for a suspect task."""
        self.recall_at = inf
        """When to look for tasks that are stuck behind long ones."""
        self.late_count = 0
        """Late or repeated answers that changed nothing."""
        self._effects: list[ef.Effect] = []
        self._timers: list[float] = []

    # --- the door ------------------------------------------------------------

    def apply(self, event: ev.Event) -> bool:
        """Fold one event; False when it is late or repeated and changed nothing.

        What changed nothing need not be journaled. It may still have effects: a result
        that is sent again is acknowledged again.

        Raises:
            IllegalEvent: it cannot happen in this state.
        """
        if self.job is None and not isinstance(event, ev.JobSubmitted):
            raise IllegalEvent(f"{type(event).__name__} before the job was submitted")
        changed = _FOLDS[type(event)](self, event)
        self.late_count += not changed
        return changed

    def decide(self, now: float) -> list[ev.Event]:
        """What follows from the state at `now`; already applied when returned."""
        rang = False
        while self._timers and self._timers[0] <= now:
            heappop(self._timers)
            rang = True
        decided: list[ev.Event] = []
        for decision in decisions.all_of(self, now, rang=rang):
            self.apply(decision)
            decided.append(decision)
        return decided

    def take_effects(self) -> list[ef.Effect]:
        """What became due since the last call, in order."""
        taken, self._effects = self._effects, []
        return taken

    def next_wake(self) -> float | None:
        """When `decide` should be asked again even if nothing happens, in Unix seconds."""
        timer = self._timers[0] if self._timers else inf
        due = self.queue.next_due()
        near = self.queue.next_near()
        wake = min(timer, self.recall_at, *(inf if at is None else at for at in (due, near)))
        return None if wake == inf else wake

    def recovered(self) -> None:
        """After a replay: its effects are past, its decisions were made; see `due`."""
        self._effects.clear()
        self.unsettled.clear()

    def due(self) -> list[ef.Effect]:
        """All that must be under way now; after a restart, performed again."""
        out: list[ef.Effect] = []
        if self.offers is None and self.job is not None and not self.job.closed:
            out.append(ef.ListOffers())
        out += fold_nodes.under_way(self)
        return out

    # --- reading -------------------------------------------------------------

    @property
    def state(self) -> JobState:
        """The job's state."""
        return jobs.state(self.running_job, self.nodes)

    @property
    def outcome(self) -> Outcome:
        """The job's outcome; NONE until every task has one."""
        return jobs.outcome(self.running_job, self.tasks)

    @property
    def running_job(self) -> Job:
        """The job. Raises IllegalEvent before it is submitted."""
        if self.job is None:
            raise IllegalEvent("no job was submitted")
        return self.job

    @property
    def postponed(self) -> int:
        """Pending tasks for which no node is kept or taken yet: where nodes cost money, those
        that wait for long."""
        return self.queue.far if self.running_job.rents else 0

    @property
    def useful(self) -> int:
        """Slots there is use for."""
        by_state, most = self.tasks.by_state, self.running_job.spec.at_once
        waiting = by_state[TaskState.PENDING] - self.postponed
        useful = waiting + by_state[TaskState.ASSIGNED] + by_state[TaskState.RUNNING]
        return useful if most is None else min(useful, most)

    @property
    def undone(self) -> int:
        """Tasks without an outcome."""
        return self.tasks.count - self.tasks.by_state[TaskState.DONE]

    def node(self, number: int) -> Node:
        """The node of that number. Raises IllegalEvent when it was never wanted."""
        if not 0 <= number < len(self.nodes):
            raise IllegalEvent(f"node {number} was never wanted")
        return self.nodes[number]

    # --- for the folds and decisions -----------------------------------------

    def emit(self, *effects: ef.Effect) -> None:
        """These are due now."""
        self._effects += effects

    def wake_at(self, when: float) -> None:
        """Have `next_wake` answer no later than `when`."""
        heappush(self._timers, when)

    def reweigh(self, node: Node) -> None:
        """Keep the sums of slots, after something about the node has changed."""
        weight = node.slots_counted
        silent = weight if node.state is NodeState.SILENT else 0
        if (weight, silent) != (node.weight, node.silent_weight):
            self.capacity += weight - node.weight
            self.silent += silent - node.silent_weight
            node.weight, node.silent_weight = weight, silent
            self.replan = True

    def has_room(self, node: Node) -> None:
        """It may have room: the dispatcher looks at it."""
        if not node.maybe_free:
            node.maybe_free = True
            self.maybe_free.append(node.number)


_FOLDS: Final[dict[type[ev.Event], Callable[[Machine, Any], bool]]] = {
    **fold_job.FOLDS,
    **fold_nodes.FOLDS,
    **fold_tasks.FOLDS,
}
