"""Removing jobs from a workspace, with all that is kept of them. Blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from batchio.core.cards import Removed, is_card, is_final
from batchio.errors import BatchioError, LeaseHeld, NoSuchJob, UsageError
from batchio.runtime.cards import card_from_journal, is_young, read_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.ports import JobStore, Waiting, Workspace

LEAVING_S: Final = 10.0
"""Seconds that the head of a job that is done has to end, before the job counts as running."""

LOOK_EVERY_S: Final = 0.02
"""Seconds between two checks whether the head has ended."""


def remove(workspace: Workspace, job: str, clock: Waiting) -> Removed:
    """Remove one job that is done, or that cannot be read, with all that is kept of it.

    Raises:
        UsageError: the job is not done: nodes that it holds would be forgotten, and its first
            head may be on its way.
        NoSuchJob: there is no such job.
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
    if is_card(card) and not card["finished"] and _may_hold_nodes(card, clock):
        raise UsageError(
            f"job {job} is not done and may still use nodes",
            hint=f"cancel it first: batchio cancel {job}",
        )
    removed = Removed(job, store.name(), store.size(), card.get("finished"))
    try:
        workspace.remove(job)
    except LeaseHeld:
        raise _running(job) from None  # a head came meanwhile
    return removed


def prune(workspace: Workspace, before: float, *, dry_run: bool = False) -> list[Removed]:
    """Remove all jobs that finished before a moment, in Unix seconds; return them, newest first.

    Jobs that are not done, or cannot be read, stay.

    Args:
        dry_run: Remove nothing, only return which jobs would be removed.
    """
    gone = []
    for job, shown in workspace.cards():
        store = workspace.job(job)
        try:
            card = shown if is_final(shown) else read_card(store)
            if not card["finished"] or card["finished"] > before or store.leader() is not None:
                continue
            size = store.size()
            if not dry_run:
                workspace.remove(job)
        except BatchioError:
            continue
        gone.append(Removed(job, card["name"], size, card["finished"]))
    return gone


def _may_hold_nodes(card: Mapping[str, Any], clock: Waiting) -> bool:
    """Return whether a head has led the job, or its first one may be on its way."""
    return bool(card["epoch"]) or is_young(card["epoch"], card["submitted"], clock)


def _head_leaves(store: JobStore) -> bool:
    """Wait for the head of a done job to end; return False when it runs on.

    `wait` returns before the head has ended.
    """
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
