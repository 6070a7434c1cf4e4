"""A notebook: each part below a `# %%` is a cell; the function stands for the loop that runs."""

from __future__ import annotations


async def notebook() -> None:
    """Run the cells; the test cuts them out of here."""
    # %%
    import pickle

    import batchio
    import batchio.sync

    # %%
    job = await batchio.run("echo $BATCHIO_TASK_ID; exit $((BATCHIO_TASK_ID % 2))", ntasks=4)
    result = await job.wait()
    print(result.outcome)

    # %%
    blocking = batchio.sync.run(["echo", "from a running loop"])
    blocking.wait(timeout=60)
    print(blocking.stdout(0), end="")

    # %%
    table = [row.to_json() for row in result.tasks]
    print([row["exit_code"] for row in table])

    # %%
    again: batchio.Result = pickle.loads(pickle.dumps(result))
    print(again.tasks == result.tasks, {job} == {await batchio.open_job(job.id)})

    # %%
    lines: list[batchio.LogLine] = [line async for line in job.logs()]
    print(sorted(line.text for line in lines))

    # %%
    result  # noqa: B018  # pyright: ignore[reportUnusedExpression] - a cell shows it
