"""Cards of jobs: the head keeps its job's, a reader makes anew what is missing or left behind."""

from __future__ import annotations

from contextlib import closing, suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from batchio.core.cards import TOPIC, Wanted, card_of, is_card, is_final, summary_of, unreadable
from batchio.core.record import one_line
from batchio.errors import BatchioError, NoSuchJob
from batchio.runtime.host import in_thread
from batchio.runtime.replay import Fold
from batchio.runtime.showing import Showing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence

    from batchio.core.events import Event
    from batchio.core.machine import Machine
    from batchio.core.views import JobSummary
    from batchio.ports import Clock, JobStore, Waiting, Workspace

EVERY: Final = Wanted()

PORTION: Final = 200
"""Number of cards that are read at once while few jobs fit."""

AT_ONCE: Final = 16
"""Jobs that run and that are asked about at the same time."""

START_LIMIT_S: Final = 15.0
"""Seconds a new job's first head has to begin."""

EVERY_S: Final = 1.0
"""Seconds between two writes of a card, at least, while only counts change."""


class CardKeeper:
    """Writer of the card of a job that this head leads; at once when its state changes."""

    def __init__(
        self,
        store: JobStore,
        machine: Machine,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._open = True
        self._state = machine.state
        self._showing = Showing(store, TOPIC, self._card, EVERY_S, clock, spawn)

    async def open(self) -> None:
        """Write that a head leads the job, before it writes its first event."""
        await self._showing.write()

    def saw(self, batch: list[Event]) -> None:
        """Write the card soon after a batch was journaled."""
        changed = self._machine.state is not self._state
        self._state = self._machine.state
        self._showing.soon(hurry=changed)

    def stop(self) -> None:
        """Stop writing the card after batches."""
        self._showing.stop()

    async def close(self) -> None:
        """Write that the head has ended and that all it did stands in the journal."""
        self.stop()
        self._open = False
        await self._showing.write()

    def _card(self) -> dict[str, Any]:
        return card_of(self._machine, self._clock.now(), is_open=self._open)


def read_card(store: JobStore) -> dict[str, Any]:
    """Return a job's card as of now; never writes. Blocks, briefly when the card is valid.

    Raises:
        WorkspaceError: the card is not valid, and the journal cannot be read.
    """
    card = store.shown(TOPIC)
    led = bool(card.get("open")) and store.leader() is not None
    return card if _counts(card, led) else card_from_journal(store)


def is_young(epoch: int, submitted: float, clock: Waiting) -> bool:
    """Return whether the first head of a job is still to come."""
    return not epoch and clock.now() < submitted + START_LIMIT_S


def list_cards(
    workspace: Workspace, limit: int | None, clock: Waiting, wanted: Wanted = EVERY
) -> list[JobSummary]:
    """Return the newest wanted jobs, newest first. Blocks.

    One that cannot be read hides no other.
    """
    cards = workspace.cards()
    rows: list[JobSummary] = []
    step = limit
    while (limit is None or len(rows) < limit) and (some := list(islice(cards, step))):
        rows += filter(wanted.fits, _summaries(workspace, some, clock))
        step = step and max(step, PORTION)
    return rows[:limit]


async def watch_cards(
    workspace: Workspace,
    limit: int | None,
    clock: Waiting,
    wanted: Wanted = EVERY,
    every_s: float = EVERY_S,
) -> AsyncGenerator[list[JobSummary], None]:
    """Yield what `list_cards` returns: at once, and then whenever it has changed. Never ends.

    Args:
        every_s: Seconds between two looks.
    """
    before: list[JobSummary] | None = None
    while True:
        seen = await in_thread(partial(list_cards, workspace, limit, clock, wanted))
        if seen != before:
            yield seen
        before = seen
        await clock.sleep(every_s)


def _summaries(
    workspace: Workspace, cards: Sequence[tuple[str, Mapping[str, Any]]], clock: Waiting
) -> list[JobSummary]:
    """Return a line for each job that is still there; those that run are asked about at once."""

    def look(job: str, card: Mapping[str, Any]) -> JobSummary | None:
        store = workspace.job(job)
        try:
            return _summary(store, card, clock)
        except NoSuchJob:
            return None  # removed meanwhile
        except BatchioError as err:
            return unreadable(job, store.name(), str(err))

    from concurrent.futures import ThreadPoolExecutor  # those who list nothing do without

    live = [(job, card) for job, card in cards if not is_final(card)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        seen = {job: threads.submit(look, job, card) for job, card in live}
        rows = [seen[job].result() if job in seen else look(job, card) for job, card in cards]
    return [row for row in rows if row is not None]


def _summary(store: JobStore, card: Mapping[str, Any], clock: Waiting) -> JobSummary:
    """Return a job's line. Raises WorkspaceError: it cannot be read."""
    led = not is_final(card) and store.leader() is not None
    known = dict(card) if _counts(card, led) else card_from_journal(store)
    boot, booted = known["boot"]
    now = clock.time_of(boot, booted, known["submitted"])
    left = not known["finished"] and not led and is_left(store, clock)
    attended = False if left else True if led and not known["finished"] else None
    return summary_of(known, now, attended=attended)


def unattended(workspace: Workspace, limit: int | None, clock: Waiting) -> list[str]:
    """Return ids of those newest jobs that are not done and that no head leads. Blocks."""
    left = []
    for job, card in islice(workspace.cards(), limit):
        if is_card(card) and card["finished"]:
            continue
        with suppress(BatchioError):  # whoever looks at that job is told
            left += [job] if is_left(workspace.job(job), clock) else []
    return left


def is_left(store: JobStore, clock: Waiting) -> bool:
    """Return whether the job is not done and no head leads it, nor is its first one on its way.

    A head may have begun, or have ended well, between a look at the lease and one at the
    journal: a job is left only when no head came meanwhile.
    """
    if store.leader() is not None:
        return False
    first = card_from_journal(store)
    if (
        is_young(first["epoch"], first["submitted"], clock)
        or first["finished"]
        or store.leader() is not None
    ):
        return False
    again = card_from_journal(store)
    return again["epoch"] == first["epoch"] and not again["finished"]


def _counts(card: Mapping[str, Any], led: bool) -> bool:
    """Return whether a card is valid; one that its head left open is, while a head leads."""
    return is_card(card) and (not card["open"] or led)


def card_from_journal(store: JobStore) -> dict[str, Any]:
    """Make a job's card from its journal, as far as that is written. Blocks.

    Raises:
        WorkspaceError: the journal cannot be read.
    """
    with closing(store.reader()) as reader:
        fold = Fold(reader, lenient=True)
        fold.catch_up()
    return card_of(fold.machine, fold.machine.at, is_open=False)


def told_of(store: JobStore) -> str:
    """Return the job's name and state for its `repr`, which never fails: " hello: running"."""
    try:
        seen = summary_of(read_card(store), 0.0)
        return f" {one_line(seen.name)}: {seen.standing.replace('_', ' ')}, {seen.progress}"
    except (BatchioError, OSError):
        return ""  # removed, or on a disk that does not answer
