"""A library of somebody: `pmap` runs programs over nodes, whatever they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TypeVar, Unpack

import batchio

T = TypeVar("T")


class Failed(Exception):
    """A command that failed, and what it was given."""

    def __init__(self, item: object, done: batchio.Done) -> None:
        super().__init__(f"{item!r} on {done.node}: exit code {done.exit_code}")
        self.item = item


@asynccontextmanager
async def somewhere(hosts: Sequence[str]) -> AsyncGenerator[list[batchio.Node]]:
    """Open these hosts, or this computer when there are none."""
    async with AsyncExitStack() as stack:
        if hosts:
            nodes = await stack.enter_async_context(batchio.open_nodes("ssh", hosts=hosts, slots=2))
        else:
            nodes = [await stack.enter_async_context(batchio.connect())]
        yield nodes


async def pmap(
    command: Callable[[T], Sequence[str]], items: Iterable[T], nodes: list[batchio.Node]
) -> AsyncGenerator[tuple[T, str]]:
    """Yield each item with what its command printed, as they end."""
    known: dict[tuple[str, ...], T] = {}

    def commands() -> Iterable[Sequence[str]]:
        for item in items:
            words = tuple(command(item))
            known[words] = item
            yield words

    async with batchio.dispatch(commands(), nodes) as ended:
        async for done in ended:
            item = known[done.command]
            if not done.ok:
                raise Failed(item, done)
            yield item, done.stdout.strip()


async def submit(command: Sequence[str], **options: Unpack[batchio.RunOptions]) -> batchio.Job:
    """Submit a job as this library's users do: its options are batchio's."""
    return await batchio.run(command, **options)


async def main(hosts: list[str]) -> None:
    """Use the library."""
    async with somewhere(hosts) as nodes:
        cubes = {n: text async for n, text in pmap(_cube, range(6), nodes)}
        print("cubes", [cubes[n] for n in range(6)])
        async with aclosing(pmap(_cube, range(10**9), nodes)) as cubed:
            async for first, _ in cubed:
                print("first", first in range(6))
                break
        try:
            async for _ in pmap(lambda n: ["sh", "-c", f"exit {n}"], [0, 7], nodes):
                pass
        except Failed as failed:
            print("failed", str(failed).endswith("exit code 7"))
    try:
        async with batchio.connect("no-such-host.invalid"):
            pass
    except batchio.NodeError as error:
        print("unreachable", error.where)
    job = await submit(["true"], ntasks=2)
    print("job", (await job.wait(timeout=60)).outcome)


def _cube(n: int) -> list[str]:
    return ["sh", "-c", f"echo $(({n} * {n} * {n}))"]


asyncio.run(main(sys.argv[1:]))
