"""Stores whose heads die at a write to the journal: just before it, or just after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.ports import JobStore, Journal


class Crash(Exception):
    """The head is dead."""


class MortalStore:
    """A job's store, and when its heads die."""

    def __init__(self, real: JobStore) -> None:
        self._real = real
        self.fatal: Callable[[int, Sequence[str]], bool] | None = None
        """Told the number of each write, from 1, and its events: whether the head dies there."""
        self.written = True
        """Whether the fatal write is carried out."""
        self.writes = 0

    @property
    def store(self) -> JobStore:
        """This, as what a head takes."""
        return cast("JobStore", self)

    def lead(self, kind: str = "local") -> _MortalJournal:
        return _MortalJournal(self._real.lead(kind), self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _MortalJournal:
    def __init__(self, real: Journal, store: MortalStore) -> None:
        self._real = real
        self._store = store
        self.epoch = real.epoch
        self.snapshot = real.snapshot
        self.keep = real.keep
        self.close = real.close

    async def append(self, events: Sequence[str]) -> None:
        store = self._store
        store.writes += 1
        fatal = store.fatal is not None and store.fatal(store.writes, events)
        if fatal and not store.written:
            raise Crash
        await self._real.append(events)
        if fatal:
            raise Crash
