"""What is left of jobs that nobody leads any more: found by tags alone, and ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from batchio.core.ids import is_job_id, submitted_at
from batchio.core.sizes import format_dollars
from batchio.errors import BatchioError
from batchio.ports.account import Left, Orphan
from batchio.providers.aws import choice, known, prices, rates
from batchio.providers.aws.clients import ask
from batchio.providers.aws.endings import terminate
from batchio.providers.aws.expiry import ENDED, date_of, expired
from batchio.providers.aws.tags import JOB, tag_filter, tags_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from batchio.providers.aws.clients import Clients

SPARE_S: Final = 600.0
"""Seconds beyond its time in which something is left alone."""

A_PAGE: Final = 100
"""Instances of one page."""

INSTANCE, TEMPLATE, GROUP = "instance", "launch template", "security group"

FREED_S: Final = 10.0
"""Seconds between two tries to remove a group that instances were in; `FREED` of them are made."""

FREED: Final = 12


async def look(clients: Clients, regions: Sequence[str]) -> Left:
    """Look for orphans in these regions."""
    orphans: list[Orphan] = []
    unknown: list[str] = []
    alive = 0
    for region in regions:
        looked = _Look(clients, region)
        try:
            await looked.instances()
            await looked.others()
        except BatchioError as error:
            unknown.append(f"{region}: {error}")
        orphans += looked.orphans
        alive += looked.alive
    return Left(tuple(orphans), alive, tuple(unknown))


async def told(clients: Clients, regions: Iterable[str]) -> str:
    """Return a sentence about instances that nobody leads any more, for whoever asks AWS anyway.

    "" when there are none, or where they cannot be looked at: only `batchio gc` has to know.
    """
    there: list[Orphan] = []
    for region in regions:
        looked = _Look(clients, region)
        with suppress(BatchioError):
            await looked.instances()
        there += looked.orphans
    if not there:
        return ""
    where = sorted({orphan.handle.partition("/")[0] for orphan in there})
    hourly = sum(orphan.rate or 0.0 for orphan in there)
    cost = f", about {format_dollars(hourly)} an hour" if hourly else ""
    who = f"{len(there)} instance{'s' if len(there) > 1 else ''}"
    asked = " ".join(f"--region {region}" for region in where)
    return f"{who} of jobs that nobody leads any more{cost}: batchio gc {asked}"


class _Look:
    """One look at one region. What was read before it failed is known all the same."""

    def __init__(self, clients: Clients, region: str) -> None:
        self._clients = clients
        self._region = region
        self._rates: Mapping[str, float] = rates.cached(region)
        self._kinds = known.kinds()
        self._led: set[str] = set()
        """Jobs that have instances which are somebody's."""
        self.orphans: list[Orphan] = []
        self.alive = 0

    async def instances(self) -> None:
        """Look at all instances, page by page."""
        async for page, now in self._pages("describe_instances"):
            for reservation in page["Reservations"]:
                for one in reservation["Instances"]:
                    if one["State"]["Name"] not in ENDED:
                        made = one["LaunchTime"].timestamp()
                        rate, state = self._rate(one), one["State"]["Name"]
                        self._judge(now, INSTANCE, one["InstanceId"], one, made, rate, state)

    async def others(self) -> None:
        """Look at what costs nothing, of jobs without an instance that is somebody's.

        Only after all instances were seen: one that was not may need it.
        """
        async for page, now in self._pages("describe_launch_templates"):
            for one in page["LaunchTemplates"]:
                made = one["CreateTime"].timestamp()
                self._judge(now, TEMPLATE, one["LaunchTemplateId"], one, made)
        async for page, now in self._pages("describe_security_groups"):
            for one in page["SecurityGroups"]:
                job = tags_of(one).get(JOB, "")
                made = submitted_at(job) if is_job_id(job) else now
                self._judge(now, GROUP, one["GroupId"], one, made)

    def _judge(
        self, now: float, kind: str, name: str, one: dict[str, Any], made: float,
        rate: float | None = 0.0, state: str = "",
    ) -> None:  # fmt: skip
        tags = tags_of(one)
        job, since = tags.get(JOB, ""), expired(now, tags, made)
        if since <= SPARE_S or (kind != INSTANCE and job in self._led):
            self.alive += 1
            self._led.add(job)
            return
        handle = f"{self._region}/{name}"
        self.orphans.append(Orphan(handle, kind, job, made, since, rate, state))

    def _rate(self, one: Mapping[str, Any]) -> float | None:
        """Return about what an instance costs an hour; None when no price is known."""
        name, kind = one["InstanceType"], self._kinds.get(one["InstanceType"])
        alone = self._rates.get(name)
        if alone is None and kind is not None:
            alone = prices.on_demand(name, kind.cpus, self._region)
        if not alone:
            return None
        share = prices.SPOT_SHARE if one.get("InstanceLifecycle") == "spot" else 1.0
        return alone * share + prices.beside(choice.DISK_GB)

    async def _pages(self, verb: str) -> AsyncIterator[tuple[Any, float]]:
        """Yield each page of what has our tag, and AWS's time when it was answered."""
        ec2 = await self._clients.get("ec2", self._region)
        asked: dict[str, Any] = {"Filters": [tag_filter(JOB)], "MaxResults": A_PAGE}
        while True:
            answer = await ask(ec2, verb, **asked)
            yield answer, date_of(answer)
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]


async def end(clients: Clients, orphans: Sequence[Orphan]) -> AsyncIterator[tuple[Orphan, str]]:
    """End orphans, instances first; yield each with why it could not be ended, or ""."""
    for region in dict.fromkeys(orphan.handle.partition("/")[0] for orphan in orphans):
        there = [orphan for orphan in orphans if orphan.handle.startswith(f"{region}/")]
        try:
            ec2 = await clients.get("ec2", region)
            async for ended in _end_in(ec2, there):
                yield ended
        except BatchioError as error:
            for orphan in there:
                yield orphan, str(error)


async def _end_in(ec2: Any, orphans: Sequence[Orphan]) -> AsyncIterator[tuple[Orphan, str]]:
    of_kind = {kind: list(_of(kind, orphans)) for kind in (INSTANCE, TEMPLATE, GROUP)}
    names = [name for _, name in of_kind[INSTANCE]]
    ending, unknown = await terminate(ec2, names) if names else (set(), set())
    for orphan, name in of_kind[INSTANCE]:
        gone = name in ending or name in unknown
        yield orphan, "" if gone else "EC2 does not end it: it may be protected"
    for orphan, name in of_kind[TEMPLATE]:
        yield orphan, await _removed(ec2, "delete_launch_template", LaunchTemplateId=name)
    for orphan, name in of_kind[GROUP]:
        why = ""
        for left in range(FREED - 1, -1, -1):
            why = await _removed(ec2, "delete_security_group", GroupId=name)
            if "DependencyViolation" not in why or not left:
                break
            await asyncio.sleep(FREED_S)  # the interfaces of instances that have just ended
        yield orphan, why


async def _removed(ec2: Any, verb: str, **what: str) -> str:
    """Remove something; return why that failed, or "". What is gone already is removed."""
    try:
        await ask(ec2, verb, **what)
    except BatchioError as error:
        return "" if "NotFound" in str(error) else str(error)
    return ""


def _of(kind: str, orphans: Sequence[Orphan]) -> Iterator[tuple[Orphan, str]]:
    for orphan in orphans:
        if orphan.kind == kind:
            yield orphan, orphan.handle.partition("/")[2]
