"""Run any script or command as N parallel tasks, on this computer or on your own machines.

    job = await batchio.run("process.py", map_over_values=["a", "b"])
    result = await job.wait()

The names below are loaded when they are first used, so that importing batchio costs
nothing. `batchio.sync` has the same verbs, blocking.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchio import sync
    from batchio.api import Job, Result, list_jobs, open_job, plan, run, status, unattended, wait
    from batchio.errors import BatchioError, JobFailed, UsageError
    from batchio.primitives import Done, Node, connect, dispatch, open_nodes
    from batchio.stores.logs import LogLine
    from batchio.submit import Plan

__version__ = "0.1.0"

_HOMES = {
    "Job": "api",
    "Result": "api",
    "list_jobs": "api",
    "open_job": "api",
    "plan": "api",
    "run": "api",
    "status": "api",
    "unattended": "api",
    "wait": "api",
    "BatchioError": "errors",
    "JobFailed": "errors",
    "UsageError": "errors",
    "Done": "primitives",
    "Node": "primitives",
    "connect": "primitives",
    "dispatch": "primitives",
    "open_nodes": "primitives",
    "LogLine": "stores.logs",
    "Plan": "submit",
    "sync": "",
}

__all__ = [
    "BatchioError",
    "Done",
    "Job",
    "JobFailed",
    "LogLine",
    "Node",
    "Plan",
    "Result",
    "UsageError",
    "connect",
    "dispatch",
    "list_jobs",
    "open_job",
    "open_nodes",
    "plan",
    "run",
    "status",
    "sync",
    "unattended",
    "wait",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home, once (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'batchio' has no attribute {name!r}")
    home = _HOMES[name]
    found = import_module(f"batchio.{home or name}")
    value = getattr(found, name) if home else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
