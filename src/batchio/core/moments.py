"""Unix seconds as dates, for programs that calculate with dates. Pure: no clock is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from datetime import datetime


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: float | None) -> datetime | None: ...
def moment(seconds: float | None) -> datetime | None:
    """Return Unix seconds as a datetime in UTC; None for None."""
    from datetime import UTC, datetime  # most programs ask for no date

    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
