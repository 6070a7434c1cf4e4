"""Requests to a job's head, and waiting until they stand in the journal."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchio.core.events import HeadStarted, RequestTaken
from batchio.core.task import Outcome, TaskState
from batchio.errors import BatchioError, HeadGone, LeaseHeld, UsageError
from batchio.runtime.asker import asker
from batchio.runtime.host import in_thread, sleep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from batchio.core.events import Event
    from batchio.core.machine import Machine
    from batchio.ports import JobStore, JournalReader

    Begin = Callable[[], Awaitable[None]]

MOST_NOTE: Final = 1000
"""Most characters of a note."""

ANSWER_LIMIT_S: Final = 30.0
"""Seconds that a head has to answer a request."""


async def ask(store: JobStore, request: Mapping[str, Any], begin: Begin) -> None:
    """Make a request, and return when a head has answered it; start a head if there is none.

    Raises:
        HeadGone: no head took it, and none will; says why if that is known.
        BatchioError: as `begin`.
    """
    with closing(await in_thread(store.reader)) as past:
        after = await in_thread(past.last)
        name = await in_thread(partial(store.ask, {**request, "by": asker()}))

        def answered(event: Event) -> bool:
            return isinstance(event, RequestTaken) and event.name == name

        try:
            await _until(store, past, after, answered, begin, "no head answered the request")
        except BatchioError:  # what was refused must not be done by a later head
            await in_thread(partial(store.answered, name))
            raise


def retry_of(machine: Machine, positions: list[int] | None) -> tuple[list[int], dict[str, Any]]:
    """Return the positions of the tasks that run again, and the request that says so.

    Args:
        positions: None for all that ended otherwise than succeeded; the request leaves it to the
            head which these are.

    Raises:
        UsageError: one has not ended.
    """
    tasks, ids = machine.tasks, machine.running_job.spec.tasks
    if positions is None:
        well = (Outcome.NONE, Outcome.SUCCEEDED)
        positions = [task for task in range(tasks.count) if tasks.outcome[task] not in well]
        return positions, {"kind": "retry", "tasks": None}
    for position in positions:
        if tasks.state[position] != TaskState.DONE:
            raise UsageError(f"task {ids.at(position)} has not ended yet")
    attempts = [tasks.attempt[position] for position in positions]
    return positions, {"kind": "retry", "tasks": positions, "attempts": attempts}


async def is_led(store: JobStore) -> bool:
    """Return whether a head leads the job. A lease that ends by itself is watched until it is
    renewed, or over: its holder may have died on another computer.
    """
    holder = await in_thread(store.leader)
    while holder is not None and holder.left:
        await sleep(store.pace.leader)
        now = await in_thread(store.leader)
        if now is not None and now.left > holder.left:
            return True
        holder = now
    return holder is not None


async def lead_again(store: JobStore, begin: Begin) -> None:
    """Start a head, and return when it leads.

    Raises:
        HeadGone: no head started; says why if that is known.
        BatchioError: as `begin`.
    """
    with closing(await in_thread(store.reader)) as past:
        after = await in_thread(past.last)
        if await in_thread(store.leader) is not None:
            return  # somebody else was faster

        def started(event: Event) -> bool:
            return isinstance(event, HeadStarted)

        await _until(store, past, after, started, begin, "no head started")


async def _until(
    store: JobStore,
    past: JournalReader,
    after: int,
    wanted: Callable[[Event], bool],
    begin: Begin,
    else_: str,
) -> None:
    """Return when a wanted event stands behind position `after`; looks at the store's pace."""
    give_up, look_for_leader = time.monotonic() + ANSWER_LIMIT_S, 0.0
    pause, slow = store.pace.news
    begun, patient = False, True
    try:
        while time.monotonic() < give_up:
            for position, event in await in_thread(partial(past.events, after)):
                after = position
                if wanted(event):
                    return
            if not begun and time.monotonic() >= look_for_leader:
                look_for_leader = time.monotonic() + store.pace.leader
                holder = await in_thread(store.leader)
                if patient and holder is not None:  # it may have died just now
                    give_up, patient = give_up + holder.left, False
                if holder is None:
                    begun = True
                    past.close()  # SQLite's files must not be open where a head is forked
                    try:
                        await begin()
                    except LeaseHeld:
                        begun = False  # somebody else was faster
                    past = await in_thread(store.reader)
                    give_up = time.monotonic() + ANSWER_LIMIT_S
                    continue
            await sleep(pause)
            pause = min(pause * 1.2, slow)
    finally:
        past.close()
    said = (await in_thread(store.last_words) or "").splitlines()[:1]
    raise HeadGone(
        ": ".join([f"{else_} for job {store.id}", *said]), hint=f"see {store.head_log()}"
    )
