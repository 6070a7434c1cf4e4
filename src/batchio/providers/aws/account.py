"""The user's AWS account, as far as it can be asked without a job."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batchio.providers.aws import gc, here, plan, rates, setup
from batchio.providers.aws.clients import Clients, pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from batchio.core.quote import Durations, Quote
    from batchio.core.spec import JobSpec
    from batchio.ports import Finding
    from batchio.ports.account import Left, Orphan, PriceList


class AwsAccount:
    """The account whose credentials this computer has. The SDK is loaded when it is asked."""

    def __init__(self) -> None:
        self._clients = Clients()

    async def estimate(self, spec: JobSpec, durations: Durations | None) -> Quote:
        """Return what a job would cost. See the port."""
        return await plan.estimate(spec, durations)

    async def prices(self, regions: Sequence[str], *, refresh: bool) -> list[PriceList]:
        """Return the prices that are reckoned with. See the port."""
        chosen = regions or (here.usual_region() or here.FALLBACK,)
        if refresh:
            return [await rates.asked(self._clients, region, refresh=True) for region in chosen]
        return [rates.known_prices(region) for region in chosen]

    async def regions(self, *, every: bool) -> list[str]:
        """Return the usual region, or all that the account may use. See the port."""
        usual = await self._clients.usual_region()
        if not every:
            return [usual]
        ec2 = await self._clients.get("ec2", usual)
        found = await pages(ec2, "describe_regions", "Regions")
        return sorted(str(one["RegionName"]) for one in found)

    async def left(self, regions: Sequence[str]) -> Left:
        """Return what nobody leads any more. See the port."""
        return await gc.look(self._clients, regions)

    def end(self, orphans: Sequence[Orphan]) -> AsyncIterator[tuple[Orphan, str]]:
        """End each orphan. See the port."""
        return gc.end(self._clients, orphans)

    async def check(self, spec: JobSpec, workspace: str) -> list[Finding]:
        """Check what a job needs of the account. See the port."""
        from batchio.providers.aws.provider import AwsProvider

        url = urlsplit(workspace)
        provider = AwsProvider(spec, lambda: b"")
        try:
            return await provider.check(spec, url.netloc if url.scheme == "s3" else "")
        finally:
            await provider.aclose()

    def setup(self, form: str, bucket: str) -> str:
        """Return what makes the account ready. See the port."""
        return setup.text(form, bucket)

    async def aclose(self) -> None:
        """Close the connections to AWS. Repeatable."""
        await self._clients.close()
