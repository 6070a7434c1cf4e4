"""What earlier jobs have brought to the folders that outputs come to: said, or removed if asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchio.core.cards import TOPIC
from batchio.core.job import JobState
from batchio.errors import UsageError, WorkspaceError
from batchio.submit.caller import blamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.options.resolve import Effective
    from batchio.ports import Brought, JobStore, Workspace
    from batchio.submit.caller import CallerContext


def brought(
    effective: Effective, name: str, here: CallerContext, workspace: Workspace
) -> dict[str, Brought]:
    """Return what earlier jobs have brought to the folder of an option and is unchanged there."""
    from batchio.runtime.brought import standing  # only where outputs come to a folder

    folder = Path(here.path(effective.value(name)))
    return standing(folder, workspace.brought(folder))


def notes(effective: Effective, here: CallerContext, workspace: Workspace) -> list[str]:
    """Return a line when the folder of --download holds what an earlier job brought there.

    Raises:
        UsageError: --download-clean without a folder, or while a job still brings files there.
    """
    lines, folders = [], list(_folders(effective))
    clean = effective.value("download-clean")
    if clean and not folders:
        wrong = UsageError("no folder given", hint="add --download FOLDER")
        raise blamed(effective, "download-clean", wrong)
    for name in folders:
        jobs = dict.fromkeys(one.job for one in brought(effective, name, here, workspace).values())
        typed = effective.value(name)
        if busy := clean and next((job for job in jobs if _runs(workspace.job(job))), None):
            wrong = UsageError(
                f"job {busy} is still running and writes to {typed}",
                hint="wait for it, or choose another folder",
            )
            raise blamed(effective, "download-clean", wrong)
        if jobs and not clean and name == "download":
            lines.append(
                f"{typed} contains files of job {list(jobs)[-1]}, and this job keeps those it "
                f"does not overwrite; to remove them first: --download-clean"
            )
    return lines


def clean(effective: Effective, here: CallerContext, workspace: Workspace) -> None:
    """Remove what earlier jobs brought, and is unchanged, when --download-clean says so.

    Raises:
        WorkspaceError: something cannot be removed.
    """
    if not effective.value("download-clean"):
        return
    from batchio.runtime import brought as record

    for name in _folders(effective):
        folder = Path(here.path(effective.value(name)))
        try:
            record.clean(folder, workspace.brought(folder))
        except OSError as err:
            shown = here.shown(str(folder))
            raise WorkspaceError(f"{shown} cannot be emptied: {err.strerror}") from err


def _runs(store: JobStore) -> bool:
    """Return whether a job is led and not done; a head lives on for an instant behind the end."""
    return store.leader() is not None and store.shown(TOPIC).get("state") != JobState.DONE


def _folders(effective: Effective) -> Iterator[str]:
    return (name for name in ("download", "sync") if effective.value(name))
