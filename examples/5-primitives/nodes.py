"""The pieces without the engine: open nodes, run commands over them, give everything back.

With `open_nodes("ssh", hosts=["ann@lab1", "lab2"])` the same program uses other computers.
"""

import asyncio
from collections.abc import AsyncIterator

import batchio


async def numbers(count: int) -> AsyncIterator[list[str]]:
    """Commands, made as they are needed."""
    for number in range(count):
        yield ["sh", "-c", f"echo {number} squared is $(({number} * {number}))"]


async def main() -> None:
    """One command on one node, then twenty over all of them."""
    async with batchio.connect("localhost") as node:
        done = await node.run(["uname", "-s"])
        print(f"{node.name} runs {done.stdout.strip()}")

    async with batchio.open_nodes("local", slots=4) as nodes:
        async for done in batchio.dispatch(numbers(20), nodes):
            print(f"{done.node}: {done.stdout.strip()}")


asyncio.run(main())
