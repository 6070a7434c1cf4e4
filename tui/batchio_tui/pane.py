"""One job as a widget, which also fits into an application of somebody else."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Final

from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from batchio.errors import BatchioError, UsageError
from batchio_tui import doing, words
from batchio_tui.actions import VIEWS, Keys
from batchio_tui.bars import Chosen, KeyBar, ViewBar
from batchio_tui.beside import beside
from batchio_tui.field import Field
from batchio_tui.overview import Overview, chart_of
from batchio_tui.tasks import Tasks
from batchio_tui.timeline import Timeline
from batchio_tui.views import make_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from textual import events
    from textual.app import ComposeResult

    from batchio.api import Change, Job, Live
    from batchio.core.views import JobHeader
    from batchio_tui.dialogs import Dialog
    from batchio_tui.grid import Grid
    from batchio_tui.view import View

EVERY_S: Final = 0.25
"""Least seconds between two changes of the screen that no key asked for."""

AGAIN_S: Final = 1.0
"""Seconds until a job that is done, or cannot be read, is looked at again."""

PACE_S: Final = 2.0
"""Seconds between two counts of what ended."""


class JobPane(Widget):
    """A job: how it stands, its tasks, failures, nodes, logs, events and options, live.

    Args:
        job: The job, as `batchio.open_job` returns it.
        keys: A person's own keys, by action.
        read_only: Offer nothing that changes the job.
    """

    DEFAULT_CSS = """
    JobPane { layout: vertical; width: 1fr; height: 1fr; }
    JobPane > #views { height: 1fr; }
    """

    class Left(Message):
        """The pane was left: by Escape, or for the list of jobs."""

    class Told(Message):
        """Something about the job has changed."""

        def __init__(self, pane: JobPane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(
        self, job: Job, *, keys: Mapping[str, str] | None = None, read_only: bool = False
    ) -> None:
        super().__init__()
        self.job = job
        self.live: Live | None = None
        """The job as it is followed; None until it was opened."""
        self.read_only = read_only
        self.keys = Keys(keys)
        self.overview = Overview()
        self.view_bar = ViewBar(self.keys)
        self.key_bar = KeyBar(self.keys)
        self.field = Field()
        self.timeline = Timeline()
        self.views: dict[str, View] = make_views(job)
        self.shown = "tasks"
        """Name of the view on the screen."""
        self.trail: list[str] = []
        """Views to go back to."""
        self.bell = False
        """Whether it rings when the job is done or begins to fail."""
        self._paced = 0.0
        self._rung: tuple[bool, bool] | None = None
        """Whether the job was done, and whether any task had failed, when it was last shown."""
        self._seeking = False

    def compose(self) -> ComposeResult:
        """Yield the lines above, the views of which one is seen, and the bars."""
        yield self.overview
        yield self.view_bar
        with Container(id="views"):
            yield from self.views.values()
        yield self.timeline
        yield self.field
        yield self.key_bar

    def on_mount(self) -> None:
        """Follow the job."""
        self.show("tasks")
        beside(self, "follow", self._follow, exclusive=True)

    # --- following ----------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                async with self.job.live(at_once=True) as live:
                    await self._watch(live)
            except (BatchioError, OSError) as err:
                self._trouble(str(err))
                await asyncio.sleep(AGAIN_S)

    async def _watch(self, live: Live) -> None:
        self.live = live
        self.overview.trouble = ""
        for view in self.views.values():
            view.follow(live)
        self.renew(None)
        while True:
            async for change in live.changes(at_most=EVERY_S, at_least=1.0):
                self.renew(change)
            self.renew(None)
            while live.done:  # somebody may retry tasks of it
                await asyncio.sleep(AGAIN_S)
                if (seen := await live.look()) is not None:
                    self.renew(seen)

    def _trouble(self, text: str) -> None:
        """Say why what is shown is old; it stays."""
        self.overview.trouble = f"{text}; what is shown is old" if self.live else text
        self.overview.repaint()

    def renew(self, change: Change | None) -> None:
        """Show what has changed; None: everything."""
        live = self.live
        if live is None:
            return
        view = live.view_now()
        over, now = self.overview, view.submitted + view.duration
        due = (
            time.monotonic() >= self._paced + PACE_S and live.reading >= 1
        )  # it looks at all tasks
        if change is None or due:
            self._paced = time.monotonic()
            over.chart = chart_of(live, view, now, max(self.size.width // 2 - 2, 8))
        over.view, over.reading, over.old = view, live.reading, _oldness(live)
        over.damaged = live.damage is not None
        over.past = self.timeline.told(live) if self.timeline.is_open else ""
        over.helps = doing.helping(self, view.verdict.command)
        over.repaint()
        for one in self.views.values():
            if one.display or change is None:
                one.renew(change)
            else:
                one.stale = True
        self.renew_bars()
        self.timeline.repaint()
        if not self.timeline.is_open:
            self._ring(view)
        self.post_message(self.Told(self))

    def _ring(self, view: JobHeader) -> None:
        """Ring when the job is done, or begins to fail."""
        now = view.finished is not None, view.counts.bad > 0
        before, self._rung = self._rung or now, now
        if self.bell and any(new and not old for new, old in zip(now, before, strict=True)):
            self.app.bell()

    # --- another moment -----------------------------------------------------------

    def seek(self) -> None:
        """Show the moment that the line of time is at; the newest wish counts."""
        if not self._seeking:
            self._seeking = True
            beside(self, "seek", self._seek)

    async def _seek(self) -> None:
        shown: object = self
        try:
            while self.live is not None and shown != self.timeline.moment:
                shown = moment = self.timeline.moment
                await self.live.seek(moment)
                self.renew(None)
        except (BatchioError, OSError) as err:
            self.say_error(err)
        finally:
            self._seeking = False

    def on_timeline_moved(self) -> None:
        """Show the moment that was clicked."""
        self.seek()

    def renew_bars(self) -> None:
        view = self.views[self.shown]
        self.view_bar.current = self.shown
        self.view_bar.about = view.about
        self.view_bar.repaint()
        self.key_bar.view = self.shown
        self.key_bar.off = self.is_past or self.read_only
        self.key_bar.inside = bool(self.trail) or self.is_past
        self.key_bar.repaint()

    @property
    def is_past(self) -> bool:
        """Whether another moment than now is shown."""
        return self.timeline.is_open

    # --- views --------------------------------------------------------------------

    def show(self, name: str, *, keep: bool = False) -> None:
        """Show a view; `keep`: Escape returns to the one before."""
        if keep and name != self.shown:
            self.trail.append(self.shown)
        elif not keep:
            self.trail.clear()
        self._show(name)

    def _show(self, name: str) -> None:
        self.shown = name
        for key, view in self.views.items():
            view.display = key == name
        view = self.views[name]
        if view.stale and self.live is not None:
            view.stale = False
            view.renew(None)
        view.focus()
        self.renew_bars()

    def back(self) -> None:
        """Return to the view before; from the first one, leave the pane."""
        tasks = self.views["tasks"]
        assert isinstance(tasks, Tasks)
        if self.timeline.is_open:
            self.call("time")
        elif self.trail:
            self._show(self.trail.pop())
        elif self.shown in ("tasks", "events") and tasks.filter:
            doing.choose(self, "")
            self.renew_bars()
        elif self.shown != "tasks":
            self.show("tasks")
        else:
            self.post_message(self.Left())

    def leave(self) -> None:
        """Go to the list of jobs."""
        self.post_message(self.Left())

    @property
    def view(self) -> View:
        """The view on the screen."""
        return self.views[self.shown]

    # --- keys ---------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Do what a key means."""
        key = event.character if event.is_printable and event.key != "space" else event.key
        action = self.keys.action(key or event.key)
        if action is None:
            return
        event.stop()
        event.prevent_default()
        self.act(action.name)

    def on_chosen(self, event: Chosen) -> None:
        """Do what was clicked."""
        event.stop()
        self.act(event.action)

    def on_view_renewed(self) -> None:
        """Say what is shown of how much."""
        self.renew_bars()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Open the row that was clicked."""
        event.stop()
        self.act("open")

    def act(self, name: str) -> None:
        """Do an action, or say why it cannot be done now."""
        action = doing.BY_NAME[name]
        if self.shown not in action.views:
            return
        if action.changes and self.is_past:
            self.app.notify("actions are off while the past is shown: t returns to now")
        elif action.changes and self.read_only:
            self.app.notify("this view is read-only")
        else:
            self.call(name)

    def call(self, name: str) -> None:
        """Run an action; one that waits goes on beside the keys."""
        try:
            going = doing.DOES[name](self)
        except UsageError as err:
            self.say_error(err)
            return
        if isawaitable(going):
            beside(self, "acting", partial(self._finish, going))

    async def _finish(self, going: object) -> None:
        try:
            with suppress(asyncio.CancelledError):
                await going  # type: ignore[misc]  # `isawaitable` said so
        except (BatchioError, OSError) as err:
            self.say_error(err)

    async def ask(self, dialog: Dialog) -> str:
        """Show a dialog and return its answer; "" when it was closed."""
        return await self.app.push_screen_wait(dialog) or ""

    async def line(
        self, ask: str, value: str = "", typed: Callable[[str], str] = lambda _: ""
    ) -> str | None:
        """Ask for a line and return it; None when it was left. Arguments: see `Field.open`."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def done(text: str | None) -> None:
            self.view.focus()
            if not answer.done():
                answer.set_result(text)

        self.field.open(ask, value, typed, done)
        return await answer

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Say something for a few seconds."""
        self.app.notify(words.plain(text), severity="error" if bad else "information", markup=False)

    def positions_of(self, ids: Iterable[int]) -> list[int]:
        """Return the positions of the tasks of these ids."""
        known = self.live.spec.tasks if self.live is not None else None
        return [] if known is None else [known.position(task) for task in ids]

    def unmark(self) -> None:
        """Take the marks from all rows."""
        tasks = self.views["tasks"]
        assert isinstance(tasks, Tasks)
        tasks.marked.clear()
        tasks.repaint()

    def say_error(self, err: BaseException) -> None:
        """Show an error in its own words, with what to do."""
        hint = getattr(err, "hint", None)
        text = f"{err}; {hint}" if hint else str(err)
        self.app.notify(words.plain(text), severity="error", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Leave room for the table: the lines above become fewer on a low screen."""
        height = event.size.height
        rooms = ((16, 4), (10, 3), (8, 2))
        self.overview.styles.height = next((n for least, n in rooms if height >= least), 1)
        self.view_bar.display = height >= 6


def _oldness(live: Live) -> str:
    """Say why what is shown may be old; "": it is not."""
    if live.unanswered is None:
        return ""
    return f"the workspace has not answered since {words.clock(live.unanswered)}"


__all__ = ["VIEWS", "JobPane"]
