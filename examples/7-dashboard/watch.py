"""A job inside a Textual application of one's own: `python watch.py`, then q.

The pane is the whole dashboard of one job; around it stands what only this application knows.
"""

from __future__ import annotations

import asyncio

from textual.app import App, ComposeResult
from textual.widgets import Label

import batchio
from batchio_tui import JobPane


class Watch(App[None]):
    """A line of ours above a job; it says what became of it, and rings when it is done."""

    CSS = "Label { width: 1fr; background: $primary; color: $background; padding: 0 1; }"

    def __init__(self, job: batchio.Job) -> None:
        super().__init__()
        self.job = job
        self.line = Label("nightly import")

    def compose(self) -> ComposeResult:
        """Yield our line, and the job below it."""
        yield self.line
        yield JobPane(self.job, read_only=True)

    def on_job_pane_told(self, event: JobPane.Told) -> None:
        """Hear that something about the job has changed."""
        live = event.pane.live
        if live is not None:
            self.line.update(f"nightly import: {live.view.progress}")
            if live.done:
                self.bell()

    def on_job_pane_left(self) -> None:
        """End when somebody leaves the pane."""
        self.exit()


async def main() -> None:
    """Run a job and watch it."""
    await Watch(await batchio.run(["sh", "-c", "sleep 1"], ntasks=20)).run_async()


if __name__ == "__main__":
    asyncio.run(main())
