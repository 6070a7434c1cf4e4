"""The engine with this batchio's adapters: where a head's providers and file stores come from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from batchio import filestores, providers
from batchio.ports import Stores
from batchio.runtime.head import lead

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from batchio.core.task import Outcome
    from batchio.ports import JobStore


async def lead_here(
    store: JobStore,
    secrets: Mapping[str, str],
    kind: str,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Outcome:
    """Lead a job in the running loop, as a head of this kind. Raises as `runtime.head.lead`.

    Args:
        beside: Runs meanwhile, and is cancelled at the end.
    """
    other = asyncio.create_task(beside()) if beside else None
    try:
        return await lead(
            store,
            lambda spec: providers.load(spec, store.seed),
            stores=Stores(files=filestores.open_store, objects=filestores.open_objects),
            secrets=dict(secrets),
            kind=kind,
        )
    finally:
        if other:
            other.cancel()
