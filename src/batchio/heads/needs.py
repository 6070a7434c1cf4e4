"""What must be true before a head is started again for a job that had one."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batchio.core.node import NodeState
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.providers import check_head, traits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.core.machine import Machine
    from batchio.core.reports import Facts
    from batchio.core.spec import JobSpec
    from batchio.ports import Workspace


def need_secrets(job: str, spec: JobSpec, secrets: Mapping[str, str]) -> None:
    """Refuse a head that would start tasks without their secrets.

    Raises:
        UsageError: some were not given; names them.
    """
    if needed := set(spec.secret_names) - set(secrets):
        names = ", ".join(sorted(needed))
        raise UsageError(
            f"no process runs job {job}, and it needs the values of its secrets to continue: "
            f"{names}",
            hint="secrets are never stored; give each one again: batchio recover {job} "
            "--secret-env NAME",
        )


def need_host(kind: str, provider: str, workspace: Workspace) -> None:
    """Refuse a head of a kind that cannot be.

    Raises:
        UsageError: it is no host; or the job's nodes, or its workspace, are of one computer.
    """
    check_head(kind, provider, shared=workspace.local is None)


def need_its_computer(machine: Machine) -> None:
    """Refuse to lead tasks that run on another computer as if they ran on this one.

    Raises:
        UsageError: the job is local, and its node is another computer; names it.
    """
    job = machine.running_job
    if Trait.REMOTE in traits(job.spec.provider):
        return
    for node in machine.nodes:
        if node.state is not NodeState.GONE and node.facts and not _is_here(node.facts):
            there = node.facts.get("hostname") or node.name
            raise UsageError(
                f"job {job.id} runs on the computer where it was submitted, {there}; this "
                f"computer is {socket.gethostname()}",
                hint=f"run the command there; or, if {there} is gone for good: batchio recover "
                f"{job.id} --elsewhere",
            )


def _is_here(facts: Facts) -> bool:
    """Return whether an agent that said this of its node runs, or ran, on this computer.

    The kernel's boot id is another one after each boot, the machine's the same in many
    containers, and a name may change: where that differs, the agent's own folder decides.
    """
    if facts.get("hostname") != socket.gethostname():
        return os.path.exists(facts.get("socket", ""))
    pairs = (
        (facts.get("boot_id"), _said("/proc/sys/kernel/random/boot_id")),
        (facts.get("machine_id"), _said("/etc/machine-id")),
    )
    known = [theirs == ours for theirs, ours in pairs if theirs and ours]
    return any(known) or not known


def _said(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text().strip()
    return ""
