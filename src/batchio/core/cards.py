"""A job's card: one line of a job list as plain JSON, so that no journal need be opened. Pure.

A card that is `open` was written by a head that may have gone on since: it counts as long as
that head leads. Any other card counts for as long as it is there: a head opens it before the
first event it writes, and closes it after its last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.checks import LARGEST, flag, integer, items, moment, number, text
from batchio.core.ids import submitted_at
from batchio.core.record import View
from batchio.core.views import Counts, JobSummary, command_text, job_summary, tag_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec

TOPIC: Final = "card"
"""Name under which a store keeps a card."""

LAYOUT: Final = 3


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Removed(View):
    """A job that was removed, or would be."""

    id: str
    name: str
    bytes: int
    """Bytes that the job took on the disk."""
    finished: float | None
    """Unix seconds; None: the job never finished, or its journal could not be read."""


_COUNTS: Final = frozenset(item.name for item in fields(Counts))
_SUMMARY: Final = frozenset(item.name for item in fields(JobSummary)) - {
    "counts",
    "duration",
    "attended",
}


class Wanted(NamedTuple):
    """Conditions on the jobs of a list; a job must meet all of them, and an empty one is met."""

    states: frozenset[str] = frozenset()
    """States and outcomes, in the words of `JobSummary.standing`."""
    tags: tuple[str, ...] = ()
    """Tags that it has, all of them: `team=a`, or `team` for any value."""
    name: str = ""
    """Its name, where `*` and `?` stand for any characters."""

    def fits(self, job: JobSummary) -> bool:
        """Return whether a job meets the conditions."""
        return (
            (not self.states or bool(self.states & {job.standing, job.state}))
            and all(tag in job.tags or tag in _keys(job.tags) for tag in self.tags)
            and (not self.name or fnmatchcase(job.name, self.name))
        )


def _keys(tags: tuple[str, ...]) -> list[str]:
    return [tag.partition("=")[0] for tag in tags]


def card_of(machine: Machine, now: float, *, is_open: bool) -> dict[str, Any]:
    """Return the card of a job as it stands at `now`.

    Args:
        is_open: A head leads the job, and may write more events.
    """
    job = machine.running_job
    summary = job_summary(machine, now)
    return _card(summary, job.spec.head, job.epoch, (job.boot, job.booted), is_open)


def first_card(job: str, spec: JobSpec, now: float) -> dict[str, Any]:
    """Return the card of a job that was submitted at `now` and that no head has led yet."""
    counts = dict.fromkeys(_COUNTS, 0) | {"total": len(spec.tasks), "pending": len(spec.tasks)}
    summary = JobSummary(
        id=job,
        name=spec.name,
        command=command_text(spec),
        tags=tag_texts(spec),
        state="pending",
        outcome="",
        why="",
        provider=spec.provider,
        counts=Counts(**counts),
        submitted=now,
        started=None,
        finished=None,
        duration=0.0,
        attended=None,
        cost=None,
    )
    return _card(summary, spec.head, 0, ("", 0.0), is_open=False)


def _card(
    summary: JobSummary, head: str, epoch: int, boot: tuple[str, float], is_open: bool
) -> dict[str, Any]:
    return {
        "layout": LAYOUT,
        "open": is_open,
        "epoch": epoch,
        "boot": list(boot),
        "head": head,
        **{name: getattr(summary, name) for name in sorted(_SUMMARY)},
        "tags": list(summary.tags),
        "counts": {name: getattr(summary.counts, name) for name in sorted(_COUNTS)},
    }


def is_card(found: Mapping[str, Any]) -> bool:
    """Return whether `found` is a complete card, of the layout that this batchio reads."""
    try:
        for name, check in _CHECKS.items():
            check(found[name])
    except (LookupError, TypeError, ValueError):
        return False
    return True


def is_final(found: Mapping[str, Any]) -> bool:
    """Return whether `found` is the card of a job that is done, and that no head leads."""
    return is_card(found) and bool(found["finished"]) and not found["open"]


def _layout(value: object) -> None:
    if value != LAYOUT:
        raise ValueError("of another layout")


def _boot(value: object) -> None:
    boot, at = items(value)
    text(boot), number(at, -LARGEST, LARGEST)


def _counts(value: object) -> None:
    if not isinstance(value, dict) or value.keys() != _COUNTS:
        raise ValueError("not the counts of this version")
    for count in value.values():
        integer(count)


def _or_none(check: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: value is None or check(value)


_CHECKS: Final[dict[str, Callable[[object], object]]] = {
    **dict.fromkeys(("head", *_SUMMARY), text),
    "layout": _layout,
    "open": flag,
    "epoch": integer,
    "boot": _boot,
    "counts": _counts,
    "tags": lambda value: [text(tag) for tag in items(value)],
    "submitted": moment,
    "started": _or_none(moment),
    "finished": _or_none(moment),
    "cost": _or_none(lambda value: number(value, 0, LARGEST)),
}
"""The check of each value of a card: whoever may write to a workspace may have changed one."""


def summary_of(card: Mapping[str, Any], now: float, *, attended: bool | None = None) -> JobSummary:
    """Return the job's line in a list, as its card says, at `now` (Unix seconds).

    `attended`: whether a head leads the job; None: not known, or it is done.
    """
    ended = card["finished"] or now
    return JobSummary(
        **{name: card[name] for name in _SUMMARY - {"tags"}},
        tags=tuple(card["tags"]),
        counts=Counts(**card["counts"]),
        duration=max(ended - card["submitted"], 0.0),
        attended=attended,
    )


def unreadable(job: str, name: str, why: str) -> JobSummary:
    """Return the line in a list for a job that cannot be read; `why` is the reason."""
    known: dict[str, Any] = dict.fromkeys(_SUMMARY, "")
    known |= {"started": None, "finished": None, "cost": None, "submitted": submitted_at(job)}
    known |= {"id": job, "name": name, "state": "unreadable", "why": why}
    known |= {"tags": (), "attended": None}
    return JobSummary(**known, counts=Counts(**dict.fromkeys(_COUNTS, 0)), duration=0.0)
