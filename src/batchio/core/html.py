"""Views as HTML for notebooks: small tables, with every text escaped. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from batchio.core.sizes import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchio.core.rows import FailureGroup, TaskRow
    from batchio.core.views import JobSummary

MOST: Final = 20
"""Rows of a table that are shown, at most."""


def job_html(job: JobSummary, failures: Sequence[FailureGroup] = ()) -> str:
    """Return a job as two columns, and below it the groups of its failures."""
    facts = {
        "job": f"{job.id} {job.name}",
        "state": _plain(job.standing),
        "tasks": job.progress,
        "command": job.command,
        "provider": job.provider,
        "duration": format_duration(job.duration),
        "why": job.why,
    }
    body = "".join(
        f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in facts.items() if text
    )
    groups = (
        (group.ids, _plain(group.outcome), group.cause, group.last_words) for group in failures
    )
    return f"<table>{body}</table>" + _table(("tasks", "outcome", "cause", "last words"), groups)


def rows_html(rows: Sequence[TaskRow]) -> str:
    """Return the rows of tasks as a table: the first MOST of them, and how many more there are."""
    shown = (_cells(row) for row in rows[:MOST])
    names = ("task", "state", "exit code", "attempt", "node", "duration", "memory", "last words")
    more = len(rows) - MOST
    return _table(names, shown) + (f"<p>and {more:,} more</p>" if more > 0 else "")


def _cells(row: TaskRow) -> tuple[str, ...]:
    return (
        str(row.id),
        _plain(row.outcome or row.state),
        row.ending,
        str(row.attempt),
        row.node or "",
        "" if row.duration is None else format_duration(row.duration),
        "" if row.memory is None else format_bytes(row.memory),
        row.last_words,
    )


def _plain(word: str) -> str:
    return word.replace("_", " ")


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><tr>{head}</tr>{body}</table>" if body else ""
