"""The async verbs over all jobs of a workspace: list them, remove them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from batchio import submit
from batchio.core.sizes import parse_duration
from batchio.runtime import cards, removing
from batchio.runtime.bridge import portable
from batchio.stores.finding import find

if TYPE_CHECKING:
    from batchio.core.cards import Removed
    from batchio.core.views import JobSummary


@portable
async def list_jobs(*, limit: int | None = 10, workspace: str | None = None) -> list[JobSummary]:
    """The newest jobs, newest first. One that cannot be read is `unreadable`, and says why."""
    place = submit.workspace_of(workspace)
    return await asyncio.to_thread(cards.list_cards, place, limit, time.time())


@portable
async def unattended(*, limit: int | None = 5, workspace: str | None = None) -> list[str]:
    """Ids among the newest `limit` jobs that are not done, and that nobody runs any more."""
    place = submit.workspace_of(workspace)
    return await asyncio.to_thread(cards.unattended, place, limit)


@portable
async def remove(job: str, *, workspace: str | None = None) -> Removed:
    """Remove a job for good, with its logs and the outputs that lie in the workspace.

    Files in a folder named by `download` or `sync` stay.

    Raises:
        UsageError: it is not done; cancel it first.
        NoSuchJob: there is none, or more than one.
    """
    place = submit.workspace_of(workspace)
    found = await asyncio.to_thread(find, place, job)
    return await asyncio.to_thread(removing.remove, place, found)


@portable
async def prune(
    *, older_than: float | timedelta | str, dry_run: bool = False, workspace: str | None = None
) -> list[Removed]:
    """Remove all jobs that were done long ago; says which. Those that are not done stay.

    Args:
        older_than: Seconds since they were done, or a text such as `"30d"`.
        dry_run: Remove nothing.

    Raises:
        UsageError: `older_than` is no duration.
    """
    place, age = submit.workspace_of(workspace), _seconds(older_than)
    return await asyncio.to_thread(removing.prune, place, time.time() - age, dry_run=dry_run)


def _seconds(duration: float | timedelta | str) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    return parse_duration(duration) if isinstance(duration, str) else float(duration)
