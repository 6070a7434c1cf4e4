"""Clients of the AWS SDK, each made when it is first needed. The only importer of the SDK.

aioboto3 is what the extra `aws` installs; where only aiobotocore is there, it serves as well.
Loading it takes a quarter of a second, so nothing imports this module before AWS is needed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from difflib import get_close_matches
from importlib import import_module
from inspect import isawaitable
from typing import Any, Final

from batchio.errors import UsageError
from batchio.providers import check_installed
from batchio.providers.aws.errors import translated

_PATIENCE: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}
"""Seconds of the SDK itself; what it does not settle is asked again by the engine."""


class Clients:
    """The clients of one provider, by service and region; closed together."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = asyncio.Lock()
        self._session: Any = None

    async def get(self, service: str, region: str) -> Any:
        """Return the client of a service in a region.

        Raises:
            UsageError: there is no SDK, or there are no credentials.
        """
        async with self._making:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = await self._open(service, region)
            return self._clients[key]

    async def usual_region(self) -> str:
        """Return the region that the AWS configuration names.

        Raises:
            UsageError: it names none.
        """
        session = self._sessions()
        get = getattr(session, "get_config_variable", None)
        region = get("region") if get else session.region_name
        if not region:
            raise UsageError("no AWS region", hint="--region us-east-1, or aws configure")
        return str(region)

    async def check_region(self, region: str) -> None:
        """Check that AWS has a region: whoever asks in another is never answered.

        Raises:
            UsageError: it has not.
        """
        session = self._sessions()
        inner = getattr(session, "_session", session)  # aioboto3's has aiobotocore's
        known = [
            name
            for partition in inner.get_available_partitions()
            for name in await inner.get_available_regions("ec2", partition)
        ]
        if region not in known:
            near = get_close_matches(region, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"there is no region {region}", hint=hint)

    async def renewal(self) -> tuple[str, float | None, bool]:
        """Return the way of the credentials, the seconds until they end, and if nobody renews them.

        None: they do not end, or do not say when.

        Raises:
            UsageError: there are none, or they cannot be had.
        """
        session = self._sessions()
        try:
            found = session.get_credentials()
            found = await found if isawaitable(found) else found
        except Exception as error:
            raise translated(error) from error
        ends = getattr(found, "_expiry_time", None)
        left = None if ends is None else ends.timestamp() - time.time()
        lasting = ends is not None or not getattr(found, "token", None)
        return str(getattr(found, "method", "")), left, not lasting

    async def close(self) -> None:
        """Close all clients. Repeatable."""
        self._clients.clear()
        await self._stack.aclose()

    async def _open(self, service: str, region: str) -> Any:
        session = self._sessions()
        config = import_module("botocore.config").Config(**_PATIENCE)
        make = getattr(session, "create_client", None) or session.client
        try:
            return await self._stack.enter_async_context(
                make(service, region_name=region, config=config)
            )
        except Exception as error:
            raise translated(error) from error

    def _sessions(self) -> Any:
        if self._session is None:
            self._session = _session()
        return self._session


def _session() -> Any:
    check_installed("aws")
    for module, maker in (("aioboto3", "Session"), ("aiobotocore.session", "get_session")):
        try:
            return getattr(import_module(module), maker)()
        except ImportError:
            continue
    raise AssertionError("one of both is installed, and none can be imported")


async def pages(client: Any, verb: str, items: str, **asked: Any) -> list[Any]:
    """Return the items of all pages that a verb of a client answers.

    Raises:
        BatchioError: as `errors.translated` says.
    """
    found: list[Any] = []
    try:
        while True:
            answer = await getattr(client, verb)(**asked)
            found += answer.get(items, [])
            token = answer.get("NextToken")
            if not token:
                return found
            asked["NextToken"] = token
    except Exception as error:
        raise translated(error) from error


async def ask(client: Any, verb: str, **asked: Any) -> Any:
    """Return what a verb of a client answers.

    Raises:
        BatchioError: as `errors.translated` says.
    """
    try:
        return await getattr(client, verb)(**asked)
    except Exception as error:
        raise translated(error) from error
