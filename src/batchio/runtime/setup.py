"""The `setup` message: settings that all attempts on a node share. See docs/design/agent.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.runtime.head_messages import Container, Setup

if TYPE_CHECKING:
    from batchio.core.reports import Facts
    from batchio.core.spec import JobSpec
    from batchio.runtime.context import JobContext

LEASE_S: Final = 3600.0
"""Seconds without a head after which an agent lets its tasks finish and leaves."""


def setup_for(job: JobContext, node: int, slots: int, facts: Facts) -> Setup:
    """Return the `setup` message for one node, with so many slots and its agent's hello."""
    spec = job.spec
    beside = max(min(slots, len(spec.tasks)), 1)  # so many run here at a time, at most
    setup = Setup(
        argv=list(spec.argv),
        shell=spec.shell,
        python=spec.python,
        env=dict(spec.env),
        slots=slots,
        cpus=spec.cpu or max(float(facts.get("cpus") or 1) / beside, 1.0),
        pin=spec.cpu is not None,
        memory=spec.memory,
        gpus=spec.gpu,
        grace=spec.grace,
        timeout=spec.task_timeout,
        input_var=spec.input_var,
        job_id=job.job,
        job_name=spec.name,
        task_count=len(spec.tasks),
        node_id=str(node),
        address=facts.get("address", ""),
        pipe_to_files=spec.pipe_to_files,
        files=bool(spec.files),
        container=container_for(spec),
        software=spec.software is not None,
        lease=LEASE_S,
    )
    if job.secrets:
        setup["secrets"] = dict(job.secrets)
    return setup


def container_for(spec: JobSpec) -> Container | None:
    """Return the settings for attempts in a container; None when they run on the host."""
    if not spec.container or spec.run_on_host:
        return None
    return Container(image=spec.container, entrypoint=not spec.ignore_entrypoint, gpu=spec.gpu > 0)
