"""The journal's vocabulary: what happened and what was decided, in the past tense.

Facts come from the outside (a node greeted, tasks finished); decisions come from
`Machine.decide`. Both are journaled, so a replay never decides again. Task events carry
many tasks at once, because a thousand tasks must not cost a thousand records.

On disk an event is the JSON array `[tag, field, …]`. Tags never change their meaning;
a new field goes to the end and has a default (and `LATER`), so that old journals stay
readable. Events about nodes stand in `node_events`.
`at` is Unix seconds. `node` is the node's number in the job, `task` the task's position.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final

# isort: off
from batchio.core.node_events import (
    NodeCreateFailed as NodeCreateFailed,
    NodeCreated as NodeCreated,
    NodeDeleted as NodeDeleted,
    NodeEnds as NodeEnds,
    NodeEvent as NodeEvent,
    NodeGreeted as NodeGreeted,
    NodeHeard as NodeHeard,
    NodeLost as NodeLost,
    NodeNoticed as NodeNoticed,
    NodeReleased as NodeReleased,
    NodeRestarted as NodeRestarted,
    NodeSilent as NodeSilent,
    NodeVanished as NodeVanished,
    NodeWanted as NodeWanted,
    NodesDelayed as NodesDelayed,
    NodesOrdered as NodesOrdered,
    NodesRefused as NodesRefused,
    OffersFailed as OffersFailed,
    OffersListed as OffersListed,
)
from batchio.core.record import LATER as LATER, Event as Event, default_of

# isort: on
from batchio.core.reports import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FORMAT: Final = 1
"""Version of the vocabulary; a journal says which one it was written with."""


# --- the job -----------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class JobSubmitted(Event):
    """The first event of every journal. `spec` is `JobSpec.to_json()`."""

    tag: ClassVar[str] = "job"

    job: str
    spec: dict[str, Any]


@dataclass(slots=True, eq=False, repr=False)
class HeadStarted(Event):
    """A head took the lease; `epoch` rises by one each time. `kind` as `JobSpec.head` has it;
    `where` is the head's own node, if it has one. `boot` is the id of its computer's boot, which
    began at `booted` as the job counts time."""

    tag: ClassVar[str] = "head"

    epoch: int
    host: str
    pid: int
    kind: str = field(default="local", metadata=LATER)
    where: str = field(default="", metadata=LATER)
    boot: str = field(default="", metadata=LATER)
    booted: float = field(default=0.0, metadata=LATER)


@dataclass(slots=True, eq=False, repr=False)
class CancelRequested(Event):
    """A user wants the whole job (`tasks` is None) or some of its tasks to end."""

    tag: ClassVar[str] = "cancel"

    tasks: list[int] | None
    why: str


@dataclass(slots=True, eq=False, repr=False)
class JobTimedOut(Event):
    """The job's time is up: whatever is not done is stopped."""

    tag: ClassVar[str] = "timeout"


@dataclass(slots=True, eq=False, repr=False)
class MoneyGone(Event):
    """The money of --max-cost (`limit`, US dollars) is spent or reserved: what is not done is
    stopped. `spent` is what the nodes had cost."""

    tag: ClassVar[str] = "money"

    limit: float
    spent: float


@dataclass(slots=True, eq=False, repr=False)
class JobClosed(Event):
    """Every task is done and every node given back."""

    tag: ClassVar[str] = "closed"

    outcome: str


@dataclass(slots=True, eq=False, repr=False)
class MergeBegan(Event):
    """Decided: every task is done, and what they left comes back to the folder of --sync.

    `number` counts from 1: a job whose tasks run again does so again.
    """

    tag: ClassVar[str] = "merge"

    number: int


@dataclass(slots=True, eq=False, repr=False)
class OutputsMerged(Event):
    """What the tasks left is in the folder of --sync, or `why` not."""

    tag: ClassVar[str] = "merged"

    number: int
    why: str = ""


@dataclass(slots=True, eq=False, repr=False)
class RequestTaken(Event):
    """The request `name` of the inbox was answered, by the events journaled with this one."""

    tag: ClassVar[str] = "taken"

    name: str


