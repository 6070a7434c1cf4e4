"""Removing the packages that nodes keep between jobs; those that a job uses stay."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from typing import TYPE_CHECKING

from batchio.core.checks import integer
from batchio.errors import BatchioError, NodeError
from batchio.ports import Finding
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.runtime.breaks import BROKEN, why_broken
from batchio.runtime.checking import AT_ONCE, on_node
from batchio.software import program

if TYPE_CHECKING:
    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.ports import Provider, Transport


async def clean_nodes(provider: Provider, spec: JobSpec) -> list[tuple[Finding, int]]:
    """Remove what every node that such a job could have keeps; return how many bytes each had.

    Raises:
        UsageError, ProviderDown: there are no offers.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(offer: Offer) -> tuple[Finding, int]:
        async with gate:
            try:
                async with on_node(provider, offer, home := f"clean-{secrets.token_hex(8)}") as to:
                    return Finding(offer.id, True, ""), await _cleaned(to, home, spec)
            except BatchioError as err:
                said = str(err).removeprefix(f"{offer.id}: ")  # the finding begins with it
                return Finding(offer.id, False, said, err.hint or ""), 0
            except BROKEN as err:
                return Finding(offer.id, False, why_broken(err)), 0

    return list(await asyncio.gather(*map(one, await provider.offers(spec))))


async def _cleaned(transport: Transport, home: str, spec: JobSpec) -> int:
    """Remove what one node keeps, by a Python that an agent finds; return how many bytes."""
    address = await bootstrap(transport, home_name=home, python=spec.python)
    try:
        store = f"{os.path.dirname(address.home)}/software"
        done = await transport.run(program.command(address.python, "clean", store))
    finally:
        await remove(transport, home, python=spec.python)
    try:
        return integer(json.loads(done.stdout)["bytes"])
    except (ValueError, LookupError, TypeError):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no answer"]
        why = f"packages cannot be removed: {lines[-1]}"
        raise NodeError(why, where=transport.where) from None
