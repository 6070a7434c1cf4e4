"""Removing jobs from a workspace, with all that is kept of them. Blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from batchio.core.cards import Removed, is_card
from batchio.errors import BatchioError, LeaseHeld, NoSuchJob, UsageError
from batchio.runtime.cards import card_from_journal, read_card

if TYPE_CHECKING:
    from batchio.ports import JobStore, Workspace

LEAVING_S: Final = 10.0
"""Seconds that the head of a job that is done has to end, before the job counts as running."""

LOOK_EVERY_S: Final = 0.02
"""Seconds between two looks whether it has."""


def remove(workspace: Workspace, job: str) -> Removed:
    """Remove one job that nobody needs any more, also one that cannot be read.

    Raises:
        UsageError: it is not done; what it holds would be forgotten with it.
        NoSuchJob: there is none.
    """
    store = workspace.job(job)
    if store.leader() is not None and not _head_leaves(store):
        raise _running(job)
    try:
        card = read_card(store)
    except NoSuchJob:
        raise
    except BatchioError:
        card = {}  # its journal is damaged, and says nothing of what it holds
    if is_card(card) and card["epoch"] and not card["finished"]:
        raise UsageError(
            f"job {job} is not done, and may still hold nodes",
            hint=f"cancel it first: batchio cancel {job}",
        )
    removed = Removed(job, store.name(), store.size(), card.get("finished"))
    try:
        workspace.remove(job)
    except LeaseHeld:
        raise _running(job) from None  # a head came meanwhile
    return removed


def prune(workspace: Workspace, before: float, *, dry_run: bool = False) -> list[Removed]:
    """Remove all jobs that were done before a moment, in Unix seconds; newest first.

    What is not done, or cannot be read, stays.

    Args:
        dry_run: Only say which.
    """
    gone = []
    for job in workspace.jobs():
        store = workspace.job(job)
        try:
            card = read_card(store)
            if not card["finished"] or card["finished"] > before or store.leader() is not None:
                continue
            size = store.size()
            if not dry_run:
                workspace.remove(job)
        except BatchioError:
            continue
        gone.append(Removed(job, card["name"], size, card["finished"]))
    return gone


def _head_leaves(store: JobStore) -> bool:
    """Wait for the head of a job that is done: `wait` returns before it has ended."""
    try:
        done = bool(card_from_journal(store)["finished"])
    except BatchioError:
        return False
    give_up = time.monotonic() + LEAVING_S
    while done and time.monotonic() < give_up:
        if store.leader() is None:
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def _running(job: str) -> UsageError:
    return UsageError(f"job {job} is running", hint=f"cancel it first: batchio cancel {job}")
