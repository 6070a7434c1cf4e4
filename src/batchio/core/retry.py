"""Retries: what made an attempt end badly, and whether the task gets another one. Pure.

Two budgets are counted apart: what the user's program did (`max_retries`), and what the
infrastructure did (`max_infra_retries`). Neither ever spends the other's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from batchio.core.task import Outcome

if TYPE_CHECKING:
    from batchio.core.spec import JobSpec
    from batchio.core.task import Tasks

NODE_FAULT: Final = "node"
"""The agent's reason for an attempt that it could not start: a full disk, say."""

AGENT_LEFT: Final = "bye"
"""The agent's reason for an attempt that ran when its head ended the agent."""

BACKOFF_LIMIT_S: Final = 300.0
"""No retry waits longer than this many seconds."""

SUSPECT_LOSSES: Final = 2
"""Losses after which a task runs alone on its node, as it may be what kills nodes."""


QUARANTINED_BY: Final = 3
"""Number of different tasks a node could not run after which it gets no more."""


SHELL_SIGNAL_BASE: Final = 128
"""A shell reports a program that signal N ended as exit code 128 + N."""


class Cause(StrEnum):
    """Why a task gets a new attempt."""

    USER = "user"
    """The program failed or ran out of its time."""
    INFRA = "infra"
    """The node or its agent was lost, or could not do its part."""
    ASKED = "asked"
    """A user asked for it: both budgets are full again."""


def verdict(code: int, reason: str, stopping: int) -> Outcome:
    """Return the outcome of an attempt, from its exit code and the agent's reason.

    A program that ended well before a stop reached it has succeeded.
    """
    if code == 0 and not reason:
        return Outcome.SUCCEEDED
    if stopping:
        return Outcome(stopping)
    if reason in (NODE_FAULT, AGENT_LEFT):
        return Outcome.LOST
    return Outcome.TIMED_OUT if reason == "timed_out" else Outcome.FAILED


def again(spec: JobSpec, tasks: Tasks, task: int) -> Cause | None:
    """Return which budget pays for a new attempt of a task that ended badly; None: no attempt."""
    if tasks.stopping[task]:
        return None
    outcome = tasks.outcome[task]
    if outcome == Outcome.LOST:
        return Cause.INFRA if tasks.losses[task] < spec.max_infra_retries else None
    if outcome not in (Outcome.FAILED, Outcome.TIMED_OUT):
        return None
    if tasks.failures[task] >= spec.max_retries:
        return None
    if outcome == Outcome.FAILED and not _listed(spec, tasks.exit[task]):
        return None
    return Cause.USER


def delay(spec: JobSpec, tasks: Tasks, task: int, cause: Cause) -> float:
    """Return the seconds to wait before the next attempt: doubling, with jitter of ±25 %.

    The jitter comes from the task and its attempt, so that it is the same on every replay.
    """
    spent = tasks.failures[task] if cause is Cause.USER else tasks.losses[task]
    base = spec.retry_delay if cause is Cause.USER else min(spec.retry_delay, 1.0)
    grown = min(base * 2.0 ** min(spent, 20), BACKOFF_LIMIT_S)
    noise = ((task + 1) * 2654435761 + tasks.attempt[task] * 40503) % 65536 / 65535
    return float(grown * (0.75 + noise / 2))


def _listed(spec: JobSpec, code: int) -> bool:
    """Return whether --retry-on lists an exit code; -N, signal N, also counts as 128 + N."""
    if spec.retry_on is None:
        return True
    forms = (code, SHELL_SIGNAL_BASE - code) if code < 0 else (code,)
    return any(low <= form <= high for low, high in spec.retry_on for form in forms)
