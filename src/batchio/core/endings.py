"""How attempts ended: those that ended badly in groups, and the newest endings. Pure.

The columns of tasks forget an attempt when the next one begins, and most failures of a job with
retries are such attempts. Here they stay, as one line for each way to fail: attempts that failed
alike are one group, whatever numbers, ids and temporary paths their last words name.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.last_words import template
from batchio.core.record import Record
from batchio.core.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.core.task import Tasks

RECENT: Final = 500
"""Number of the newest endings that are kept one by one."""

BAD: Final = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)
"""Outcomes that a person should look at. Cancelled is not one: a user wanted it."""

Key = tuple[int, int | None, str, str]
"""What attempts that ended alike have in common: outcome, exit code, and the templates of the
reason and of the last words."""


class Ending(NamedTuple):
    """One of the newest endings."""

    at: float
    """Unix seconds."""
    node: int
    group: int
    """Number of its group; -1: it ended well, or was cancelled."""


@dataclass(slots=True, eq=False, repr=False)
class Group(Record):
    """Attempts that ended badly alike."""

    outcome: int
    exit: int | None
    """Exit code; -N: signal N; None: the process has not ended as far as is known."""
    reason: str
    """The agent's reason, or why the node was lost; where that differs, with # for numbers."""
    words: str
    """The last words; where they differ, with # for numbers, ids and temporary paths."""
    first: float
    """Unix seconds at which the first ended; `last`: the last."""
    last: float
    task: int
    """Position of the task that ended so last; `attempt`: its attempt."""
    attempt: int
    count: int = 0
    memory: int = 0
    """Largest peak of resident bytes."""
    nodes: dict[int, int] = field(default_factory=dict[int, int])
    """Number of attempts by node."""

    @property
    def key(self) -> Key:
        """What all of the group have in common."""
        return self.outcome, self.exit, template(self.reason), template(self.words)


_GROUP: Final = tuple(item.name for item in fields(Group))


class Endings:
    """Endings of all attempts of a job, in groups, and the newest ones."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.recent: deque[Ending] = deque(maxlen=RECENT)
        self.count = 0
        """Number of attempts that have ended."""
        self.of: dict[int, int] = {}
        """By task: the group of its present attempt, where that ended badly."""
        self.wasted: dict[int, float] = {}
        """By task: US dollars of its attempts that ended badly, or that were run again."""
        self._by_key: dict[Key, int] = {}

    def add(self, tasks: Tasks, task: int, at: float, paid: float = 0.0) -> None:
        """Add the present attempt of a task, which has its outcome, at `at` (Unix seconds).

        `paid`: US dollars that it cost.
        """
        node, outcome = tasks.node[task], Outcome(tasks.outcome[task])
        self.count += 1
        number = self._grouped(tasks, task, outcome, at) if outcome in BAD else -1
        self.recent.append(Ending(at, node, number))
        if number >= 0:
            self.of[task] = number
            self._waste(task, paid)
            group = self.groups[number]
            group.count += 1
            group.nodes[node] = group.nodes.get(node, 0) + 1

    def forget(self, task: int, paid: float = 0.0) -> None:
        """Note that a task's next attempt begins; the present one cost `paid` US dollars."""
        if self.of.pop(task, None) is None:
            self._waste(task, paid)

    def lately(self) -> Counter[int]:
        """Count the newest endings by group."""
        return Counter(ending.group for ending in self.recent)

    def span(self) -> float:
        """Return the seconds between the oldest and the newest of the newest endings."""
        return max(self.recent[-1].at - self.recent[0].at, 0.0) if self.recent else 0.0

    def _waste(self, task: int, paid: float) -> None:
        if paid:
            self.wasted[task] = self.wasted.get(task, 0.0) + paid

    def _grouped(self, tasks: Tasks, task: int, outcome: Outcome, at: float) -> int:
        reason, words = tasks.reasons.get(task, ""), tasks.tails.get(task, "")
        code = tasks.exit[task] if tasks.ended[task] else None
        key = int(outcome), code, template(reason), template(words)
        number = self._by_key.get(key)
        if number is None:
            number = self._by_key[key] = len(self.groups)
            self.groups.append(Group(int(outcome), code, reason, words, at, at, task, 0))
        group = self.groups[number]
        if group.words != words:
            group.words = key[3]
        if group.reason != reason:
            group.reason = key[2]
        group.last, group.task, group.attempt = at, task, tasks.attempt[task]
        group.memory = max(group.memory, tasks.rss[task])
        return number

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {
            "count": self.count,
            "groups": [list(self._values(group)) for group in self.groups],
            "recent": [list(ending) for ending in self.recent],
            "of": [list(self.of), list(self.of.values())],
            "wasted": [list(self.wasted), list(self.wasted.values())],
        }

    @staticmethod
    def _values(group: Group) -> Iterator[Any]:
        for name in _GROUP:
            value = getattr(group, name)
            yield list(value.items()) if name == "nodes" else value

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Endings:
        """Read what `to_json` returned."""
        made = cls()
        made.count = data["count"]
        for values in data["groups"]:
            group = Group(*values)
            group.nodes = dict(values[-1])
            made._by_key[group.key] = len(made.groups)
            made.groups.append(group)
        made.recent.extend(Ending(*ending) for ending in data["recent"])
        made.of = dict(zip(*data["of"], strict=True))
        made.wasted = dict(zip(*data["wasted"], strict=True))
        return made
