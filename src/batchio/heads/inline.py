"""The inline head: the caller leads the job itself, inside its own event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchio.heads.leading import lead_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.ports import JobStore


async def lead_inline(store: JobStore, secrets: Mapping[str, str]) -> None:
    """Lead a job until it is done. When the caller is cancelled, so is the job, cleanly.

    Cancelled once more, it is left as by a head that was killed.

    Raises:
        BatchioError: as `runtime.head.lead`.
    """
    work = lead_here(store, secrets, "inline")
    leading = asyncio.create_task(work)
    try:
        await asyncio.shield(leading)
    except asyncio.CancelledError:
        if not leading.done():
            store.ask({"kind": "cancel", "tasks": None, "why": "its caller was cancelled"})
            await leading
        raise
