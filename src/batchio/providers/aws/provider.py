"""The provider of EC2 instances: rented, reached over SSH, and ended when they are given back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import BatchioError, NodeError, ProviderDown, Unreachable
from batchio.ports.rent import Finding, Held, NodeOrder, Notice, Refused, Rented
from batchio.providers import traits
from batchio.providers.aws import check, choice, images, network, rates, userdata
from batchio.providers.aws.asked import within_quota
from batchio.providers.aws.catalog import catalog
from batchio.providers.aws.clients import Clients, ask, pages
from batchio.providers.aws.endings import ENDING, terminate
from batchio.providers.aws.errors import code_of
from batchio.providers.aws.expiry import renewing
from batchio.providers.aws.fleet import (
    MISMATCH,
    Taken,
    answers,
    ensure_template,
    launch,
    launched_otherwise,
    ordered,
)
from batchio.providers.aws.keys import JobKeys
from batchio.providers.aws.looks import Looks
from batchio.providers.aws.tags import JOB, OWNER, tag_filter, tags_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec
    from batchio.ports import Transport

BOOT_LIMIT_S: Final = 900.0
"""Seconds that a node may take from being asked for until it answers over SSH."""

YOUNG_S: Final = 300.0
"""Seconds in which EC2 may not know yet an instance that it has just given."""

UNKNOWN_S: Final = 120.0
"""Seconds for which EC2 must not know an instance until that means it is gone."""

KNOCK_S: Final = 1.0
"""Seconds between two tries to reach a node that boots."""

LOOKS_S: Final = 2.0
"""Seconds between two looks whether a node has an address yet."""

LEASE_S: Final = 1800
"""Seconds without a word from the head after which a node ends by itself."""

LIVING: Final = ("pending", "running", "stopping", "stopped")


class AwsProvider:
    """A provider that rents instances in the user's own account.

    A handle is region and instance id: `us-east-1/i-0123`.

    Args:
        seed: Returns the job's secret seed, from which the keys of its nodes are made.
    """

    name = "aws"

    def __init__(self, spec: JobSpec, seed: Callable[[], bytes]) -> None:
        self.traits = traits(self.name)
        self._spec = spec
        self._seed = seed
        self._clients = Clients()
        self._looks = Looks(self._clients)
        self._keys: JobKeys | None = None
        self._given: dict[str, float] = {}
        """When an instance was first heard of, by the steady clock."""
        self._unknown: dict[str, float] = {}
        """Since when EC2 has said that it does not know an instance which was to end."""
        self._mismatched: dict[str, float] = {}
        """Since when EC2 has said that it launched an order by another request."""
        self._allowed: str | None = None

    # --- what there is -------------------------------------------------------

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """Return the offers of each region in turn; what a request will need is settled in them.

        None has more nodes than its quota has room for, where AWS says it.

        Raises:
            UsageError, NotAuthorised, ProviderDown: as `listed`.
        """
        found = await self.listed(spec)
        return list(await asyncio.gather(*(within_quota(self._clients, one) for one in found)))

    async def listed(self, spec: JobSpec) -> list[Offer]:
        """Return the offers without a look at the quotas.

        Raises:
            UsageError: nothing fits, or a name is unknown.
            NotAuthorised, ProviderDown: AWS refused or did not answer.
        """
        regions = await self._known_regions()
        owner = await self._owner(regions[0])
        found: list[Offer] = []
        for region in regions:
            found += await self._offers(spec, region, owner)
        return found

    async def _offers(self, spec: JobSpec, region: str, owner: str) -> list[Offer]:
        there, nets = await asyncio.gather(
            catalog(self._clients, region), network.subnets(self._clients, region, spec.subnet)
        )
        arches = {kind.arch for kind in there.kinds.values() if kind.name in spec.vm_types}
        arch = next(iter(arches)) if len(arches) == 1 else "aarch64" if spec.arm else "x86_64"
        named = images.named(spec, arch)
        image = spec.image or await images.image_id(self._clients, region, named)
        root = await self._root(region, image, arch)
        known = await asyncio.to_thread(rates.cached, region)
        disk = choice.disk_gb(spec)
        place = choice.Place(region, {arch: image}, named.user, nets, owner, root, disk, known)
        prices = await self._spot_prices(spec, region)
        return choice.offers(spec, place, there.kinds, there.zones, prices)

    async def _root(self, region: str, image: str, arch: str) -> str:
        """Return the name of an image's root disk."""
        ec2 = await self._clients.get("ec2", region)
        return await images.root_disk(ec2, region, image, arch)

    async def _spot_prices(self, spec: JobSpec, region: str) -> dict[tuple[str, str], float]:
        """Return the spot prices of now, by type and zone; none where none is asked for."""
        if spec.spot_policy not in ("spot", "spot_with_fallback"):
            return {}
        there = await catalog(self._clients, region)
        fit = [kind.name for kind in choice.cheapest(spec, region, there.kinds.values())]
        ec2 = await self._clients.get("ec2", region)
        found = await pages(
            ec2, "describe_spot_price_history", "SpotPriceHistory", InstanceTypes=fit,
            ProductDescriptions=["Linux/UNIX"], StartTime=int(time.time()),
        )  # fmt: skip
        return {
            (item["InstanceType"], item["AvailabilityZone"]): float(item["SpotPrice"])
            for item in found
        }

    async def _owner(self, region: str) -> str:
        sts = await self._clients.get("sts", region)
        return str((await ask(sts, "get_caller_identity"))["Arn"])

    # --- taking --------------------------------------------------------------

    async def create(self, order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Take the nodes of an order with one call. See the port."""
        for at, (offer, nodes) in enumerate(order.lines):
            detail = offer.detail
            ec2 = await self._clients.get("ec2", offer.region)
            group = await network.security_group(
                self._clients, offer.region, detail["vpc"], order.job, detail["owner"],
                await self._let_in(),
            )  # fmt: skip
            template = await ensure_template(
                ec2, order.job, detail, group, self._user_data(detail), self._spec.profile
            )
            token = f"{order.token}-{at}" if at else order.token
            try:
                taken, why = await launch(ec2, token, order.job, offer, len(nodes), template)
            except BatchioError as error:
                if code_of(error)[0] != MISMATCH:
                    raise
                taken, why = await self._launched(ec2, token, offer, error)
            now = time.monotonic()
            for answer in answers(offer, nodes, taken, why):
                if isinstance(answer, Rented):
                    self._given.setdefault(answer.handle, now)
                yield answer

    async def _launched(
        self, ec2: Any, token: str, offer: Offer, error: BatchioError
    ) -> tuple[list[Taken], list[BatchioError]]:
        """Return what an order has that EC2 launched by another request, and why it has no more.

        Raises:
            BatchioError: EC2 may not know all of its instances by their tag yet; ask again.
        """
        now = time.monotonic()
        if now - self._mismatched.setdefault(token, now) < UNKNOWN_S:
            raise error
        return sorted(await ordered(ec2, token)), [launched_otherwise(token, offer)]

    def _user_data(self, detail: Mapping[str, Any]) -> str:
        timeout = self._spec.job_timeout
        life = int(timeout) + userdata.SPARE_S if timeout else userdata.LIFE_S
        return userdata.user_data(
            self._job_keys(), owner=detail["owner"], lease_s=LEASE_S, life_s=life,
        )  # fmt: skip

    def _job_keys(self) -> JobKeys:
        if self._keys is None:
            self._keys = JobKeys.of(self._seed())
        return self._keys

    async def _let_in(self) -> str:
        """Return the addresses from which SSH is let in, as a CIDR."""
        if self._allowed is None:
            asked = self._spec.allow_ssh_from or "me"
            self._allowed = {
                "everyone": "0.0.0.0/0", "me": ""
            }.get(asked, asked) or await network.own_address()  # fmt: skip
        return self._allowed

    # --- the way there -------------------------------------------------------

    async def connect(self, handle: str) -> Transport:
        """Wait until the node has booted, and open a connection that trusts its own key alone.

        Raises:
            Unreachable: it does not answer yet; asking again may help.
            NodeError: it has ended.
            NotAuthorised: it shows another key, or refuses ours.
        """
        from batchio.transports import ssh

        region, instance = _parts(handle)
        keys, started = self._job_keys(), self._given.setdefault(handle, time.monotonic())
        while True:
            try:
                seen = await self._looks.at(region, instance)
            except ProviderDown as error:
                if time.monotonic() - started > BOOT_LIMIT_S:
                    raise Unreachable(str(error), where=handle) from error
                await asyncio.sleep(LOOKS_S)
                continue
            if seen is not None and seen.state in ENDING:
                raise NodeError(f"it has ended: {seen.why or seen.state}", where=handle)
            if seen is not None and seen.state == "running" and seen.address:
                target = ssh.SshTarget(
                    seen.address, images.named(self._spec, "x86_64").user,
                    keys=(keys.login.private.encode(),),
                    pinned=f"{seen.address} {keys.host.public}\n", name=handle,
                )  # fmt: skip
                try:
                    return await ssh.connect(target)
                except Unreachable:
                    if time.monotonic() - started > BOOT_LIMIT_S:
                        raise
                await asyncio.sleep(KNOCK_S)
                continue
            if time.monotonic() - started > BOOT_LIMIT_S:
                state = seen.state if seen else "not there"
                raise Unreachable(f"still {state} after {BOOT_LIMIT_S:g} s", where=handle)
            await asyncio.sleep(LOOKS_S)

    async def locate(self, handles: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the address of each node that EC2 knows and that has not ended."""
        found: dict[str, Mapping[str, Any]] = {}
        for region, instances in _by_region(handles):
            seen = await self._looks.now(region, instances)
            for instance in instances:
                handle, one = f"{region}/{instance}", seen.get(instance)
                if one is None and self._is_young(handle):
                    found[handle] = {}
                elif one is not None and one.state not in ENDING:
                    found[handle] = {"host": one.address}
        return found

    def _is_young(self, handle: str) -> bool:
        given = self._given.get(handle)
        return given is not None and time.monotonic() - given < YOUNG_S

    # --- giving back ---------------------------------------------------------

    async def delete(self, handles: Sequence[str]) -> frozenset[str]:
        """End nodes; return those that EC2 says are ending, or does not know any more."""
        gone: set[str] = set()
        for region, instances in _by_region(handles):
            ec2 = await self._clients.get("ec2", region)
            ending, unknown = await terminate(ec2, instances)
            gone |= {f"{region}/{instance}" for instance in ending}
            now = time.monotonic()
            for handle in (f"{region}/{instance}" for instance in unknown):
                # EC2 may not know it yet: only what stays unknown is gone.
                if now - self._unknown.setdefault(handle, now) >= UNKNOWN_S:
                    gone.add(handle)
        return frozenset(gone)

    async def end(self, job: str) -> list[str]:
        """Remove what was made for the job beside its nodes; return what could not be removed."""
        left: list[str] = []
        for region in await self._regions():
            left += await network.remove(self._clients, region, job)
        return left

    async def watch(self, job: str) -> AsyncIterator[Notice]:
        """Say of what is held that it is somebody's; notices reach the agents, on the nodes."""
        await renewing(self._clients, await self._regions(), job)
        return
        yield

    async def held(self, job: str | None = None) -> AsyncIterator[Held]:
        """Yield the instances that are tagged as the job's, or as this user's."""
        regions = await self._regions()
        owner = await self._owner(regions[0])
        which = tag_filter(JOB, job) if job else tag_filter(OWNER, owner[:255])
        living = {"Name": "instance-state-name", "Values": list(LIVING)}
        for region in regions:
            ec2 = await self._clients.get("ec2", region)
            for reservation in await pages(
                ec2, "describe_instances", "Reservations", Filters=[which, living]
            ):
                for one in reservation["Instances"]:
                    yield self._held(region, one)

    def _held(self, region: str, one: Mapping[str, Any]) -> Held:
        tags = tags_of(dict(one))
        return Held(
            f"{region}/{one['InstanceId']}",
            tags.get(JOB, ""),
            tags,
            one["LaunchTime"].timestamp(),
            0.0,
            one["State"]["Name"],
        )

    async def _regions(self) -> tuple[str, ...]:
        return self._spec.regions or (await self._clients.usual_region(),)

    async def _known_regions(self) -> tuple[str, ...]:
        """Return the regions of the job; whoever asks in one that AWS has not is not answered.

        Raises:
            UsageError: AWS has no such region, or none is named.
        """
        regions = await self._regions()
        for region in regions:
            await self._clients.check_region(region)
        return regions

    # --- before --------------------------------------------------------------

    async def check(self, spec: JobSpec, bucket: str = "") -> list[Finding]:
        """Check the credentials, the rights, and that there is something to rent; takes nothing."""
        try:
            region, *_ = await self._known_regions()
        except BatchioError as error:
            return [Finding("region", False, str(error), error.hint or "")]
        return await check.findings(self._clients, spec, region, bucket, self.listed)

    async def aclose(self) -> None:
        """Close the connections to AWS."""
        await self._clients.close()


def _parts(handle: str) -> tuple[str, str]:
    region, _, instance = handle.partition("/")
    return region, instance


def _by_region(handles: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    regions: dict[str, list[str]] = {}
    for handle in handles:
        region, instance = _parts(handle)
        regions.setdefault(region, []).append(instance)
    return regions.items()
