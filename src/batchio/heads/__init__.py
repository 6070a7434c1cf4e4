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
from batchio.heads.needs import need_its_computer, need_secrets
from batchio.runtime.host import in_thread, is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.ports import Workspace
    from batchio.runtime import bridge

    Leading = bridge.Running[None]

__all__ = ["begin", "need_its_computer", "need_secrets", "start"]


def start(kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str]) -> Leading | None:
    """Start a head of this kind and return at once; an inline one runs in the engine thread.

    Raises:
        UsageError: this batchio knows no such head.
    """
    match kind:
        case "local":
            detached.start(workspace, job, secrets)
            return None
        case "inline":
            from batchio.heads.inline import lead_inline  # the engine, which few need here
            from batchio.runtime import bridge

            leading = bridge.Running(partial(lead_inline, workspace.job(job), secrets))
            leading.start()
            return leading
        case _:
            raise UsageError(
                f'job {job} wants a head of the kind "{kind}"',
                hint="use the version of batchio that started the job",
            )


async def begin(kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    """Start a head of this kind from a verb, under whichever host; lead an inline job to its end.

    Raises:
        UsageError: as `start`.
        BatchioError: an inline head failed, as `runtime.head.lead`.
        KeyboardInterrupt: so was an inline head's caller; says that the job was cancelled.
    """
    if kind != "inline":
        await in_thread(partial(start, kind, workspace, job, secrets))
        return
    from batchio.heads.inline import lead_inline
    from batchio.runtime.bridge import blocking, portable

    if not is_plain():
        await portable(lead_inline)(workspace.job(job), secrets)
        return
    try:
        blocking(partial(lead_inline, workspace.job(job), secrets))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"job {job} was cancelled: it ran inside this process") from None
