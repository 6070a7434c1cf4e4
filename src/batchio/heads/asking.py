"""Requests to a job's head, and waiting until they stand in the journal."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchio.core.events import HeadStarted, RequestTaken
from batchio.errors import BatchioError, HeadGone, LeaseHeld
from batchio.runtime.asker import asker
from batchio.runtime.host import in_thread, sleep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from batchio.core.events import Event
    from batchio.ports import JobStore, JournalReader

    Begin = Callable[[], Awaitable[None]]

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
            await _until(store, past, after, answered, begin, "no head took the request")
        except BatchioError:  # what was refused must not be done by a later head
            await in_thread(partial(store.answered, name))
            raise


async def lead_again(store: JobStore, begin: Begin) -> None:
    """Start a head, and return when it leads.

    Raises:
        HeadGone: no head would start; says why if that is known.
    """
    with closing(await in_thread(store.reader)) as past:
        after = await in_thread(past.last)
        if await in_thread(store.leader) is not None:
            return  # somebody else was faster

        def started(event: Event) -> bool:
            return isinstance(event, HeadStarted)

        await _until(store, past, after, started, begin, "no head would start")


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
    begun = False
    try:
        while time.monotonic() < give_up:
            for position, event in await in_thread(partial(past.events, after)):
                after = position
                if wanted(event):
                    return
            if not begun and time.monotonic() >= look_for_leader:
                look_for_leader = time.monotonic() + store.pace.leader
                if await in_thread(store.leader) is None:
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
