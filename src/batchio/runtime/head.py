"""The head: the process that holds a job's lease runs the engine loop until the job is closed.

`lead` runs inside any asyncio loop; `batchio.heads` says in which.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchio.core import events as ev
from batchio.core.cards import TOPIC, card_of
from batchio.core.node import NodeState
from batchio.errors import BatchioError, JobMoved, JournalFull, UsageError
from batchio.ports import Stores
from batchio.runtime.cards import CardKeeper
from batchio.runtime.clock import RealClock
from batchio.runtime.loop import EngineLoop
from batchio.runtime.perform import EffectRunner
from batchio.runtime.replay import Fold
from batchio.runtime.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.core.task import Outcome
    from batchio.ports import Clock, JobStore, Journal, Provider


def _no_store(url: str) -> Any:
    raise UsageError(f"this head opens no stores, such as {url}")


NO_STORES: Final = Stores(files=_no_store, objects=_no_store)
"""For heads of jobs that name no stores."""

TIDY_S: Final = (0.0, 2.0, 10.0, 20.0, 30.0, 60.0, 60.0, 60.0, 60.0)
"""Seconds before each try to remove what was made for a job beside its nodes."""


async def lead(
    store: JobStore,
    provider: Callable[[JobSpec], Provider],
    *,
    stores: Stores = NO_STORES,
    secrets: dict[str, str] | None = None,
    clock: Clock | None = None,
    kind: str = "local",
) -> Outcome:
    """Take the job's lease, go on where its journal ends, and run it to its end.

    Args:
        provider: Called once, with the spec of the job.
        stores: Open the stores of URLs, if the spec names any.
        secrets: Values by name; they go to nodes and are written nowhere.
        kind: Kind of this head, as in `JobSpec.head`.

    Raises:
        LeaseHeld: another head has it.
        JournalFull: the disk is full. Everything that ran was stopped.
        JobMoved: the job was moved or deleted. The same.
        JournalCorrupt: the journal cannot be followed.
    """
    clock = clock or RealClock()
    journal = await asyncio.to_thread(store.lead, kind)
    try:
        machine = await asyncio.to_thread(_replayed, store)
        clock.go_on(machine.running_job.boot, machine.running_job.booted, machine.at)
        lacking = set(machine.running_job.spec.secret_names) - set(secrets or {})
        requests = Requests(store, machine, clock, lacking)
        asked = await requests.read_new()
        await requests.drop_answered()
        if machine.running_job.closed and not asked:
            card = card_of(machine, clock.now(), is_open=False)
            await asyncio.to_thread(store.show, TOPIC, card)
            return machine.outcome
        first = [*_takeover(machine, journal.epoch, kind, clock), *asked]
        lender = provider(machine.running_job.spec)
        try:
            runner = partial(EffectRunner, machine, store, lender, stores)
            await _run(store, machine, journal, requests, first, runner, secrets or {}, clock)
            await _tidied(lender, machine.running_job.id, clock)
        finally:
            with suppress(Exception):  # the job is over, whatever its provider says to that
                await lender.aclose()
        return machine.outcome
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    finally:
        await journal.close()


async def _run(
    store: JobStore,
    machine: Machine,
    journal: Journal,
    requests: Requests,
    first: list[ev.Event],
    runner: Callable[..., EffectRunner],
    secrets: dict[str, str],
    clock: Clock,
) -> None:
    """Run the engine loop, and the tasks beside it, until the job is closed."""
    loop = EngineLoop(machine, journal, clock)
    async with asyncio.TaskGroup() as group:
        performer = runner(loop.post, clock, group, secrets, journal.epoch)
        cards = CardKeeper(store, machine, clock, group.create_task)
        await cards.open()
        works = (requests.watch(loop.post), requests.drop(), journal.keep())
        beside = [group.create_task(work) for work in works]
        try:
            await loop.run(performer, first, watchers=(performer.saw, requests.saw, cards.saw))
            await performer.tidy()
        except (JournalFull, JobMoved):
            await performer.abandon()
            raise
        finally:
            for task in beside:
                task.cancel()
            performer.let_go()
            cards.stop()
    await cards.close()
    await requests.drop_answered()


async def _tidied(lender: Provider, job: str, clock: Clock) -> None:
    """Have the provider remove what it made for the job, while it is not yet possible again."""
    left: Sequence[str] = ()
    for pause in TIDY_S:
        await clock.sleep(pause)
        try:
            left = await lender.end(job)
        except Exception as error:  # the job is over, whatever its provider says to that
            left = (str(error),)
        if not left:
            return
    sys.stderr.write(f"left with the provider: {', '.join(left)}\n")


def _replayed(store: JobStore) -> Machine:
    with closing(store.reader()) as reader:
        fold = Fold(reader)
        fold.catch_up()
        return fold.machine


def _first(error: BaseException) -> BaseException:
    """Return the first error of batchio in nested exception groups, else the first error."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(BatchioError)
        error = (ours or error).exceptions[0]
    return error


def _takeover(machine: Machine, epoch: int, kind: str, clock: Clock) -> list[ev.Event]:
    """Return the first events of a new head: it has no connections, so ready nodes are silent."""
    now, host = clock.now(), socket.gethostname()
    first: list[ev.Event] = [
        ev.HeadStarted(now, epoch, host, os.getpid(), kind, boot=clock.boot, booted=clock.booted),
    ]
    first += [
        ev.NodeSilent(now, node.number, "another head took over")
        for node in machine.nodes
        if node.state is NodeState.READY
    ]
    return first
