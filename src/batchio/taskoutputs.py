"""The output files of a job's tasks: where they are, and bringing them to a folder. Blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchio.errors import UsageError
from batchio.runtime.bringing import bring_outputs
from batchio.runtime.copying import copy_outputs
from batchio.runtime.merging import merge
from batchio.stores.trouble import unusable

if TYPE_CHECKING:
    from batchio.core.job import Job
    from batchio.ports import JobStore
    from batchio.runtime.copying import Download


def folder(store: JobStore, job: Job) -> Path:
    """Return the folder of this computer that holds the outputs of tasks, below their ids.

    Those that are kept elsewhere are first brought to the workspace's local copy.

    Raises:
        UsageError: they are in a store that the job's user named.
        WorkspaceError: something cannot be read or written.
    """
    if job.spec.output_filestore:
        raise UsageError(
            f"the output files of job {job.id} are in {job.outputs}",
            hint="get them from there with the tools of that store",
        )
    if parts := store.parts():
        bring_outputs(store, parts, job, store.outputs())
        return store.outputs()
    return Path(job.spec.collect) if job.spec.collect else store.outputs()


def bring_back(store: JobStore, job: Job, target: Path) -> list[str]:
    """Copy what a job's tasks made or changed to a folder, each file to the place that it had.

    Returns sentences about the files that are elsewhere.

    Raises:
        UsageError, WorkspaceError: as `bring`.
    """
    source = folder(store, job)
    try:
        return merge(store, job, source, target)
    except OSError as err:
        raise unusable(target, err) from err


def bring(store: JobStore, job: Job, target: Path, *, clean: bool) -> Download:
    """Copy the outputs of tasks to a folder, below their ids.

    Args:
        clean: First remove from there what jobs brought and nobody has changed.

    Raises:
        UsageError: the target is inside the folder of the outputs, or as `folder`.
        WorkspaceError: something cannot be read or written.
    """
    if (parts := store.parts()) and not job.spec.output_filestore:
        return bring_outputs(store, parts, job, target, clean=clean)
    return copy_outputs(store, job, folder(store, job), target, clean=clean)
