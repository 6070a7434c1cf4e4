"""The state machine of one job: all of its state, changed only by events.

- `apply(event)` folds one fact or decision; the only thing a replay calls.
- `decide(now)` is policy; its decisions are events, applied and returned to be journaled.
- `due()` lists what the state says must be under way; `pop_effects()` gives the same
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
from batchio.core.endings import Endings
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

    write_s = 0.0
    """Mean seconds of a write to the journal, as the engine has found; only `decide` reads it."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.at = 0.0  # latest time of all events, in Unix seconds
        self.tasks = Tasks(0)
        self.nodes: list[Node] = []
        self.offers: dict[str, Offer] | None = None
        self.trouble: dict[str, Trouble] = {}
        self.orders: dict[int, list[list[Any]]] = {}
        """Rows of every order, by its first node."""
        self.endings, self.queue = Endings(), Queue(self.tasks)
        self.scheduler: int | None = None
        """Number of the scheduler's node: the first that greeted, while it is alive."""
        self.mean: float | None = None
        """Running mean of the tasks' durations, in seconds; None before the first has ended."""
        self.dispatch_started = False
        """Whether any task was ever assigned to a node."""
        self.notes: list[tuple[float, str]] = []
        """Notes for people: Unix seconds and text."""
        self.taken: set[str] = set()
        """Names of the inbox's requests that were answered."""

        # Sums over `nodes`: nothing looks at all of them.
        self.live = 0
        """Number of nodes that may still do work."""
        self.ready = 0
        """Number of nodes whose agent is connected."""
        self.held = 0
        """Number of nodes not yet given back."""
        self.capacity = 0
        """Sum of `Node.slots_counted`: slots that the job can count on."""
        self.silent = 0
        """Those of these slots that are on nodes whose connection broke."""
        self.used: dict[str, int] = {}
        """Number of live nodes by offer."""
        self.idle: dict[int, None] = {}
        """Numbers of live nodes without tasks, in the order in which they became idle."""
        self.quarantined: set[int] = set()
        """Numbers of nodes that could not run too many tasks, for reasons of their own."""
        self.doomed = 0
        """Number of live nodes that will be taken from us."""
        self.ending: set[int] = set()
        """Numbers of live nodes whose time will be over, and that are not replaced yet."""

        # Marks for `decide`: what it has to look at. Never read by `apply`.
        self.unsettled: set[int] = set()
        """Tasks that ended badly and wait for `decide` to say what follows."""
        self.maybe_free: deque[int] = deque()
        """Numbers of nodes that may have room; those found full are dropped."""
        self.replan = True
        """Whether a change may call for more nodes."""
        self.resting = False
        """Whether nodes are missing and an offer that failed will be tried again."""
        self.reserved: int | None = None
        """Number of a node that is kept free for a suspect task."""
        self.recall_at = inf
        """When to look for tasks that wait behind long ones, in Unix seconds."""
        self.late_count = 0
        """Number of late or repeated events that changed nothing."""
        self._effects: list[ef.Effect] = []
        self._timers: list[float] = []

    # --- the door ------------------------------------------------------------

    def apply(self, event: ev.Event) -> bool:
        """Fold one event; return False when it is late or repeated and changed nothing.

        What changed nothing need not be journaled. It may still have effects: a result
        that is sent again is acknowledged again.

        Raises:
            IllegalEvent: it cannot happen in this state.
        """
        if self.job is None and not isinstance(event, ev.JobSubmitted):
            raise IllegalEvent(f"{type(event).__name__} before the job was submitted")
        changed = _FOLDS[type(event)](self, event)
        if event.at > self.at:
            self.at = event.at
        self.late_count += not changed
        return changed

    def decide(self, now: float) -> list[ev.Event]:
        """Return what follows from the state at `now`; those events are applied already."""
        rang = False
        while self._timers and self._timers[0] <= now:
            heappop(self._timers)
            rang = True
        decided: list[ev.Event] = []
        for decision in decisions.all_of(self, now, rang=rang):
            self.apply(decision)
            decided.append(decision)
        return decided

    def pop_effects(self) -> list[ef.Effect]:
        """Return the effects that became due since the last call, in order, and forget them."""
        taken, self._effects = self._effects, []
        return taken

    def next_wake(self) -> float | None:
        """Return when to call `decide` again even without news, in Unix seconds; None: never."""
        timer = self._timers[0] if self._timers else inf
        due = self.queue.next_due()
        near = self.queue.next_near()
        wake = min(timer, self.recall_at, *(inf if at is None else at for at in (due, near)))
        return None if wake == inf else wake

    def recovered(self) -> None:
        """End a replay: forget past effects and questions already decided; then see `due`."""
        self._effects.clear()
        self.unsettled.clear()

    def due(self) -> list[ef.Effect]:
        """Return all effects that must be under way now; a new head performs them again."""
        out: list[ef.Effect] = []
        if self.offers is None and self.job is not None and not self.job.closed:
            out.append(ef.ListOffers())
        out += fold_nodes.under_way(self)
        job = self.job
        if job is not None and job.merges and job.merging > job.merged:
            out.append(ef.MergeOutputs(job.merging))
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
        """The job; IllegalEvent is raised before it is submitted."""
        if self.job is None:
            raise IllegalEvent("no job was submitted")
        return self.job

    @property
    def postponed(self) -> int:
        """Number of pending tasks with a long backoff, for which no node is kept or ordered
        where nodes cost money."""
        return self.queue.far if self.running_job.rents else 0

    @property
    def useful(self) -> int:
        """Number of slots that the tasks could use now."""
        by_state, most = self.tasks.by_state, self.running_job.spec.at_once
        waiting = by_state[TaskState.PENDING] - self.postponed
        useful = waiting + by_state[TaskState.ASSIGNED] + by_state[TaskState.RUNNING]
        return useful if most is None else min(useful, most)

    @property
    def undone(self) -> int:
        """Number of tasks without an outcome."""
        return self.tasks.count - self.tasks.by_state[TaskState.DONE]

    def node(self, number: int) -> Node:
        """Return the node of that number. Raises IllegalEvent when it was never wanted."""
        if not 0 <= number < len(self.nodes):
            raise IllegalEvent(f"node {number} was never wanted")
        return self.nodes[number]

    # --- for the folds and decisions -----------------------------------------

    def emit(self, *effects: ef.Effect) -> None:
        """Add effects that are due now; `pop_effects` returns them."""
        self._effects += effects

    def wake_at(self, when: float) -> None:
        """Have `next_wake` answer no later than `when`."""
        heappush(self._timers, when)

    def reweigh(self, node: Node) -> None:
        """Bring the sums of slots up to date after a change of the node."""
        weight = node.slots_counted
        silent = weight if node.state is NodeState.SILENT else 0
        if (weight, silent) != (node.weight, node.silent_weight):
            self.capacity += weight - node.weight
            self.silent += silent - node.silent_weight
            node.weight, node.silent_weight = weight, silent
            self.replan = True

    def has_room(self, node: Node) -> None:
        """Queue the node in `maybe_free`, so that the dispatcher looks whether it has room."""
        if not node.maybe_free:
            node.maybe_free = True
            self.maybe_free.append(node.number)


_FOLDS: Final[dict[type[ev.Event], Callable[[Machine, Any], bool]]] = {
    **fold_job.FOLDS,
    **fold_nodes.FOLDS,
    **fold_tasks.FOLDS,
}
