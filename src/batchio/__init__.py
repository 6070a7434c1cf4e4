"""Run any script or command as N parallel tasks, on this computer or on your own machines.

    job = await batchio.run("process.py", map_over_values=["a", "b"])
    result = await job.wait()

The names below are loaded when they are first used, so that importing batchio costs
nothing. `batchio.sync` has the same verbs, blocking.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # the same names, for editors and type checkers
    from batchio import sync as sync
    from batchio.api import Job as Job
    from batchio.api import Live as Live
    from batchio.api import Result as Result
    from batchio.api import check as check
    from batchio.api import list_jobs as list_jobs
    from batchio.api import open_job as open_job
    from batchio.api import plan as plan
    from batchio.api import prune as prune
    from batchio.api import remove as remove
    from batchio.api import run as run
    from batchio.api import status as status
    from batchio.api import unattended as unattended
    from batchio.api import wait as wait
    from batchio.core.lens import Order as Order
    from batchio.core.lens import Where as Where
    from batchio.errors import BatchioError as BatchioError
    from batchio.errors import JobFailed as JobFailed
    from batchio.errors import UsageError as UsageError
    from batchio.ports import Finding as Finding
    from batchio.primitives import Done as Done
    from batchio.primitives import Node as Node
    from batchio.primitives import connect as connect
    from batchio.primitives import dispatch as dispatch
    from batchio.primitives import open_nodes as open_nodes
    from batchio.runtime.live import Change as Change
    from batchio.stores.logs import LogLine as LogLine
    from batchio.submit import Plan as Plan

__version__ = "0.1.0"

_HOMES: Final = {
    name: home
    for home, names in {
        "api": "Job Live Result check list_jobs open_job plan prune remove run status "
        "unattended wait",
        "core.lens": "Order Where",
        "errors": "BatchioError JobFailed UsageError",
        "ports": "Finding",
        "primitives": "Done Node connect dispatch open_nodes",
        "runtime.live": "Change",
        "stores.logs": "LogLine",
        "submit": "Plan",
        "": "sync",
    }.items()
    for name in names.split()
}
"""Each public name and the module it is loaded from; for a module itself, an empty text."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'batchio' has no attribute {name!r}")
    home = _HOMES[name]
    found = import_module(f"batchio.{home or name}")
    value = getattr(found, name) if home else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
