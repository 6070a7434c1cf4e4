"""The live dashboard of batchio, and its parts for applications of others.

`JobPane` is one job as a Textual widget, `JobsPane` the list of jobs, `Dashboard` the program.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchio_tui.app import Dashboard as Dashboard
    from batchio_tui.jobs import JobsPane as JobsPane
    from batchio_tui.pane import JobPane as JobPane

_ROOMS = {"Dashboard": "app", "JobPane": "pane", "JobsPane": "jobs"}

__all__ = ["Dashboard", "JobPane", "JobsPane"]


def __getattr__(name: str) -> Any:
    """Load textual only when it is needed: the table of actions needs none of it."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"batchio_tui.{_ROOMS[name]}"), name)
