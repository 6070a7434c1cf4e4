"""Running the errands of nodes before tasks go there; `core/errands.py` lists them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.errands import ERRANDS, Files, HostSetup, Image, Packages
from batchio.errors import SetupFailed
from batchio.runtime import agent_messages as messages

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from batchio.core.errands import Errand
    from batchio.core.reports import Facts
    from batchio.ports import Transport
    from batchio.runtime.context import JobContext
    from batchio.runtime.conversation import Conversation
    from batchio.runtime.environment import Environment
    from batchio.runtime.files import Sender
    from batchio.runtime.head_messages import Setup
    from batchio.runtime.live_status import LiveStatus

ANSWER_S: Final = 30.0
"""Seconds after an errand's limit in which the agent may still say that it took too long."""


class Place(NamedTuple):
    """One node with errands, and the connections to it."""

    node: int
    talk: Conversation
    transport: Transport
    home: str
    """Path of the agent's folder on the node."""
    facts: Facts
    setup: Setup
    """What the agent was told that all attempts share."""


class Errands:
    """The errands of one job's nodes.

    Args:
        bundle: The tar file of the uploaded files.
        sender: Sends it to a node.
        environment: Makes the user's Python environment on a node; None: the job has none.
        seen: Shows people what a node does.
    """

    def __init__(
        self,
        job: JobContext,
        bundle: Path,
        sender: Sender,
        environment: Environment | None,
        seen: LiveStatus,
    ) -> None:
        self._job = job
        self._environment = environment
        self._bundle = bundle
        self._sender = sender
        self._seen = seen

    async def run(self, place: Place) -> None:
        """Run the errands that the node needs, in order; one that is done already ends at once.

        Raises:
            SetupFailed: an errand failed, or took too long; says which.
            Unreachable, NodeError, OSError: see `files.put`.
        """
        spec = self._job.spec
        for errand in ERRANDS:
            if errand.needed(spec, place.facts):
                limit = errand.limit(spec)
                if not isinstance(errand, Files | Packages):
                    self._seen.show(place.node, errand.words(spec))
                try:
                    async with asyncio.timeout(limit + ANSWER_S) as timer:
                        await DEEDS[type(errand)](self, place, limit)
                except TimeoutError:
                    if not timer.expired():
                        raise
                    why = f"{errand.words(spec)} took longer than {limit:.0f} s"
                    raise SetupFailed(why, where=place.transport.where) from None

    async def _files(self, place: Place, limit: float) -> None:
        size = self._bundle.stat().st_size

        def sent(count: int) -> None:
            self._seen.show(place.node, [count, size])

        python = place.facts.get("executable", "python3")
        await self._sender(place.transport, place.home, python, sent)
        sent(size)

    async def _packages(self, place: Place, limit: float) -> None:
        words = Packages().words(self._job.spec)

        def sent(count: int, size: int) -> None:
            part = f"receiving packages, {count / size:.0%}".replace("%", " %")
            self._seen.show(place.node, part if count < size else words)

        assert self._environment is not None
        python = place.facts.get("executable", "python3")
        await self._environment.make(place.transport, place.home, python, sent)
        place.talk.tell(["setup", place.setup])  # again: it looks for the environment then

    async def _host_setup(self, place: Place, limit: float) -> None:
        asked = ["prepare", self._job.spec.host_setup, limit]
        answer = await place.talk.ask(asked, messages.Prepared)
        if code := answer.exit:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            why = f"the host setup script ended with {how}: {answer.said}".rstrip(": ")
            raise SetupFailed(why, where=place.transport.where)

    async def _image(self, place: Place, limit: float) -> None:
        image = self._job.spec.container
        answer = await place.talk.ask(["image", image], messages.Imaged)
        if not answer.there:
            why = f"the image {image} is not available: {answer.said}".rstrip(": ")
            raise SetupFailed(why, where=place.transport.where)


DEEDS: Final[dict[type[Errand], Callable[[Errands, Place, float], Coroutine[Any, Any, None]]]] = {
    Files: Errands._files,
    Packages: Errands._packages,
    HostSetup: Errands._host_setup,
    Image: Errands._image,
}
"""The method that runs each errand."""
