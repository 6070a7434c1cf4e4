"""The live dashboard of batchio, and its parts for applications of others.

`JobPane` is one job as a Textual widget, `JobsPane` the list of jobs, `Dashboard` the program.
"""

from batchio_tui.app import Dashboard
from batchio_tui.jobs import JobsPane
from batchio_tui.pane import JobPane

__all__ = ["Dashboard", "JobPane", "JobsPane"]
