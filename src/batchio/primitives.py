"""Primitives without the engine: nodes, one command on a node, many commands over nodes.

Nothing here is journaled, retried or detached: commands run only while the caller waits, and
every node is given back when the `async with` ends. For jobs, use `batchio.run`.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchio import providers
from batchio.core.arrays import TaskIds
from batchio.core.spec import JobSpec
from batchio.errors import NodeError, ProviderDown, UsageError
from batchio.options.terms import in_terms
from batchio.options.words import as_words
from batchio.ports import Line, NodeOrder, Refused
from batchio.runtime.bridge import EngineStream, portable
from batchio.runtime.notices import Notices

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from batchio.core.plan import Offer
    from batchio.options.words import Words
    from batchio.ports import Provider, Transport


@dataclass(frozen=True, slots=True)
class Done:
    """The result of one command.

    Attributes:
        command: The words that ran.
        node: The name of the node it ran on.
        exit_code: As the system gave it; `-N` when signal N ended it.
        stdout: What it wrote there, bytes that are not UTF-8 as U+FFFD; `stderr` likewise.
    """

    command: tuple[str, ...]
    node: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.exit_code == 0


class Node:
    """One computer that is reachable now."""

    def __init__(self, name: str, transport: Transport, slots: int = 1) -> None:
        self.name = name
        self.slots = slots
        """Number of commands that `dispatch` runs here at the same time."""
        self._transport = transport

    def __repr__(self) -> str:
        return f"<Node {self.name}, {self.slots} slots>"

    @in_terms
    @portable
    async def run(
        self, command: Words, *, stdin: bytes | None = None, timeout: float | None = None
    ) -> Done:
        """Run one command to its end.

        Args:
            command: Words that arrive byte for byte, or one string, split as a shell would.
            stdin: Bytes it reads; nothing by default.
            timeout: Seconds; then it is killed.

        Raises:
            UsageError: the command is neither text nor words.
            Unreachable: the connection broke: nobody knows how the command ended.
            TimeoutError: `timeout` passed.
        """
        words = _split(command)
        done = await self._transport.run(words, stdin=stdin, timeout=timeout)
        out, err = (part.decode(errors="replace") for part in (done.stdout, done.stderr))
        return Done(words, self.name, done.exit_code, out, err)


class open_nodes:
    """The nodes of a provider, for as long as the `async with` lasts.

    Args:
        provider: `"local"` or `"ssh"`.
        hosts: For ssh: what you would type after `ssh`; `host slots=4` as in a hosts file.
        count: At most so many nodes; None for all there are.
        slots: Commands at once on each; None for what the hosts list says, else 1.

    Raises (when entered):
        UsageError: no hosts, or one that makes no sense.
        NodeError: a node cannot be reached; whatever was opened is given back.
    """

    def __init__(
        self,
        provider: str = "local",
        *,
        hosts: Sequence[str] = (),
        count: int | None = None,
        slots: int | None = None,
    ) -> None:
        self._spec = JobSpec(
            name="nodes",
            provider=provider,
            argv=("true",),
            tasks=TaskIds.count(1),
            hosts=tuple(hosts),
            slots=slots,
        )
        self._count = count
        self._provider: Provider | None = None
        self._held: list[tuple[str, Transport]] = []

    def __repr__(self) -> str:
        spec, held = self._spec, len(self._held)
        where = f"{spec.provider} {', '.join(spec.hosts)}".rstrip()
        return f"<open_nodes {where}: {f'{held} open' if held else 'not open'}>"

    @in_terms
    @portable
    async def __aenter__(self) -> list[Node]:
        if self._provider is not None:
            raise UsageError("these nodes are open already", hint="create another open_nodes(…)")
        self._provider = providers.load(self._spec)
        try:
            offers = await self._provider.offers(self._spec)
            return list(await asyncio.gather(*map(self._open_node, offers[: self._count])))
        except BaseException:
            await self._give_back()
            raise

    @portable
    async def __aexit__(self, *_: object) -> None:
        await self._give_back()

    async def _open_node(self, offer: Offer) -> Node:
        assert self._provider is not None
        order = NodeOrder(offer.id, "nodes", (Line(offer, (0,)),))
        async for answer in self._provider.create(order):
            if isinstance(answer, Refused):
                raise answer.error
            transport = await self._provider.connect(answer.handle)
            self._held.append((answer.handle, transport))
            return Node(offer.id, transport, self._spec.slots or offer.slots or 1)
        raise ProviderDown("it is unknown whether there is a node", where=offer.id)

    async def _give_back(self) -> None:
        held, self._held = self._held, []
        provider, self._provider = self._provider, None
        if provider is None:
            return
        for handle, transport in held:
            await transport.close()
            await provider.delete([handle])
        await provider.aclose()


class connect:
    """One node, reached as `ssh HOST` would reach it, or this computer (`"localhost"`).

    Raises (when entered): as `open_nodes`.
    """

    def __init__(self, host: str = "localhost") -> None:
        here = host in ("localhost", "local", "")
        self._nodes = open_nodes("local") if here else open_nodes("ssh", hosts=[host])

    def __repr__(self) -> str:
        return repr(self._nodes).replace("open_nodes", "connect")

    async def __aenter__(self) -> Node:
        [node] = await self._nodes.__aenter__()
        return node

    async def __aexit__(self, *error: object) -> None:
        await self._nodes.__aexit__(*error)


def dispatch(
    commands: Iterable[Words] | AsyncIterable[Words], nodes: Iterable[Node]
) -> EngineStream[Done]:
    """Run commands over nodes, each node as many at once as it has slots.

    Args:
        commands: Read one by one, only when a slot is free; may be endless.
        nodes: Where; a node whose connection breaks gets no more, and what ran there is
            run on another one, so commands should bear being run twice.

    Yields:
        The result of each, in the order in which they end.

    Warns:
        BatchioWarning: a node was lost, and the others go on.

    Raises:
        UsageError: a command is neither text nor words.
        NodeError: no node is left.
    """
    notices = Notices()
    return EngineStream(lambda: _dispatch(commands, list(nodes), notices))


@in_terms
async def _dispatch(
    commands: Iterable[Words] | AsyncIterable[Words], nodes: list[Node], notices: Notices
) -> AsyncGenerator[Done, None]:
    supply, lost = _Supply(commands), set[Node]()
    done: asyncio.Queue[Done | NodeError | None] = asyncio.Queue(sum(n.slots for n in nodes) or 1)

    async def serve(node: Node) -> None:
        while (command := await supply.next()) is not None:
            try:
                await done.put(await node.run(command))
            except NodeError as err:
                supply.put_back(command)
                if node not in lost:
                    lost.add(node)
                    await done.put(err)
                return

    async def all_slots() -> None:
        while True:
            async with asyncio.TaskGroup() as group:
                for node in nodes:
                    for _ in range(0 if node in lost else node.slots):
                        group.create_task(serve(node))
            if not supply.back or lost.issuperset(nodes):
                break  # else a node was lost when the others had nothing left to do

    async def to_the_end() -> None:
        try:
            await all_slots()
        except ExceptionGroup as group:  # of the commands' iterator, or a command of no words
            broken.append(group.exceptions[0])
        await done.put(None)

    broken: list[Exception] = []
    work = asyncio.create_task(to_the_end())
    last: NodeError | None = None
    try:
        while (item := await done.get()) is not None:
            if isinstance(item, NodeError):
                last = item
                if not lost.issuperset(nodes):
                    notices.warn([f"{item}; its commands run on other nodes"])
            else:
                yield item
        if broken:
            raise broken[0]
        if await supply.next() is not None:
            raise last or NodeError("there is no node to run on")
    finally:
        work.cancel()
        await asyncio.wait([work])


def _split(command: object) -> tuple[str, ...]:
    """Return the words of a command; one string is split as a shell would.

    Raises:
        UsageError: it is neither text nor words, or a quote in it is open.
    """
    words = as_words(command)
    try:
        found = tuple(shlex.split(words) if isinstance(words, str) else words)
    except ValueError as err:
        raise UsageError(f"{words!r} cannot be split: {str(err).lower()}") from None
    if not found:
        raise UsageError("no command given", hint="a command is a list of strings, or one string")
    return found


class _Supply:
    """The commands that are still to run; whoever asks first gets the next one."""

    def __init__(self, commands: Iterable[Words] | AsyncIterable[Words]) -> None:
        self._is_async = isinstance(commands, AsyncIterable)
        self._source: Any = aiter(commands) if self._is_async else iter(commands)  # type: ignore[arg-type]
        self.back: list[Words] = []
        self._turn = asyncio.Lock()

    async def next(self) -> Words | None:
        if self.back:
            return self.back.pop()
        async with self._turn:
            try:
                if self._is_async:
                    command: Words = await anext(self._source)
                else:
                    command = next(self._source)
            except (StopIteration, StopAsyncIteration):
                return None
        return command

    def put_back(self, command: Words) -> None:
        self.back.append(command)


__all__ = ["Done", "Node", "connect", "dispatch", "open_nodes"]
