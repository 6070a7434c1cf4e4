"""A job from an asyncio program: submit it, watch it, read what each task did."""

import asyncio

import batchio


async def main() -> None:
    """Run three tasks and print how each ended."""
    job = await batchio.run(
        ["sh", "-c", 'echo "hello, $BATCHIO_TASK_INPUT"'],
        map_over_values=["ada", "grace", "barbara"],
    )
    result = await job.wait()
    async for line in job.logs():
        print(f"task {line.task}: {line.text}")
    for task in result.tasks:
        print(f"task {task.id} {task.outcome}, exit code {task.exit_code}")
    print(result.outcome)


asyncio.run(main())
