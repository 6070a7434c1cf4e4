"""Cards of jobs: the head keeps its job's, a reader makes anew what is missing or left behind."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from batchio.core.cards import TOPIC, Wanted, card_of, is_card, summary_of, unreadable
from batchio.core.record import one_line
from batchio.errors import BatchioError, NoSuchJob
from batchio.runtime.replay import Fold
from batchio.runtime.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from batchio.core.events import Event
    from batchio.core.machine import Machine
    from batchio.core.views import JobSummary
    from batchio.ports import Clock, JobStore, Waiting, Workspace

EVERY: Final = Wanted()

PORTION: Final = 200
"""Number of cards that are read at once while few jobs fit."""

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
    return _counting(store, store.shown(TOPIC))


def is_young(epoch: int, submitted: float, clock: Waiting) -> bool:
    """Return whether the first head of a job is still to come."""
    return not epoch and clock.now() < submitted + START_LIMIT_S


def list_cards(
    workspace: Workspace, limit: int | None, clock: Waiting, wanted: Wanted = EVERY
) -> list[JobSummary]:
    """Return the newest wanted jobs, newest first. Blocks.

    One that cannot be read hides no other.
    """
    jobs = workspace.jobs()
    rows: list[JobSummary] = []
    step = len(jobs) if limit is None else limit
    while jobs and (limit is None or len(rows) < limit):
        rows += filter(wanted.fits, _summaries(workspace, jobs[:step], clock))
        jobs, step = jobs[step:], max(step, PORTION)
    return rows[:limit]


def _summaries(workspace: Workspace, jobs: Sequence[str], clock: Waiting) -> list[JobSummary]:
    rows = []
    for job, card in zip(jobs, workspace.shown(TOPIC, jobs), strict=True):
        store = workspace.job(job)
        try:
            known = _counting(store, card)
            boot, booted = known["boot"]
            now = clock.time_of(boot, booted, known["submitted"])
            led = store.leader() is not None
            left = not known["finished"] and not led and is_left(store, clock)
            attended = False if left else True if led and not known["finished"] else None
            rows.append(summary_of(known, now, attended=attended))
        except NoSuchJob:
            continue  # removed meanwhile
        except BatchioError as err:
            rows.append(unreadable(job, store.name(), str(err)))
    return rows


def unattended(workspace: Workspace, limit: int | None, clock: Waiting) -> list[str]:
    """Return ids of those newest jobs that are not done and that no head leads. Blocks."""
    jobs = workspace.jobs()[:limit]
    left = []
    for job, card in zip(jobs, workspace.shown(TOPIC, jobs), strict=True):
        store = workspace.job(job)
        if is_card(card) and card["finished"]:
            continue
        with suppress(BatchioError):  # whoever looks at that job is told
            left += [job] if is_left(store, clock) else []
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


def _counting(store: JobStore, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return this card if it is valid, else one made from the journal."""
    if is_card(card) and (not card["open"] or store.leader() is not None):
        return dict(card)
    return card_from_journal(store)


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
