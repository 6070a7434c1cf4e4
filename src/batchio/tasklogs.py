"""What tasks printed, for the verbs: chosen by task ids, past or as it comes."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from batchio.core.arrays import parse_ids
from batchio.core.events import TasksFinished
from batchio.errors import UsageError
from batchio.runtime.watching import Watch
from batchio.stores import logs as printed_logs
from batchio.stores.log_records import STDERR, STDOUT, Select
from batchio.stores.logs import LogLine, Printed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from pathlib import Path

    from batchio.core.events import Event
    from batchio.core.machine import Machine
    from batchio.ports import JobStore

T = TypeVar("T")
P = TypeVar("P", LogLine, Printed)

CHUNK: Final = 1000
"""Lines read in a thread at once."""

PAUSE_S: Final = (0.02, 0.3)
"""Seconds between two looks at growing logs: after news, and after a long quiet."""


class Lines(NamedTuple):
    """Which lines are wanted."""

    tasks: list[int] | None = None
    """Ids, or all."""
    attempt: int | None = None
    stream: str | None = None
    since: float | None = None
    tail: int | None = None


def chosen(tasks: str | int | None) -> list[int] | None:
    """Ids that a person named, such as `3` or `"2,4-6"`.

    Raises:
        UsageError: they make no sense.
    """
    if tasks is None:
        return None
    return [tasks] if isinstance(tasks, int) else list(parse_ids(tasks))


def positions_of(machine: Machine, ids: list[int] | None) -> list[int] | None:
    """The positions of ids in their job.

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


async def past_lines(store: JobStore, which: Lines) -> AsyncGenerator[LogLine, None]:
    """Lines that were printed so far, by time."""
    machine = await _machine(store)
    named = _Named(machine, which)
    lines = _past(store.logs(), machine, which)
    while chunk := await asyncio.to_thread(lambda: list(islice(lines, CHUNK))):
        for line in named.of(chunk):
            yield line


async def past_raw(store: JobStore, which: Lines) -> AsyncGenerator[Printed, None]:
    """What was printed so far, byte for byte, by time; `which.tail` is of no meaning."""
    machine = await _machine(store)
    logs, named = store.logs(), _Named(machine, which)
    positions = positions_of(machine, which.tasks)
    select, ahead = _select(positions, which), partial(_ahead, machine)
    if printed_at := _log_range(machine, positions, which):
        found = printed_logs.raw(logs, *printed_at, select, ahead=ahead(printed_at[0]))
    else:
        found = printed_logs.all_raw(logs, select, ahead)
    while chunk := await asyncio.to_thread(lambda: list(islice(found, CHUNK))):
        for piece in named.of(chunk):
            yield piece


async def _machine(store: JobStore) -> Machine:
    watch = Watch(store)
    try:
        await watch.catch_up()
    finally:
        watch.close()
    return watch.machine


def _past(logs: Path, machine: Machine, which: Lines) -> Iterator[LogLine]:
    positions = positions_of(machine, which.tasks)
    select, ahead = _select(positions, which), partial(_ahead, machine)
    if which.tail is not None and (positions is None or len(positions) == 1):
        return iter(printed_logs.last_lines(logs, which.tail, select, ahead))
    if printed_at := _log_range(machine, positions, which):
        return printed_logs.node_lines(logs, *printed_at, select, ahead=ahead(printed_at[0]))
    lines = printed_logs.all_lines(logs, select, ahead)
    if which.tail is None:
        return lines
    from collections import deque

    wanted = _Named(machine, which)
    return iter(deque((line for line in lines if wanted.has(line)), which.tail))


def _log_range(
    machine: Machine, positions: list[int] | None, which: Lines
) -> tuple[int, int, int] | None:
    """Node and offsets of what a single task printed, when the columns know that."""
    if positions is None or len(positions) != 1 or which.attempt is not None:
        return None
    tasks, at = machine.tasks, positions[0]
    if not tasks.ended[at] or tasks.attempt[at] != 1:
        return None
    return tasks.node[at], tasks.log_from[at], tasks.log_to[at]


