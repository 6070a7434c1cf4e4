"""Writing facts for people to the job's store, beside the loop: in order, and not too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Mapping

    from batchio.ports import Clock, JobStore, Timer


class Showing:
    """Writer of one topic of a job's store.

    Args:
        facts: Returns the facts at the moment when they are written.
        every: Least seconds between two writes, when there is no hurry; the store may want more.
        spawn: Runs a write beside the loop.
    """

    def __init__(
        self,
        store: JobStore,
        topic: str,
        facts: Callable[[], Mapping[str, Any]],
        every: float,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._store = store
        self._topic = topic
        self._facts = facts
        self._every = max(every, store.pace.shown)
        self._clock = clock
        self._spawn = spawn
        self._written = 0.0
        self._next: Timer | None = None
        self._writing: asyncio.Lock | None = None
        self._over = False

    def soon(self, *, hurry: bool = False) -> None:
        """Write the newest facts soon: with `hurry` at once, else `every` after the last write."""
        if self._over or (self._next is not None and not hurry):
            return
        now = self._clock.now()
        when = now if hurry else max(now, self._written + self._every)
        if self._next is not None:
            self._next.cancel()
        self._next = self._clock.call_at(when, self._begin)

    def stop(self) -> None:
        """Begin no further write."""
        self._over = True
        if self._next is not None:
            self._next.cancel()

    async def write(self) -> None:
        """Write the newest facts now, after a write that is under way has ended."""
        import asyncio  # those who only look do without

        self._writing = self._writing or asyncio.Lock()
        async with self._writing:  # a slow disk keeps the order
            facts = self._facts()
            await asyncio.to_thread(self._store.show, self._topic, facts)

    def _begin(self) -> None:
        self._next, self._written = None, self._clock.now()
        work = self.write()
        try:
            self._spawn(work)
        except RuntimeError:  # the head is ending, and nobody waits for more
            work.close()
