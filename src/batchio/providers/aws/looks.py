"""Looks at instances: one call for all that somebody asks for at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.providers.aws.clients import pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchio.providers.aws.clients import Clients

GATHERED_S: Final = 0.2
"""Seconds for which a question waits for others, to share one call."""

AT_ONCE: Final = 200
"""Most instances of one filter."""


class Seen(NamedTuple):
    """An instance as EC2 describes it."""

    state: str
    address: str
    """Its public address, or else its private one; "" while it has none."""
    why: str
    """Why it ended, in EC2's words; or ""."""


class Looks:
    """Looks at the instances of all regions for one provider."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._asked: dict[str, dict[str, asyncio.Future[Seen | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def at(self, region: str, instance: str) -> Seen | None:
        """Return what EC2 says about an instance; None when it does not know it.

        Raises:
            BatchioError: AWS refused or did not answer.
        """
        waiting = self._asked.setdefault(region, {})
        if not waiting:
            task = asyncio.create_task(self._gather(region))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        answer = waiting.setdefault(instance, asyncio.get_running_loop().create_future())
        return await asyncio.shield(answer)

    async def now(self, region: str, instances: Iterable[str]) -> dict[str, Seen]:
        """Return what EC2 says about instances now, those that it knows.

        Raises:
            BatchioError: AWS refused or did not answer.
        """
        ec2, ids = await self._clients.get("ec2", region), list(instances)
        found: dict[str, Seen] = {}
        for at in range(0, len(ids), AT_ONCE):
            # A filter, unlike InstanceIds, does not fail for one that is not known.
            named = [{"Name": "instance-id", "Values": ids[at : at + AT_ONCE]}]
            for reservation in await pages(
                ec2, "describe_instances", "Reservations", Filters=named
            ):
                for one in reservation["Instances"]:
                    found[one["InstanceId"]] = _seen(one)
        return found

    async def _gather(self, region: str) -> None:
        await asyncio.sleep(GATHERED_S)
        waiting = self._asked.pop(region)
        try:
            found = await self.now(region, waiting)
        except BaseException as error:
            for answer in waiting.values():
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may be gone
            return
        for instance, answer in waiting.items():
            if not answer.done():
                answer.set_result(found.get(instance))


def _seen(one: dict[str, Any]) -> Seen:
    address = one.get("PublicIpAddress") or one.get("PrivateIpAddress") or ""
    why = one.get("StateReason", {}).get("Message", "")
    return Seen(str(one["State"]["Name"]), str(address), str(why))
