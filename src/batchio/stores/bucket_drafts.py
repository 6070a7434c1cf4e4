"""Jobs in the making in a bucket, and what becomes of those whose client died.

    drafts/<id>     written before all else of a job, deleted when the job is made or given up
    drafts/~<name>  written, read and deleted by whoever tries what the bucket allows

Whoever makes a job later finds a mark that is older than STALE_S by the store's own clock, and
deletes what it stands for, unless there is such a job. Everything here blocks.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchio.core.ids import is_job_id
from batchio.errors import BatchioError
from batchio.stores import segments
from batchio.stores.bucket_index import FOLDER as INDEX
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.buckets.blocking import Bucket, Listed

FOLDER: Final = "drafts/"

STALE_S: Final = 7 * 86400.0
"""Seconds after which nobody sends the files of a job any more."""

MOST_AT_ONCE: Final = 10
"""Drafts that one client deletes at most: it has a job to make."""


class Drafts:
    """The marks of all jobs in the making."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def trial(self, name: str) -> str:
        """Return the key of an object to try the bucket's rights with."""
        return f"{FOLDER}~{name}"

    def mark(self, job: str) -> None:
        """Write that a job of this id is in the making.

        Raises:
            JournalDown, WorkspaceError: the bucket does not take it.
        """
        with answering():
            self._bucket.put(FOLDER + job, b"")

    def unmark(self, job: str) -> None:
        """Write that none is any more. Raises nothing: a mark that is left does no harm."""
        with suppress(BatchioError):
            self._bucket.delete([FOLDER + job])

    def sweep(self, listed: Sequence[Listed]) -> None:
        """Delete what dead clients left; `listed` are all marks, one of them new. Never fails."""
        now = max((mark.changed for mark in listed), default=0.0)
        stale = [mark.key for mark in listed if mark.changed <= now - STALE_S]
        with suppress(BatchioError), answering():
            for key in stale[:MOST_AT_ONCE]:
                job = key.removeprefix(FOLDER)
                if is_job_id(job) and not self._is_made(job):
                    delete_job(self._bucket, job)
                self._bucket.delete([key])

    def _is_made(self, job: str) -> bool:
        made = self._bucket.keys(f"{INDEX}{job}/")
        return bool(made) or self._bucket.get(segments.key(job, 1)) is not None


def delete_job(bucket: Bucket, job: str) -> None:
    """Delete a job's objects: first what it is listed by, last what keeps its id from others.

    Raises:
        JournalDown, WorkspaceError: the bucket does not do so; some may be left.
    """
    with answering():
        bucket.delete(bucket.keys(f"{INDEX}{job}/"))
        keys = bucket.keys(f"jobs/{job}/")
        claim = f"jobs/{job}/claim"
        bucket.delete([key for key in keys if key != claim])
        bucket.delete([claim])
