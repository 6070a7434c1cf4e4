"""Changes of a job that is followed: gathered while events are folded, then given as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchio.core import lens

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchio.core.events import Event
    from batchio.core.machine import Machine


class Change(NamedTuple):
    """Everything that happened since the change before."""

    at: float
    """When the newest event of the change happened, in Unix seconds."""
    upto: int
    """Number of the newest event that was folded."""
    tasks: Collection[int]
    """Positions of the tasks whose rows may look different: a frozenset, or the range of all."""
    nodes: frozenset[int]
    """Numbers of the nodes whose rows may look different."""
    job: bool
    """Whether the job's state, outcome, reason or notes changed, or who runs it."""
    events: tuple[Event, ...]
    """Events that were read of the journal, in order; empty after a `seek`."""


class News:
    """Changes that no `Change` has told yet."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.tasks: set[int] = set()
        self.nodes: set[int] = set()
        self.all: range | None = None
        """Positions of all tasks, when any of them may have changed."""
        self.job = False
        self.sought = False
        """Whether another moment is shown than before."""
        self.at = 0.0

    @classmethod
    def of_all(cls, machine: Machine, at: float) -> News:
        """Return news that say that every task and node may have changed."""
        news = cls()
        news.all, news.at = range(machine.tasks.count), at
        news.nodes.update(range(len(machine.nodes)))
        news.job = news.sought = True
        return news

    def __bool__(self) -> bool:
        return bool(self.events or self.nodes or self.job or self.sought)

    def add(self, event: Event, machine: Machine) -> None:
        """Note what an event changes that is about to be folded."""
        self.events.append(event)
        self.at = event.at
        tasks, nodes = lens.touched(machine, event)
        self.nodes.update(nodes)
        if isinstance(tasks, range):
            self.all = tasks
        else:
            self.tasks.update(tasks)

    def told(self, upto: int, now: float) -> Change:
        """Return these news as one change; `now` (Unix seconds) is its time without events."""
        tasks = frozenset(self.tasks) if self.all is None else self.all
        nodes = frozenset(self.nodes)
        return Change(self.at or now, upto, tasks, nodes, self.job, tuple(self.events))


def standing(machine: Machine) -> tuple[object, ...]:
    """Return the values of which any change is a change of the job as a whole."""
    job = machine.job
    if job is None:
        return ()
    return machine.state, machine.outcome, job.why, len(machine.notes), job.epoch
