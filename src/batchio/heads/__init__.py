"""Heads: who runs the engine for a job, and where. `JobSpec.head` says which.

    local    a process of its own on this computer, which outlives the one that started it
    inline   the process that asks for it, until the job is done

`cancel`, `retry` and `recover` of any later process start a head of the same kind.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchio.errors import UsageError
from batchio.heads import detached
from batchio.runtime.host import in_thread, is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.ports import Workspace

__all__ = ["begin", "start"]


def start(kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    """Start a head of this kind where no event loop runs; blocks as long as that takes.

    Raises:
        UsageError: this batchio knows no such head.
        BatchioError: an inline head failed, as `runtime.head.lead`.
    """
    match kind:
        case "local":
            detached.start(workspace, job, secrets)
        case "inline":
            import asyncio

            from batchio.heads.inline import lead_inline  # the engine, which few need here

            asyncio.run(lead_inline(workspace.job(job), secrets))
        case _:
            raise UsageError(
                f'job {job} wants a head of the kind "{kind}"',
                hint="use the version of batchio that started the job",
            )


async def begin(kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    """Start a head of this kind from an asynchronous verb. Raises as `start` does."""
    if kind != "inline":
        await in_thread(partial(start, kind, workspace, job, secrets))
        return
    from batchio.heads.inline import lead_inline
    from batchio.runtime.bridge import blocking, portable

    if is_plain():
        blocking(partial(lead_inline, workspace.job(job), secrets))
    else:
        await portable(lead_inline)(workspace.job(job), secrets)
