"""What each node did over a time, and how many attempts ended, in equal parts of it. Pure."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

    from batchio.core.history import History

PORTION: Final = 5000
"""Attempts that are looked at without a pause: some 5 ms."""


class Lane(NamedTuple):
    """One node; a number for each part of the time."""

    busy: list[float]
    """Mean number of attempts that ran."""
    failed: list[int]
    """Number of attempts that ended otherwise than well."""


class Lanes(NamedTuple):
    """All nodes together and each by itself; a number for each part of the time."""

    ended: list[int]
    """Number of attempts that ended."""
    failed: list[int]
    """Number of those that ended otherwise than well."""
    nodes: dict[int, Lane]
    """By node number: only nodes that had attempts."""


def lanes(history: History, since: float, until: float, bins: int) -> Lanes:
    """Return what the attempts of a job did in `bins` equal parts from `since` to `until`.

    Arguments: see `woven`.
    """
    weaving = woven(history, since, until, bins)
    while True:
        try:
            next(weaving)
        except StopIteration as end:
            found: Lanes = end.value
            return found


def woven(history: History, since: float, until: float, bins: int) -> Generator[None, None, Lanes]:
    """Make what `lanes` returns, and yield after every PORTION attempts: others may work then.

    An attempt whose end is not known counts until `until` if it may still run, and not at all if
    it was lost.

    Args:
        since, until: Unix seconds; clocks that stepped put what lies outside at the edge.
    """
    scale = bins / (until - since) if until > since else 0.0
    whole = Lanes([0] * bins, [0] * bins, {})
    steps: dict[int, list[float]] = {}
    columns, reasons = history.columns, history.reasons
    rows = zip(*(columns[name] for name in ("node", "started", "ended", "exit")), strict=True)
    for row, (node, started, ended, code) in enumerate(rows):
        if row % PORTION == PORTION - 1:
            yield
        lane = whole.nodes.get(node)
        if lane is None:
            lane = whole.nodes[node] = Lane([0.0] * (bins + 1), [0] * bins)
            steps[node] = [0.0] * (bins + 2)
        last = min(max((ended - since) * scale, 0.0), bins) if ended else float(bins)
        if ended:
            place = min(int(last), bins - 1)
            whole.ended[place] += 1
            if code or row in reasons:
                whole.failed[place] += 1
                lane.failed[place] += 1
        if started and (ended or row not in reasons):
            first = min(max((started - since) * scale, 0.0), last)
            _add(lane.busy, steps[node], first, last)
    for node, lane in whole.nodes.items():
        under_way = list(accumulate(steps[node]))
        lane.busy[:] = [lane.busy[place] + under_way[place] for place in range(bins)]
    return whole


def _add(busy: list[float], steps: list[float], first: float, last: float) -> None:
    """Add a run from `first` to `last`: its broken ends, and a step for what lies between."""
    begin, end = int(first), int(last)
    if begin == end:
        busy[begin] += last - first
        return
    busy[begin] += begin + 1 - first
    busy[end] += last - end
    steps[begin + 1] += 1
    steps[end] -= 1
