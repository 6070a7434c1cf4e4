"""The `setup` message: what all attempts on a node share. See docs/design/agent.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from batchio.core.machine import Machine

LEASE_S: Final = 3600.0
"""Seconds without a head after which an agent lets its tasks finish and leaves."""


def setup_for(machine: Machine, node: int, ready: list[str]) -> dict[str, Any]:
    """The settings for one node as things are now; `ready` are the ready nodes' addresses."""
    job, here = machine.running_job, machine.nodes[node]
    spec = job.spec
    lead = None if machine.scheduler is None else machine.nodes[machine.scheduler]
    cpus = spec.cpu or max(float(here.facts.get("cpus") or 1) / max(here.slots, 1), 1.0)
    return {
        "argv": list(spec.argv),
        "shell": spec.shell,
        "python": spec.python,
        "env": dict(spec.env),
        "slots": here.slots,
        "cpus": cpus,
        "pin": spec.cpu is not None,
        "memory": spec.memory,
        "gpus": spec.gpu,
        "grace": spec.grace,
        "timeout": spec.task_timeout,
        "input_var": spec.input_var,
        "job_id": job.id,
        "job_name": spec.name,
        "task_count": len(spec.tasks),
        "node_id": str(node),
        "address": here.facts.get("address", ""),
        "scheduler_address": lead.facts.get("address", "") if lead else "",
        "process_type": "scheduler" if lead is here else "worker",
        "ready_workers": ready,
        "pipe_to_files": spec.pipe_to_files,
        "files": bool(spec.files),
        "container": container_for(machine),
        "lease": LEASE_S,
    }


def container_for(machine: Machine) -> dict[str, Any] | None:
    """How to run attempts in a container, or None to run them on the host."""
    spec = machine.running_job.spec
    if not spec.container or spec.run_on_host:
        return None
    return {
        "image": spec.container,
        "entrypoint": not spec.ignore_entrypoint,
        "gpu": spec.gpu > 0,
    }
