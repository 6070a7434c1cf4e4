"""A job's card: one line of a job list as plain JSON, so that no journal need be opened. Pure.

A card that is `open` was written by a head that may have gone on since: it counts as long as
that head leads. Any other card counts for as long as it is there: a head opens it before the
first event it writes, and closes it after its last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from batchio.core.ids import submitted_at
from batchio.core.record import View
from batchio.core.views import Counts, JobSummary, command_text, job_summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec

TOPIC: Final = "card"
"""Name under which a store keeps a card."""

LAYOUT: Final = 2


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
        "counts": {name: getattr(summary.counts, name) for name in sorted(_COUNTS)},
    }


def is_card(found: Mapping[str, Any]) -> bool:
    """Return whether `found` is a complete card, of the layout that this batchio reads."""
    counts = found.get("counts")
    return (
        found.get("layout") == LAYOUT
        and found.keys() >= {"open", "epoch", "boot", "head", *_SUMMARY}
        and isinstance(counts, dict)
        and counts.keys() == _COUNTS
    )


def summary_of(card: Mapping[str, Any], now: float, *, attended: bool | None = None) -> JobSummary:
    """Return the job's line in a list, as its card says, at `now` (Unix seconds).

    `attended`: whether a head leads the job; None: not known, or it is done.
    """
    ended = card["finished"] or now
    return JobSummary(
        **{name: card[name] for name in _SUMMARY},
        counts=Counts(**card["counts"]),
        duration=max(ended - card["submitted"], 0.0),
        attended=attended,
    )


def unreadable(job: str, name: str, why: str) -> JobSummary:
    """Return the line in a list for a job that cannot be read; `why` is the reason."""
    known: dict[str, Any] = dict.fromkeys(_SUMMARY, "")
    known |= {"started": None, "finished": None, "cost": None, "submitted": submitted_at(job)}
    known |= {"id": job, "name": name, "state": "unreadable", "why": why, "attended": None}
    return JobSummary(**known, counts=Counts(**dict.fromkeys(_COUNTS, 0)), duration=0.0)
