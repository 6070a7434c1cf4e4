"""The time, and waiting for it. All times are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when they are not positive."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called at `when`, Unix seconds, unless cancelled before."""
        ...


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Do not call. Quiet when it was called already."""
        ...
