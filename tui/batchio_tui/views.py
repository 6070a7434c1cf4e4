"""The views of a job, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio_tui.events import Events
from batchio_tui.failures import Failures
from batchio_tui.logs import Logs
from batchio_tui.nodes import Nodes
from batchio_tui.options import Options
from batchio_tui.task import TaskView
from batchio_tui.tasks import Tasks

if TYPE_CHECKING:
    from batchio.api import Job
    from batchio_tui.view import View


def make_views(job: Job) -> dict[str, View]:
    """Return a fresh view of each kind, by its name."""
    return {
        "tasks": Tasks(),
        "failures": Failures(),
        "nodes": Nodes(),
        "logs": Logs(job),
        "events": Events(),
        "options": Options(),
        "task": TaskView(job),
    }
