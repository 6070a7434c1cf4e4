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
    from batchio.api import LogPages as LogPages
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
    from batchio.api import watch_jobs as watch_jobs
    from batchio.core.cards import Removed as Removed
    from batchio.core.history import AttemptRow as AttemptRow
    from batchio.core.lens import Order as Order
    from batchio.core.lens import Where as Where
    from batchio.core.result import Result as Result
    from batchio.core.rows import FailureGroup as FailureGroup
    from batchio.core.rows import NodeRow as NodeRow
    from batchio.core.rows import TaskRow as TaskRow
    from batchio.core.select import Filter as Filter
    from batchio.core.sending import Sending as Sending
    from batchio.core.table import TaskRows as TaskRows
    from batchio.core.verdict import Verdict as Verdict
    from batchio.core.views import Counts as Counts
    from batchio.core.views import JobHeader as JobHeader
    from batchio.core.views import JobSummary as JobSummary
    from batchio.core.views import JobView as JobView
    from batchio.errors import BatchioError as BatchioError
    from batchio.errors import BatchioWarning as BatchioWarning
    from batchio.errors import HeadGone as HeadGone
    from batchio.errors import IllegalEvent as IllegalEvent
    from batchio.errors import JobFailed as JobFailed
    from batchio.errors import JobMoved as JobMoved
    from batchio.errors import JournalCorrupt as JournalCorrupt
    from batchio.errors import JournalDown as JournalDown
    from batchio.errors import JournalFull as JournalFull
    from batchio.errors import LeaseHeld as LeaseHeld
    from batchio.errors import NoCapacity as NoCapacity
    from batchio.errors import NodeError as NodeError
    from batchio.errors import NoSuchJob as NoSuchJob
    from batchio.errors import NotAuthorised as NotAuthorised
    from batchio.errors import ProtocolError as ProtocolError
    from batchio.errors import ProviderDown as ProviderDown
    from batchio.errors import ProviderError as ProviderError
    from batchio.errors import QuotaExceeded as QuotaExceeded
    from batchio.errors import Remedy as Remedy
    from batchio.errors import SetupFailed as SetupFailed
    from batchio.errors import Unfit as Unfit
    from batchio.errors import Unreachable as Unreachable
    from batchio.errors import UsageError as UsageError
    from batchio.errors import WorkspaceError as WorkspaceError
    from batchio.options.keywords import RunOptions as RunOptions
    from batchio.ports import Finding as Finding
    from batchio.primitives import Done as Done
    from batchio.primitives import Node as Node
    from batchio.primitives import connect as connect
    from batchio.primitives import dispatch as dispatch
    from batchio.primitives import open_nodes as open_nodes
    from batchio.runtime.copying import Download as Download
    from batchio.runtime.live import Change as Change
    from batchio.runtime.streams import Stream as Stream
    from batchio.stores.logs import LogLine as LogLine
    from batchio.stores.logs import Printed as Printed
    from batchio.submit import Plan as Plan

__version__ = "0.1.0"

_HOMES: Final = {
    name: home
    for home, names in {
        "api": "Job Live LogPages check list_jobs open_job plan prune remove run status unattended "
        "wait watch_jobs",
        "core.cards": "Removed",
        "core.history": "AttemptRow",
        "core.lens": "Order Where",
        "core.result": "Result",
        "core.rows": "FailureGroup NodeRow TaskRow",
        "core.select": "Filter",
        "core.sending": "Sending",
        "core.table": "TaskRows",
        "core.verdict": "Verdict",
        "core.views": "Counts JobHeader JobSummary JobView",
        "errors": "BatchioError BatchioWarning HeadGone IllegalEvent JobFailed JobMoved "
        "JournalCorrupt JournalDown JournalFull LeaseHeld NoCapacity NoSuchJob NodeError "
        "NotAuthorised ProtocolError ProviderDown ProviderError QuotaExceeded Remedy "
        "SetupFailed Unfit Unreachable UsageError WorkspaceError",
        "options.keywords": "RunOptions",
        "ports": "Finding",
        "primitives": "Done Node connect dispatch open_nodes",
        "runtime.copying": "Download",
        "runtime.live": "Change",
        "runtime.streams": "Stream",
        "stores.logs": "LogLine Printed",
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
