"""What `--format json` and `jsonl` print, where that is not a view of `core.views` as it is.

docs/reference/schema is made from these types.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class Submitted(TypedDict):
    """A job that was made and that nobody waits for."""

    schema: int
    id: str
    name: str
    tasks: int
    """How many."""


class Explained(TypedDict):
    """Why a job or a task is where it is."""

    schema: int
    job: str
    task: int | None
    """The task's id; None when the whole job was asked about."""
    why: list[str]
    """Sentences for people."""


class LogRecord(TypedDict):
    """One line that a task printed."""

    task: int
    attempt: int
    stream: Literal["stdout", "stderr"]
    time: float
    """Unix seconds, by the clock of the head's computer."""
    node: int
    """The node's number."""
    text: str
