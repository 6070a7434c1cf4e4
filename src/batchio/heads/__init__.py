"""Heads: who runs the engine for a job, and where. `JobSpec.head` says which.

    local    a process of its own on this computer, which outlives the one that started it
    inline   the process that asks for it, until the job is done
    HOST     a process of its own on that host, which is reached over SSH

`cancel`, `retry` and `recover` of any later process start a head of the same kind.

    needs        what must be true before a head is started again
    asking       requests to a head, and waiting for its answer
    leading      the engine with this batchio's adapters
    inline, detached         heads of this computer
    remote, porter, units    heads of another one: from here, and by whom they are put there
    bundle, platform, wheels what travels for them
    there                    their program
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchio.core.spec import HEADS_HERE
from batchio.heads import detached
from batchio.heads.needs import need_host, need_its_computer, need_secrets
from batchio.runtime.host import in_thread, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import Workspace
    from batchio.runtime import bridge

    Leading = bridge.Running[None]

__all__ = ["begin", "forerunner", "go_on", "start"]


def forerunner(
    kind: str, workspace: Workspace, secrets: Mapping[str, str]
) -> Callable[[str, JobSpec], list[str]] | None:
    """Return what has a head stand by on its host for a job that is about to be made.

    It is called with the job's id and spec, and returns warnings. None where heads are started
    afterwards.
    """
    if kind in HEADS_HERE:
        return None
    from batchio.heads import remote  # asyncssh, and all that a bundle takes

    return partial(remote.stand_by, kind, workspace, secrets)


def start(
    kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str], *, new: bool = False
) -> Leading | None:
    """Start a head of this kind and return at once; an inline one runs in the engine thread.

    One on another computer has been started already for a `new` job; it is waited for until it
    leads. A new job that it does not lead is removed.

    Raises:
        UsageError: that host cannot run a head.
        NodeError: it cannot be reached.
        HeadGone: no head started there.
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
            from batchio.heads import remote

            remote.start(kind, workspace, job, secrets, new=new)
            return None


async def begin(
    kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str], *, new: bool = False
) -> None:
    """Start a head of this kind from a verb, under whichever host; lead an inline job to its end.

    Raises:
        UsageError: as `start`.
        BatchioError: an inline head failed, as `runtime.head.lead`.
        KeyboardInterrupt: so was an inline head's caller; says that the job was cancelled.
    """
    if kind != "inline":
        await in_thread(partial(start, kind, workspace, job, secrets, new=new))
        return
    from batchio.heads.inline import lead_inline
    from batchio.runtime.bridge import blocking, portable

    if not is_plain():
        await portable(lead_inline)(workspace.job(job), secrets)
        return
    try:
        blocking(partial(lead_inline, workspace.job(job), secrets))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"job {job} was cancelled, because it ran inside this process"
        ) from None


async def go_on(
    workspace: Workspace,
    machine: Machine,
    secrets: Mapping[str, str],
    *,
    kind: str | None = None,
    runs_tasks: bool = True,
    elsewhere: bool = False,
) -> None:
    """Start a head for a job that has none, and remove what the last one left on its host.

    Args:
        machine: The job's state, as it is known.
        kind: Kind of the head; None: of the same as the last one.
        runs_tasks: It may start tasks, which then need their secrets.
        elsewhere: Also when its tasks ran on another computer than this one.

    Raises:
        UsageError: this must not be done, or not here, or not without more secrets.
        BatchioError: as `begin`.
    """
    job = machine.running_job
    kind = kind or job.head or job.spec.head
    need_host(kind, job.spec.provider, workspace)
    if runs_tasks:
        need_secrets(job.id, job.spec, secrets)
    if not elsewhere:
        need_its_computer(machine)
    await begin(kind, workspace, job.id, secrets)
    if job.head not in ("", kind, *HEADS_HERE):
        from batchio.heads import remote

        await in_thread(partial(remote.tidy, job.head, job.id))