@dataclass(slots=True, eq=False, repr=False)
class Noted(Event):
    """A note for people. With `waits` it says what is held up by lack of room, or of a right."""

    tag: ClassVar[str] = "note"

    text: str
    waits: bool | None = field(default=None, metadata=LATER)
    """Whether tasks wait from now on because of what is noted, or no longer; None: it holds up
    nothing."""
    node: int = field(default=-1, metadata=LATER)
    """Whose tasks wait; -1: output files wait, on whichever node they are."""


# --- tasks -------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class TasksAssigned(NodeEvent):
    """Decided: these tasks go to `node`. Pairs `[task, attempt]`."""

    tag: ClassVar[str] = "a"

    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class TasksStarted(NodeEvent):
    """The agent runs these tasks: `[task, attempt, started]`."""

    tag: ClassVar[str] = "s"

    tasks: list[list[Any]]


@dataclass(slots=True, eq=False, repr=False)
class TasksFinished(NodeEvent):
    """These attempts ended. `seq` is the agent's number of this message, to acknowledge it."""

    tag: ClassVar[str] = "f"

    seq: int
    records: list[Ended]


@dataclass(slots=True, eq=False, repr=False)
class TasksRecalled(NodeEvent):
    """Decided: ask the node to give these queued tasks back, as other nodes have room."""

    tag: ClassVar[str] = "recall"

    tasks: list[list[int]]


@dataclass(slots=True, eq=False, repr=False)
class TasksReturned(NodeEvent):
    """The node gave back these tasks, which were queued there and never started."""

    tag: ClassVar[str] = "r"

    tasks: list[list[int]]


TASK: Final = "task"


@dataclass(slots=True, eq=False, repr=False)
class TasksCollected(NodeEvent):
    """The output files of these tasks are downloaded, or `why` not: `[task, attempt]`.

    `blame` is TASK when a task may not write such files; else its node failed to send them.
    """

    tag: ClassVar[str] = "c"

    tasks: list[list[int]]
    why: str = ""
    blame: str = field(default="", metadata=LATER)


@dataclass(slots=True, eq=False, repr=False)
class TasksRequeued(Event):
    """Decided: a new attempt of these tasks: `[task, not_before, cause]`, see `retry.Cause`."""

    tag: ClassVar[str] = "q"

    tasks: list[list[Any]]


@dataclass(slots=True, eq=False, repr=False)
class TasksAbandoned(Event):
    """Decided: no node will ever run the tasks that are still pending."""

    tag: ClassVar[str] = "abandoned"

    why: str


def encode(event: Event) -> str:
    """Return an event as one line of JSON."""
    return json.dumps([event.tag, *_FIELDS[type(event)](event)], separators=(",", ":"))


def decode(text: str | bytes) -> Event:
    """Read the event that `encode` wrote.

    Raises:
        ValueError: `text` is not an event of this vocabulary.
    """
    try:
        tag, *values = json.loads(text)
        event = _TYPES[tag](*values)
        if isinstance(event, TasksFinished):
            event.records = [Ended(*record) for record in event.records]
        return event
    except (KeyError, TypeError, ValueError) as err:
        raise ValueError(f"not an event: {text[:80]!r}") from err


def _values_of(cls: type[Event]) -> Callable[[Event], tuple[Any, ...]]:
    names = [item.name for item in fields(cls)]
    if len(names) == 1:  # attrgetter gives a bare value for one name
        return lambda event: (getattr(event, names[0]),)
    getter: Callable[[Event], tuple[Any, ...]] = attrgetter(*names)
    defaults = [default_of(item) for item in fields(cls) if "later" in item.metadata]
    return (lambda event: _shortened(getter(event), defaults)) if defaults else getter


def _shortened(values: tuple[Any, ...], defaults: list[Any]) -> tuple[Any, ...]:
    """Cut off the last fields that are LATER and have their default."""
    end, known = len(values), len(values) - len(defaults)
    while end > known and values[end - 1] == defaults[end - 1 - known]:
        end -= 1
    return values[:end]


def _leaves(cls: type[Event]) -> Iterator[type[Event]]:
    if "tag" in vars(cls):
        yield cls
    for child in cls.__subclasses__():
        yield from _leaves(child)


_TYPES: Final = {cls.tag: cls for cls in _leaves(Event)}
_FIELDS: Final = {cls: _values_of(cls) for cls in _TYPES.values()}
