"""The lines above the table: is it alive, when is it done, what fails, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio_tui import words
from batchio_tui.chart import bar, spark
from batchio_tui.paint import Painted, pieces_wide, spread

if TYPE_CHECKING:
    from batchio.api import Live
    from batchio.core.views import JobHeader
    from batchio_tui.paint import Line, Piece

RATE_S: Final = 60.0
"""Seconds over which the rate of tasks is counted, where the job has run as long."""
CHART_S: Final = 7200.0
"""Most seconds of the chart."""
LEAST_S: Final = 1.0


class Pace(NamedTuple):
    """How quickly the tasks end."""

    per_second: float
    done_at: float | None
    """Unix seconds at which all will have ended; None: it cannot be told."""
    spans: list[int]
    """Tasks that ended in each part of the chart."""
    part_s: float
    """Seconds of one part."""
    whole_s: float
    """Seconds of the chart."""


def pace_of(live: Live, view: JobHeader, now: float, parts: int) -> Pace:
    """Return how quickly the tasks of a job end, at `now` (Unix seconds)."""
    end = view.finished or now
    whole = max(min(end - (view.started or view.submitted), CHART_S), LEAST_S)
    chart = live.ended(end - whole, end, parts).all
    span = whole if view.finished else min(RATE_S, whole)
    recent = sum(live.ended(end - span, end, 1).all)
    per_second = recent / span
    left = view.counts.total - view.counts.done
    done_at = now + left / per_second if per_second and left and not view.finished else None
    return Pace(per_second, done_at, chart, whole / parts, whole)


class Overview(Painted):
    """Four lines; fewer on a low screen."""

    DEFAULT_CSS = "Overview { height: 4; }"

    def __init__(self) -> None:
        super().__init__()
        self.view: JobHeader | None = None
        self.pace: Pace | None = None
        self.past = ""
        """Which moment is shown, in words; "" for now."""
        self.urgent: Piece = ("", "")
        """The most urgent truth, and its style."""
        self.helps = ""
        """The command, or key, that helps."""
        self.trouble = ""
        """Why what is shown is old; "": it is not."""
        self.reading = 1.0
        """How much of the journal was read."""

    def paint(self, width: int, height: int) -> list[Line]:
        """Return the lines that have room, the most urgent ones first."""
        if self.view is None:
            return [[(" reading …", "dim")]]
        view = self.view
        lines = [self._first(view, width)]
        lines.append(self._truth(view, width))
        lines.append(self._progress(view, width))
        lines.append(self._chart(width))
        if height == 1 and self.past:
            return [[(f" {self.past}", "past")]]
        return lines[:1] + lines[2:3] if height == 2 else lines[:height]

    def _first(self, view: JobHeader, width: int) -> Line:
        sign, style = words.standing(view.standing)
        took = words.lasted(view.duration)
        left: list[Piece] = [
            (f" {view.id}  ", "dim"),
            (words.plain(view.name), "strong"),
            ("  ", ""),
            (sign.upper() if sign.isascii() else sign[:2] + sign[2:].upper(), f"{style} strong"),
            (f" {took}", ""),
        ]
        if self.past:
            left = [(f" {self.past} ", "past"), *left[1:2], *left[2:4]]
        alive = [node for node in view.nodes if node.state not in ("draining", "gone", "unwanted")]
        slots = sum(node.slots or 0 for node in alive)
        nodes = alive or view.nodes
        where = f"{view.provider}  {words.counted(len(nodes), 'node')}"
        where += f"  {words.counted(slots, 'slot')}" if slots else ""
        if view.cost is not None:
            where += f"  ${view.cost:,.2f}"
        return spread(left, [(f"{where} ", "dim")], width)

    def _truth(self, view: JobHeader, width: int) -> Line:
        if self.trouble:
            return [(" ! ", "alert"), (f" {words.plain(self.trouble)}", "bad")]
        if self.reading < 1:
            return [(f" … {self.reading:.0%} read, and reading on", "wait")]
        text, style = self.urgent
        helps: list[Piece] = [(f"{self.helps} ", "key")] if self.helps else []
        sign = {"bad": "!", "wait": "!", "good": "✓"}.get(style, "·")
        return spread([(f" {sign} ", style), (words.plain(text), style)], helps, width)

    def _progress(self, view: JobHeader, width: int) -> Line:
        counts = view.counts
        told: list[Piece] = [
            ("  ", ""),
            (f"{words.number(counts.done)} of {words.number(counts.total)}", "strong"),
        ]
        tries = view.retries + counts.bad
        if tries:
            told.append((f"  ✗{words.number(tries)} {'try' if tries == 1 else 'tries'}", "bad"))
        if self.pace is not None and self.pace.per_second:
            told.append((f"  {words.rate(self.pace.per_second)}", ""))
            if self.pace.done_at is not None:
                told.append((f"  ~{words.minute(self.pace.done_at, self.pace_now)}", "busy"))
        told.append((" ", ""))
        room = max(width - pieces_wide(told) - 1, 0)
        busy = counts.running + counts.collecting
        ended = counts.done - counts.succeeded - counts.bad
        parts = (
            (counts.succeeded, "█", "good"),
            (counts.bad, "▓", "bad"),
            (ended, "▓", "wait"),
            (busy, "▒", "busy"),
            (counts.total - counts.done - busy, "░", "faint"),
        )
        return [(" ", ""), *bar(parts, counts.total, room), *told]

    @property
    def pace_now(self) -> float:
        """Unix seconds of the moment that is shown."""
        return self.view.submitted + self.view.duration if self.view is not None else 0.0

    def _chart(self, width: int) -> Line:
        if self.pace is None or not any(self.pace.spans):
            return []
        about = f"tasks ended, in {words.lasted(self.pace.whole_s)} "
        return spread([(" " + spark(self.pace.spans), "busy")], [(about, "dim")], width)
