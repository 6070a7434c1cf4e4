"""What can be asked of the accounts from which nodes are rented, with no job or before one.

The verbs are asyncio's, as the SDKs of clouds are; the command line runs them in a loop.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from batchio import providers, submit
from batchio.core.lens import Order
from batchio.core.quote import Durations
from batchio.core.sizes import format_duration, parse_duration
from batchio.errors import BatchioError, UsageError
from batchio.job import Job
from batchio.runtime.host import in_thread
from batchio.stores.finding import find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.core.quote import Quote
    from batchio.ports import Finding, Workspace
    from batchio.ports.account import Left, Orphan, PriceList

MOST: Final = 0.9
"""Of the tasks of an earlier job so many ran no longer than `Durations.most`."""


async def estimate(prepared: submit.Prepared, expect: str | None = None) -> Quote | None:
    """Return what a job would cost that `submit.prepare` planned; None where nothing is rented.

    Args:
        expect: How long a task runs, such as "10m"; None: as in the newest job of that name.

    Raises:
        UsageError: nothing fits what the job asks for, or a name is unknown.
    """
    if not prepared.rents:
        return None
    spec = await in_thread(lambda: prepared.spec)
    if expect is not None:
        seconds = parse_duration(expect)
        durations: Durations | None = Durations(seconds, seconds, "--expect")
    else:
        durations = await _earlier(prepared.workspace, spec.name)
    account = providers.account(spec.provider)
    try:
        return await account.estimate(spec, durations)
    finally:
        await account.aclose()


async def _earlier(workspace: Workspace, name: str) -> Durations | None:
    """Return how long the tasks ran that succeeded in the newest job of a name; None: unknown."""
    try:
        job = await in_thread(partial(find, workspace, name))
        view = await Job(workspace, job).status()
    except BatchioError:
        return None
    found = view.select("succeeded", Order("duration"))
    if not found:
        return None
    places = (len(found) // 2, min(int(len(found) * MOST), len(found) - 1))
    half, most = (row.duration or 0.0 for row in view.rows(found[place] for place in places))
    said = f"job {job}: half of its tasks took {format_duration(half)} at most"
    return Durations(half, most, said)


async def prices(
    name: str, regions: Sequence[str] = (), *, refresh: bool = False
) -> list[PriceList]:
    """Return the prices that are reckoned with at a provider that rents.

    Args:
        regions: Where; (): the usual region.
        refresh: Ask for them anew, and keep them for a week.

    Raises:
        UsageError: the provider rents nothing.
        NotAuthorised, ProviderDown: they cannot be asked for.
    """
    account = providers.account(name)
    try:
        return await account.prices(regions, refresh=refresh)
    finally:
        await account.aclose()


async def regions(name: str, *, every: bool) -> list[str]:
    """Return the usual region at a provider that rents; with `every` all that may be used.

    Raises:
        UsageError, NotAuthorised, ProviderDown: it cannot be found out.
    """
    account = providers.account(name)
    try:
        return await account.regions(every=every)
    finally:
        await account.aclose()


async def orphans(name: str, regions: Sequence[str]) -> Left:
    """Return what is held in these regions of jobs that nobody leads any more, by tags alone."""
    account = providers.account(name)
    try:
        return await account.left(regions)
    finally:
        await account.aclose()


async def end_orphans(
    name: str, found: Sequence[Orphan], ended: Callable[[Orphan, str], None]
) -> None:
    """End what is left; tell of each, with why it could not be ended, or ""."""
    account = providers.account(name)
    try:
        async for orphan, why in account.end(found):
            ended(orphan, why)
    finally:
        await account.aclose()


async def check(prepared: submit.Prepared) -> list[Finding]:
    """Check what a job on rented nodes needs of the account; takes nothing.

    Raises:
        UsageError: its provider rents nothing.
    """
    spec = await in_thread(lambda: prepared.spec)
    account = providers.account(spec.provider)
    try:
        return await account.check(spec, prepared.workspace.url)
    finally:
        await account.aclose()


async def preflight(prepared: submit.Prepared) -> list[str]:
    """Check, where nodes cost money, that a job may begin; return what should be known of it.

    Raises:
        UsageError: it could not run; nothing was made.
    """
    if not prepared.rents:
        return []
    found = await check(prepared)
    for finding in found:
        if finding.ok is False:
            raise UsageError(f"{finding.name}: {finding.said}", hint=finding.hint or None)
    return [f"{one.name}: {one.said}" for one in found if one.ok is None and one.hint]


def setup(name: str, form: str, bucket: str) -> str:
    """Return what makes an account ready for jobs, for a tool of the provider's to apply.

    Raises:
        UsageError: the provider rents nothing, or there is no such form.
    """
    return providers.account(name).setup(form, bucket)
