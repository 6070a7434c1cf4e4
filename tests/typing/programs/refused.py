"""What both type checkers refuse: an unused `ignore` is an error for each of them. Never run."""

import batchio
import batchio.sync


async def asked() -> None:
    """Write each mistake once."""
    await batchio.run("true", ntask=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await batchio.run(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    job = await batchio.run("true", ntasks=3)
    job.logs(tial=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    result = await job.wait()
    result.tasks[0] = 1  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    result.task("0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    result.outcome = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


batchio.sync.plan("true", memroy="8GiB")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
batchio.sync.open_job().logs(tial=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
batchio.sync.run("true", spot_policy="else")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
