"""The lines above the table: is it alive, when is it done, what fails, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio_tui import words
from batchio_tui.chart import bar, spark
from batchio_tui.paint import Painted, fitted, pieces_wide, spread, width_of

if TYPE_CHECKING:
    from batchio.api import Live
    from batchio.core.views import JobHeader
    from batchio_tui.paint import Line, Piece

CHART_S: Final = 7200.0
"""Most seconds of the chart."""
LEAST_S: Final = 1.0
SOON_S: Final = 600.0
"""What is to be done so soon is told in seconds, not by the clock."""


class Chart(NamedTuple):
    """How many tasks ended when."""

    parts: list[int]
    """Number in each part of the time."""
    seconds: float
    """Seconds of the whole time."""
    per_second: float | None
    """How many attempts end in a second, of late."""


def chart_of(live: Live, view: JobHeader, now: float, parts: int) -> Chart:
    """Return how many tasks of a job ended when, until `now` (Unix seconds)."""
    end = view.finished or now
    seconds = max(min(end - (view.started or view.submitted), CHART_S), LEAST_S)
    return Chart(live.ended(end - seconds, end, parts).all, seconds, live.rate)


class Overview(Painted):
    """Four lines; fewer on a low screen."""

    DEFAULT_CSS = "Overview { height: 4; }"

    def __init__(self) -> None:
        super().__init__()
        self.view: JobHeader | None = None
        self.chart: Chart | None = None
        self.past = ""
        """Which moment is shown, in words; "" for now."""
        self.helps = ""
        """What helps, as the verdict says: a key with its word, or a command."""
        self.trouble = ""
        """Why what is shown is old; "": it is not."""
        self.old = ""
        """Why what is shown may be old; "": it is not."""
        self.damaged = False
        """Whether a part of the journal could not be read."""
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
        lines.append(self._ended(width))
        if height == 1 and self.past:
            return [[(f" {self.past}", "past")]]
        if height == 2 and not (view.verdict.urgent or self.trouble or self.old):
            return [lines[0], lines[2]]
        return lines[:height]

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
        right: list[Piece] = [(f"{where} ", "dim")]
        if self.past or pieces_wide(left) + pieces_wide(right) < width:
            return spread(left, right, width)
        short = [(" ", ""), *left[1:]]  # the state counts more than the id, the nodes, the name
        if pieces_wide(short) + pieces_wide(right) < width:
            return spread(short, right, width)
        name, styles = short[1]
        room = max(width - pieces_wide(short) + width_of(name), 4)
        short[1] = (fitted(name, min(room, width_of(name))), styles)
        return short

    def _truth(self, view: JobHeader, width: int) -> Line:
        if self.trouble:
            return [(" ! ", "alert"), (f" {words.plain(self.trouble)}", "bad")]
        if self.old:
            return [(" ! ", "alert"), (f" {words.plain(self.old)}", "bad")]
        if self.reading < 1:
            return [(f" … {self.reading:.0%} read, and reading on", "wait")]
        verdict = view.verdict
        helps: list[Piece] = [(f"{self.helps} ", "key")] if self.helps else []
        well = "good" if view.standing == "succeeded" else "dim"
        sign, style = ("!", "bad") if verdict.urgent else ("✓" if well == "good" else "·", well)
        return spread([(f" {sign} ", style), (words.plain(verdict.text), style)], helps, width)

    def _progress(self, view: JobHeader, width: int) -> Line:
        counts = view.counts
        told: list[Piece] = [
            ("  ", ""),
            (f"{words.number(counts.done)} of {words.number(counts.total)}", "strong"),
        ]
        tries = view.retries + counts.bad
        if tries:
            told.append((f"  ✗{words.number(tries)} {'try' if tries == 1 else 'tries'}", "bad"))
        goes_on = view.finished is None and view.attended is not False
        if goes_on and self.chart is not None and self.chart.per_second:
            told.append((f"  {words.rate(self.chart.per_second)}", ""))
        if view.verdict.expected is not None:
            told.append((f"  ~{self._until(view.verdict.expected)}", "busy"))
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

    def _until(self, at: float) -> str:
        """Write when it will be done: in seconds when that is soon, else by the clock."""
        assert self.view is not None
        now = self.view.submitted + self.view.duration
        return words.lasted(at - now) if at - now < SOON_S else words.minute(at, now)

    def _ended(self, width: int) -> Line:
        if self.damaged:
            text = " a part of the journal is damaged, and left out here"
            return spread([(" ! ", "alert"), (text, "bad")], [("w says where ", "key")], width)
        if self.chart is None or not any(self.chart.parts):
            return []
        about = f"tasks ended, in {words.lasted(self.chart.seconds)} "
        return spread([(" " + spark(self.chart.parts), "busy")], [(about, "dim")], width)
