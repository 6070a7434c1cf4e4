"""Waiting for the end of a job, and telling meanwhile what people must know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.result import Result
from batchio.core.telling import Teller
from batchio.runtime.live import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.ports.keep import JobStore

LOOK_EVERY_S: Final = 0.25
"""Least seconds between two looks at the job's nodes, which may be a thousand."""


async def until_done(
    store: JobStore, tell: Callable[[str], None] | None = None, timeout: float | None = None
) -> Result:
    """Return the result of a job once it is closed.

    Args:
        tell: Gets each concern and each note, once, as it comes up.
        timeout: Seconds to wait at most.

    Raises:
        TimeoutError: `timeout` passed.
        HeadGone: nobody runs the job.
        JournalCorrupt: a damaged journal does not tell how it ended.
    """
    async with Live(store) as live:
        teller = Teller(tell, live.view) if tell else None
        look_at = 0.0
        async for change in live.changes(at_most=0.0, must_run=True, timeout=timeout):
            if teller and change.at >= look_at:
                teller.look(live.view)
                look_at = change.at + LOOK_EVERY_S
        if live.damage:
            raise live.damage
        view = live._whole_view()
        if teller:
            teller.look(view)
        return Result(view)
