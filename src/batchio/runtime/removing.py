"""Removing jobs from a workspace, with all that is kept of them. Blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.core.cards import Removed, is_card
from batchio.errors import BatchioError, LeaseHeld, NoSuchJob, UsageError
from batchio.runtime.cards import read_card

if TYPE_CHECKING:
    from batchio.ports import JobStore, Workspace


def remove(workspace: Workspace, job: str) -> Removed:
    """Remove one job that nobody needs any more, also one that cannot be read.

    Raises:
        UsageError: it is not done; what it holds would be forgotten with it.
        NoSuchJob: there is none.
    """
    store = workspace.job(job)
    try:
        card = read_card(store)
    except NoSuchJob:
        raise
    except BatchioError:
        card = {}  # its journal is damaged, and says nothing of what it holds
    _refuse_unfinished(store, card)
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


def _refuse_unfinished(store: JobStore, card: dict[str, Any]) -> None:
    if store.leader() is not None:
        raise _running(store.id)
    if is_card(card) and card["epoch"] and not card["finished"]:
        raise UsageError(
            f"job {store.id} is not done, and may still hold nodes",
            hint=f"cancel it first: batchio cancel {store.id}",
        )


def _running(job: str) -> UsageError:
    return UsageError(f"job {job} is running", hint=f"cancel it first: batchio cancel {job}")
