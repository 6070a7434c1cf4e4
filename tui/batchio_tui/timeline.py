"""Time travel: a line over the whole life of a job, on which one moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from batchio_tui import words
from batchio_tui.chart import spark
from batchio_tui.paint import Painted, spread

if TYPE_CHECKING:
    from textual import events

    from batchio.api import Live
    from batchio.core.pace import Ended
    from batchio_tui.paint import Line, Piece


class Timeline(Painted):
    """Two lines: what ended when, with a mark at the moment that is shown; and its words."""

    DEFAULT_CSS = "Timeline { height: 2; display: none; }"

    class Moved(Message):
        """Another moment is to be shown."""

    def __init__(self) -> None:
        super().__init__()
        self._begin = 0.0
        """The job's first moment, in Unix seconds."""
        self._end = 0.0
        """The last one when the line was opened."""
        self._last = 0
        """Number of the newest event then."""
        self._ended: Ended | None = None
        self._by_time = False
        """Whether a time was chosen, not an event."""
        self.moment: float | None = None
        """What is shown: Unix seconds, or the number of an event (an int); None: now."""
        self.at = 0.0
        """The moment that is shown, in Unix seconds."""
        self.position = 0
        """Number of the newest event until then."""

    @property
    def is_open(self) -> bool:
        """Whether another moment than now is shown."""
        return self.moment is not None

    def open(self, live: Live) -> None:
        """Begin at the end of what is known."""
        view = live.view
        self._begin, self._end = view.submitted, view.submitted + view.duration
        self._end = max(self._end, self._begin + 1e-3)
        self._last = live.position
        self._ended = live.ended(self._begin, self._end, max(self.size.width - 2, 78))
        self._by_time = False
        self.moment, self.at, self.position = self._last, self._end, self._last
        self.display = True

    def close(self) -> None:
        """Show now again."""
        self.moment = None
        self.display = False

    def step(self, parts: int) -> None:
        """Move by so many parts of the line."""
        part = (self._end - self._begin) / max(self.size.width - 2, 10)
        self._go(self.at + parts * part)

    def go_to(self, share: float) -> None:
        """Move to this share of the line, from 0 to 1."""
        self._go(self._begin + share * (self._end - self._begin))

    def _go(self, at: float) -> None:
        self._by_time = True
        self.at = self.moment = float(min(max(at, self._begin), self._end))

    def event(self, steps: int) -> None:
        """Move by so many events."""
        self._by_time = False
        self.position = self.moment = min(max(self.position + steps, 1), self._last)

    def told(self, live: Live) -> str:
        """Take the moment that is shown now from the job, and return it in words."""
        view = live.view
        if self._by_time:
            self.position = live.position
        else:
            self.at = view.submitted + view.duration
        return (
            f"as it was at {words.clock(self.at)}, {words.lasted(self.at - self._begin)} on, "
            f"event {words.number(self.position)} of {words.number(self._last)}"
        )

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the line and its words."""
        if self._ended is None:
            return []
        room = max(width - 2, 1)
        bins = len(self._ended.all)
        share = (self.at - self._begin) / (self._end - self._begin)
        here = min(max(int(share * room), 0), room - 1)
        shown = spark(self._ended.all)
        line: list[Piece] = [(" ", "")]
        for x in range(room):
            at = x * bins // room
            style = "past" if x == here else "bad" if self._ended.bad[at] else "busy"
            line.append((shown[at] if shown[at] != " " or x == here else "·", style))
        keys: list[Piece] = [
            (" ← →", "key"), (" move  ", "dim"), ("[ ]", "key"), (" event by event  ", "dim"),
            ("t", "key"), (" now", "dim"),
        ]  # fmt: skip
        begin, end = words.clock(self._begin), words.clock(self._end)
        return [line, spread(keys, [(f"{begin} – {end} ", "dim")], width)]

    def on_click(self, event: events.Click) -> None:
        """Show the moment that was clicked."""
        if event.y == 0 and self.is_open:
            self.go_to((event.x - 1) / max(self.size.width - 2, 1))
            self.post_message(self.Moved())
