"""The time, and waiting for it. All times are in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiting(Protocol):
    """The time, and waiting for it, under asyncio, trio or none.

    It passes evenly: setting the computer's clock changes nothing, and its sleep counts.
    """

    boot: str
    """Id of this computer's boot, which no other has; "" when unknown."""
    booted: float
    """When that boot began, in Unix seconds as this clock counts them."""

    def now(self) -> float:
        """Return the time in Unix seconds."""
        ...

    def time_of(self, boot: str, booted: float, latest: float) -> float:
        """Return the time as a job counts it whose head runs, or ran, in that boot.

        Of a head in another boot, or on another computer, only the time of its latest event
        is known: the time is not before that.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds; at once when they are not positive."""
        ...


class Clock(Waiting, Protocol):
    """The engine's clock, which also calls back."""

    def go_on(self, boot: str, booted: float, latest: float) -> None:
        """Count on from here as that job does; see `time_of`."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Arrange that `callback` is called at `when`, Unix seconds, unless cancelled before."""
        ...


class Timer(Protocol):
    """A call that the clock will make."""

    def cancel(self) -> None:
        """Cancel the call. Quiet when it was made already."""
        ...
