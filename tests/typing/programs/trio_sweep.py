"""A program on trio: sweeps side by side, a deadline, failures as a group, nodes without a job."""

from __future__ import annotations

import trio

import batchio


async def sweep(name: str, values: list[str], results: dict[str, batchio.Result]) -> None:
    """Run one job over these values; a failure of it ends the nursery."""
    job = await batchio.run(
        ["sh", "-c", "echo $BATCHIO_TASK_INPUT; [ $BATCHIO_TASK_INPUT != bad ]"],
        map_over_values=values,
        name=name,
    )
    results[name] = await job.wait(check=True)


async def main() -> None:
    """Print what each part came to."""
    results: dict[str, batchio.Result] = {}
    async with trio.open_nursery() as nursery:
        for name in ("left", "right"):
            nursery.start_soon(sweep, name, ["1", "2"], results)
    print({name: len(result.tasks) for name, result in sorted(results.items())})

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sweep, "broken", ["good", "bad"], results)
    except* batchio.JobFailed as group:
        for error in group.exceptions:
            assert isinstance(error, batchio.JobFailed)
            print("failed", error.failed, error.result.task(1).exit_code)

    with trio.move_on_after(1) as scope:
        await batchio.run("sleep 600", head="inline", name="too long")
    job = await batchio.open_job("too long")
    print("deadline", scope.cancelled_caught, (await job.wait()).outcome)

    job = await batchio.run("while echo tick; do sleep 0.05; done")
    async with job.logs(follow=True) as lines:
        async for line in lines:
            print("printed", line.text)
            break
    await job.cancel()
    print("cancelled", (await job.wait(timeout=60)).outcome)

    async with batchio.open_nodes(slots=2) as nodes:
        squares = [
            int(done.stdout)
            async for done in batchio.dispatch(
                (["sh", "-c", f"echo $(({n} * {n}))"] for n in range(5)), nodes
            )
        ]
    print("squares", sorted(squares))


trio.run(main)
