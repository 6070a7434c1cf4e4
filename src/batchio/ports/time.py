"""The time, and waiting for it. All times are in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiting(Protocol):
    """The time, and waiting for it, under asyncio, trio or none."""

    def now(self) -> float:
        """Return the time in Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds; at once when they are not positive."""
        ...


class Clock(Waiting, Protocol):
    """The engine's clock, which also calls back."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Arrange that `callback` is called at `when`, Unix seconds, unless cancelled before."""
        ...


class Timer(Protocol):
    """A call that the clock will make."""

    def cancel(self) -> None:
        """Cancel the call. Quiet when it was made already."""
        ...