async def follow_lines(store: JobStore, which: Lines) -> AsyncGenerator[LogLine, None]:
    """Lines as they are printed, until the job is done.

    Raises:
        HeadGone: nobody runs the job any more, and it is not done.
    """
    watch = Watch(store)
    try:
        follower, named = await _follower(store, watch, which)
        if which.tail is not None:
            for line in named.of(await asyncio.to_thread(follower.last, which.tail)):
                yield line
        ended = _Ended()

        def poll(batch: list[Event], over: bool) -> list[LogLine]:
            ended.note(batch)
            lines = follower.poll()
            lines += ended.last_words(follower.position, follower.finish)
            return follower.finish() if over and not lines else lines

        async for lines in _growing(watch, poll):
            for line in named.of(lines):
                yield line
    finally:
        watch.close()


async def follow_raw(store: JobStore, which: Lines) -> AsyncGenerator[Printed, None]:
    """As `past_raw`, and on until the job is done.

    Raises:
        HeadGone: nobody runs the job any more, and it is not done.
    """
    watch = Watch(store)
    try:
        follower, named = await _follower(store, watch, which)
        ended = _Ended()

        def poll(batch: list[Event], over: bool) -> list[Printed]:
            ended.note(batch)
            found = follower.poll_raw()
            found += ended.last_words(follower.position, follower.finish_raw)
            return follower.finish_raw() if over and not found else found

        async for found in _growing(watch, poll):
            for piece in named.of(found):
                yield piece
    finally:
        watch.close()


async def _follower(
    store: JobStore, watch: Watch, which: Lines
) -> tuple[printed_logs.LogFollower, _Named]:
    await watch.catch_up()
    select = _select(positions_of(watch.machine, which.tasks), which)
    ahead = partial(_ahead, watch.machine)
    follower = printed_logs.LogFollower(store.logs(), select, ahead)
    return follower, _Named(watch.machine, which)


async def _growing(
    watch: Watch, poll: Callable[[list[Event], bool], list[T]]
) -> AsyncGenerator[list[T], None]:
    """What `poll` finds, until the job is done and there is no more.

    It is called in a thread, with what happened since and whether the job is over.
    """
    batch: list[Event] = []
    pause = PAUSE_S[0]
    while True:
        over = watch.done
        found = await asyncio.to_thread(poll, batch, over)
        yield found
        if over and not found:
            return
        batch = [] if over else await watch.look()
        pause = PAUSE_S[0] if found or batch else min(pause * 1.2, PAUSE_S[1])
        if not found:
            await asyncio.sleep(pause)


class _Ended:
    """Attempts that are over, until all they printed has been read."""

    def __init__(self) -> None:
        self._open: list[tuple[int, int, int, int]] = []

    def note(self, batch: list[Event]) -> None:
        """Remember those that ended."""
        for event in batch:
            if isinstance(event, TasksFinished):
                self._open += [(r[0], r[1], event.node, r[9]) for r in event.records]

    def last_words(
        self, position: Callable[[int], int], finish: Callable[[int, int], list[T]]
    ) -> list[T]:
        """Their last lines, where no newline ended them.

        Args:
            position: Up to where a node was read.
            finish: Gives the last lines of an attempt.
        """
        found, waiting = list[T](), []
        for task, attempt, node, end in self._open:
            if position(node) >= end:
                found += finish(task, attempt)
            else:
                waiting.append((task, attempt, node, end))
        self._open = waiting
        return found


class _Named:
    """Picks what is wanted, and gives them the task ids that people know."""

    def __init__(self, machine: Machine, which: Lines) -> None:
        positions = positions_of(machine, which.tasks)
        self._positions = None if positions is None else frozenset(positions)
        self._since = which.since or 0.0
        self._ids = machine.running_job.spec.tasks

    def has(self, printed: LogLine | Printed) -> bool:
        """Whether it is wanted."""
        mine = self._positions is None or printed.task in self._positions
        return mine and printed.time >= self._since

    def of(self, printed: Iterable[P]) -> Iterator[P]:
        """The wanted ones."""
        at = self._ids.at
        return (each._replace(task=at(each.task)) for each in printed if self.has(each))


def _ahead(machine: Machine, node: int) -> float:
    """By how many seconds the node's clock was ahead when it greeted."""
    facts = machine.nodes[node].facts if node < len(machine.nodes) else {}
    return float(facts.get("ahead") or 0.0)


def _select(positions: list[int] | None, which: Lines) -> Select:
    stream = {"stdout": STDOUT, "stderr": STDERR, None: None}[which.stream]
    single = positions[0] if positions is not None and len(positions) == 1 else None
    return Select(single, which.attempt, stream)
