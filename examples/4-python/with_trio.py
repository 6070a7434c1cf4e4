"""The same verbs under trio: pip install trio."""

import trio

import batchio


async def main() -> None:
    """Run two jobs side by side."""

    async def run(words: list[str]) -> None:
        job = await batchio.run(words, ntasks=2)
        result = await job.wait()
        print(f"{' '.join(words)}: {result.outcome}")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, ["true"])
        nursery.start_soon(run, ["sleep", "0.1"])


trio.run(main)
