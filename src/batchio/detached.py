"""The detached head on this computer: start one, and be one.

`python -m batchio.detached ROOT JOB` is a head; it reads one line of JSON from its stdin,
the secrets. Its own words go to `head.log` in the job's folder.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from batchio import providers
from batchio.errors import BatchioError, LeaseHeld
from batchio.runtime.head import lead
from batchio.stores.folder import Workspace
from batchio.stores.reserve import stopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.core.machine import Machine
    from batchio.core.task import Outcome
    from batchio.ports import Provider

_DETACH = 'exec 3<&0 </dev/null; "$@" <&3 3<&- &'
"""The shell ends at once, so the head is nobody's child and nobody's zombie."""


def start(workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    """Start a head for `job` and return at once; it outlives this process."""
    command = [sys.executable, "-m", "batchio.detached", str(workspace.root), job]
    with (workspace.folder(job) / "head.log").open("ab") as log:
        subprocess.run(
            ["/bin/sh", "-c", _DETACH, "sh", *command],
            input=json.dumps(dict(secrets)).encode() + b"\n",
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=True,
        )


async def lead_inline(workspace: Workspace, job: str, secrets: dict[str, str]) -> Outcome:
    """Be the head of `job` inside the running loop, until the job is done."""

    def lender(machine: Machine) -> Provider:
        spec = machine.running_job.spec
        return providers.load(spec.provider, hosts=spec.hosts)

    return await lead(workspace, job, lender, secrets=secrets)


def main(root: str, job: str) -> int:
    """Be the head of `job`; returns the exit code of the process."""
    workspace = Workspace(root)
    secrets = json.loads(sys.stdin.readline() or "{}")
    sys.stdin.close()
    try:
        asyncio.run(lead_inline(workspace, job, secrets))
    except LeaseHeld:
        return 0  # somebody else is at it: what was wanted is done
    except BatchioError as err:
        stopped(workspace.folder(job), f"{err}\n{err.hint or ''}".strip())
        sys.stderr.write(f"error: {err}\n")
        return err.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
