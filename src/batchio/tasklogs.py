"""The logs of tasks, for the verbs: chosen by task ids, up to now or as they grow."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar, cast

from batchio.core.arrays import parse_ids
from batchio.core.events import TasksFinished
from batchio.errors import UsageError
from batchio.runtime.changes import SLOWING
from batchio.runtime.host import HostClock, in_thread, lock
from batchio.runtime.live import Live
from batchio.runtime.patience import Patience
from batchio.stores.log_records import STDERR, STDOUT, Select
from batchio.stores.logs import LogFollower, LogLine, Printed, all_printed, last, node_printed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager

    from batchio.core.machine import Machine
    from batchio.ports import JobStore, LogStore, Waiting
    from batchio.runtime.live import Change
    from batchio.stores.log_index import LogIndex
    from batchio.stores.logs import Shape

P = TypeVar("P", bound=LogLine | Printed)

CHUNK: Final = 1000
"""Number of lines that a thread reads at once."""


LOOK_S: Final = 0.001
"""Seconds for which a long quiet node is not looked at, times the number of nodes:
so a thousand of them cost less than a hundredth of a core.
"""


class Lines(NamedTuple):
    """A selection of lines."""

    tasks: list[int] | None = None
    """Ids of tasks; None for all."""
    attempt: int | None = None
    stream: str | None = None
    since: float | None = None
    tail: int | None = None


def chosen(tasks: str | int | None) -> list[int] | None:
    """Return the ids that a person named, such as `3` or `"2,4-6"`; None for all.

    Raises:
        UsageError: they make no sense.
    """
    if tasks is None:
        return None
    return [tasks] if isinstance(tasks, int) else list(parse_ids(tasks))


def positions_of(machine: Machine, ids: list[int] | None) -> list[int] | None:
    """Return the positions of ids in their job; None for all.

    Raises:
        UsageError: the job has no such task.
    """
    if ids is None:
        return None
    known = machine.running_job.spec.tasks
    missing = [task for task in ids if task not in known]
    if missing:
        raise UsageError(
            f"job {machine.running_job.id} has no task {missing[0]}",
            hint=f"its tasks are {known}",
        )
    return [known.position(task) for task in ids]


async def past(store: JobStore, which: Lines, shape: Shape[P]) -> AsyncGenerator[P, None]:
    """Yield what was printed so far, by time; `which.tail` is meant for lines, not RAW bytes."""
    async with Live(store, nodes=False) as live:
        machine = live._machine
    named = _Named(machine, which)
    found = _past(store.logs(), machine, which, shape)
    while chunk := await in_thread(lambda: list(islice(found, CHUNK))):
        for printed in named.of(chunk):
            yield printed


def _past(logs: LogStore, machine: Machine, which: Lines, shape: Shape[P]) -> Iterator[P]:
    positions = positions_of(machine, which.tasks)
    select, ahead = _select(positions, which), partial(_ahead, machine)
    if which.tail is not None and (positions is None or len(positions) == 1):
        follower = LogFollower(logs, shape, select, ahead)
        return iter(last(follower.last(which.tail) + follower.finish(), which.tail))
    if bounds := _log_range(machine, positions, which):
        node, start, end = bounds
        return node_printed(logs, shape, node, start, end, select, ahead=ahead(node))
    found = all_printed(logs, shape, select, ahead)
    if which.tail is None:
        return found
    wanted = _Named(machine, which)
    return iter(deque(filter(wanted.has, found), which.tail))


def _log_range(
    machine: Machine, positions: list[int] | None, which: Lines
) -> tuple[int, int, int] | None:
    """Return node and byte range of a single task's log, or None when the columns do not know
    it.
    """
    if positions is None or len(positions) != 1 or which.attempt is not None:
        return None
    tasks, at = machine.tasks, positions[0]
    if not tasks.ended[at] or tasks.attempt[at] != 1:
        return None
    return tasks.node[at], tasks.log_from[at], tasks.log_to[at]


async def follow(
    store: JobStore,
    which: Lines,
    shape: Shape[P],
    clock: Waiting | None = None,
    watch: Callable[[Live], object] | None = None,
) -> AsyncGenerator[P, None]:
    """Yield what tasks print while they print it, until the job is done.

    `watch` is called with the job each time before it is looked for more.

    Raises:
        HeadGone: nobody runs the job any more, and it is not done.
    """
    clock = clock or HostClock()
    quick, slow = store.pace.news
    async with Live(store, clock, nodes=watch is not None) as live:
        machine = live._machine
        select, ahead = _select(positions_of(machine, which.tasks), which), partial(_ahead, machine)
        follower = LogFollower(store.logs(), shape, select, ahead)
        named, watched = _Named(machine, which), _Watched(machine, follower)
        pause, first, patience = quick, True, Patience(clock)
        if which.tail is not None:
            for printed in named.of(await in_thread(partial(follower.last, which.tail))):
                yield printed
        while True:
            change, over = await live.look(), live.done
            if watch is not None:
                watch(live)
            if live.gone:
                raise await live.why_gone()
            nodes = None if over or first else watched.due(change, clock.now())
            found = None
            with patience:
                found = await in_thread(partial(watched.poll, nodes))
            if found is None:
                await clock.sleep(slow)
                continue
            if over and not found:
                found = follower.finish()
                over = not found
                if over:
                    return
            first = False
            watched.polled(nodes or (), found, clock.now(), (quick, slow))
            for printed in named.of(found):
                yield printed
            pause = quick if found or change else min(pause * SLOWING, slow)
            if not found:
                await clock.sleep(pause)


class LogPages:
    """What tasks printed, by number of the line; `async with job.log_pages() as pages`.

    All records are looked at once; only lines that are asked for are made. Lines that are
    printed while it is open count after the next `read`.
    """

    def __init__(
        self, store: JobStore, which: Lines, node: int | None = None, *, at_once: bool = False
    ) -> None:
        self._live = Live(store, nodes=False)
        self._logs = store.logs()
        self._which = which
        self._node = node
        self._at_once = at_once
        self._turn: AbstractAsyncContextManager[object]
        """Lock that is held while the index is read or grows."""
        self._index: LogIndex
        self._named: _Named

    async def __aenter__(self) -> LogPages:
        from batchio.stores.log_index import LogIndex  # few ask for it

        self._turn = lock()
        await self._live.__aenter__()
        try:
            machine, which = self._live._machine, self._which
            self._named, takes = _Named(machine, which), _select(None, which).takes
            self._index = LogIndex(
                self._logs,
                lambda *key: takes(*key) and self._named.wants(key[0]),
                partial(_ahead, machine),
                None if self._node is None else [self._node],
            )
            while not self._at_once and await self.read() < 1:
                pass
        except BaseException:
            await self._live.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._live.__aexit__()

    def __len__(self) -> int:
        return len(self._index)

    async def read(self) -> float:
        """Read on; return how much of all there is was read. At 1.0 the newest lines count."""
        await self._live.look()
        async with self._turn:
            return await in_thread(self._index.extend)

    async def page(self, first: int, count: int) -> list[LogLine]:
        """Return lines by time from number `first` (from 0) on, at most `count`."""
        async with self._turn:
            return list(self._named.of(await in_thread(partial(self._index.page, first, count))))

    async def find(self, text: str, start: int = -1, *, back: bool = False) -> int | None:
        """Return the number of the next line after line `start` that has a text; None: none has.

        Args:
            text: Capitals do not count.
            start: Number of a line; -1: before the first.
            back: Look for the line before it.
        """
        async with self._turn:
            return await in_thread(partial(self._index.find, text, start, back=back))

    def at(self, time: float) -> int:
        """Return the number of the first line that was printed at a time or later.

        Args:
            time: Unix seconds.
        """
        return self._index.at(time)


class _Watched(Generic[P]):
    """The nodes that may have printed something: only these are looked at.

    They are nodes with attempts on them, and nodes whose ended attempts have more log than was
    read; a node that has long been quiet is looked at less often than others.
    """

    def __init__(self, machine: Machine, follower: LogFollower[P]) -> None:
        self._machine = machine
        self._follower = follower
        self._ended: list[tuple[int, int, int, int]] = []
        """Attempts that are over and whose log is not all read: task, attempt, node, end."""
        self._next: dict[int, float] = {}
        """The time of the next look at each node, in Unix seconds."""
        self._pauses: dict[int, float] = {}

    def due(self, change: Change | None, now: float) -> list[int]:
        """Return the nodes to look at now."""
        at_once = {node for _, _, node, _ in self._ended}
        if change is not None:
            at_once |= change.nodes
            for event in change.events:
                if isinstance(event, TasksFinished):
                    node, records = event.node, event.records
                    self._ended += [(r.task, r.attempt, node, r.log_to) for r in records]
        busy = (node.number for node in self._machine.nodes if node.active)
        return [*at_once, *(n for n in busy if n not in at_once and self._next.get(n, 0.0) <= now)]

    def polled(
        self, nodes: Iterable[int], found: list[P], now: float, pace: tuple[float, float]
    ) -> None:
        """Record the result of a look: nodes that printed are looked at again soon."""
        printed, (quick, slow) = {each.node for each in found}, pace
        slow = max(slow, LOOK_S * len(self._next))
        for node in nodes:
            before = self._pauses.get(node, quick)
            pause = quick if node in printed else min(before * SLOWING, slow)
            self._pauses[node], self._next[node] = pause, now + pause

    def poll(self, nodes: Iterable[int] | None) -> list[P]:
        """Return what these nodes printed since the last look. Blocks.

        The last lines of attempts that are over are among it.
        """
        found = self._follower.poll(nodes)
        waiting = []
        for task, attempt, node, end in self._ended:
            if self._follower.position(node) >= end:
                found += self._follower.finish(task, attempt)
            else:
                waiting.append((task, attempt, node, end))
        self._ended = waiting
        return found


class _Named:
    """A filter for wanted lines, which also gives them the task ids that people know."""

    def __init__(self, machine: Machine, which: Lines) -> None:
        positions = positions_of(machine, which.tasks)
        self._since = which.since or 0.0
        self._ids = machine.running_job.spec.tasks
        self._positions = range(len(self._ids)) if positions is None else frozenset(positions)
        """Of a damaged record the task may be one that the job has not."""

    def wants(self, position: int) -> bool:
        """Return whether lines of the task at this position are wanted."""
        return position in self._positions

    def has(self, printed: LogLine | Printed) -> bool:
        """Return whether a line is wanted."""
        return printed.task in self._positions and printed.time >= self._since

    def of(self, printed: Iterable[P]) -> Iterator[P]:
        """Yield the wanted lines, with the ids of tasks."""
        at = self._ids.at
        return (
            each if at(each.task) == each.task else cast("P", each._replace(task=at(each.task)))
            for each in printed
            if self.has(each)
        )


def _ahead(machine: Machine, node: int) -> float:
    """Return by how many seconds a node's clock was ahead when it greeted."""
    return machine.nodes[node].facts.get("ahead", 0.0) if node < len(machine.nodes) else 0.0


def _select(positions: list[int] | None, which: Lines) -> Select:
    streams = {"stdout": STDOUT, "stderr": STDERR, None: None}
    if which.stream not in streams:
        raise UsageError(
            f'tasks have no stream "{which.stream}"', hint="stdout, stderr, or both: None"
        )
    stream = streams[which.stream]
    single = positions[0] if positions is not None and len(positions) == 1 else None
    return Select(single, which.attempt, stream)
