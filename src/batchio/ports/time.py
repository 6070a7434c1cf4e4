"""The time, and waiting for it. All times are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiting(Protocol):
    """The time, and waiting for it, under any host."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when they are not positive."""
        ...


class Clock(Waiting, Protocol):
    """The time of the engine, which also calls back."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called at `when`, Unix seconds, unless cancelled before."""
        ...


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Do not call. Quiet when it was called already."""
        ...
