"""The lease of a job in a bucket: a sign that somebody lives who leads it.

That two heads never write one journal is the segments' doing. The lease, `jobs/<job>/lease`,
only keeps a second head from trying: an object that its holder replaces every BEAT_S, and that
is good until it is LIMIT_S old, by the store's own clock. Each body is another, since a store
names equal bodies alike, and a swap of equal ones would be noticed by nobody.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from batchio.core.checks import integer
from batchio.errors import JobMoved, JournalDown, LeaseHeld
from batchio.ports import Holder
from batchio.stores.bucket_index import facts_in
from batchio.stores.processes import is_gone, this_process
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from batchio.buckets.blocking import Bucket, Mark

BEAT_S: Final = 15.0
"""Seconds between two signs of its holder."""

LIMIT_S: Final = 60.0
"""Age in seconds at which nobody holds it any more."""

TRIES: Final = 8
"""Number of times that it is swapped for what is there, until the store counts as down."""


def holder(bucket: Bucket, job: str) -> Holder | None:
    """Return who leads a job, or None when nobody does. One request.

    Raises:
        JournalDown, WorkspaceError: the bucket does not say.
    """
    with answering():
        found = bucket.dated(_key(job))
    if found is None or found.age > LIMIT_S:
        return None
    said = facts_in(found.data)
    if said.get("released") or is_gone(str(said.get("process", ""))):
        return None
    host, kind = str(said.get("host", "")), str(said.get("kind", ""))
    return Holder(_number(said, "pid"), host, kind, left=LIMIT_S - found.age)


class BucketLease:
    """The right to be the head of a job, as long as its segments agree; see `take`.

    Raises:
        LeaseHeld: another head lives; names pid and host.
        JournalDown, WorkspaceError: the bucket does not say.
    """

    def __init__(self, bucket: Bucket, job: str, kind: str, by: str) -> None:
        if who := holder(bucket, job):
            raise LeaseHeld(
                f"another process runs job {job} (process {who.pid} on {who.host})",
                hint=f"to see its state: batchio status {job}",
            )
        self._bucket = bucket
        self._job = job
        self._said: dict[str, Any] = {
            "epoch": 0,
            "by": by,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "kind": kind,
            "process": this_process(),
            "n": 0,
            "released": False,
        }
        self._known: Mark | None = None
        self._held = False

    def take(self, epoch: int) -> None:
        """Write that this head leads, now that its epoch stands in the journal.

        Raises:
            LeaseHeld: a head of a later epoch has done so meanwhile.
            JournalDown, WorkspaceError: the bucket does not answer.
        """
        self._said["epoch"] = epoch
        self._held = True
        self._write()

    def renew(self) -> None:
        """Give another sign.

        Raises:
            LeaseHeld: another head has taken over.
            JobMoved: the job was removed.
            JournalDown, WorkspaceError: the bucket does not answer; it may be tried again.
        """
        if self._held:
            self._write()

    def release(self) -> None:
        """Write that nobody leads any more; nothing when another head does. Repeatable.

        Raises:
            JournalDown, WorkspaceError: the bucket does not answer. The lease ages.
        """
        if not self._held:
            return
        self._held = False
        self._said["released"] = True
        self._write()

    def _write(self) -> None:
        """Replace the object with what is true now, unless it is another head's."""
        place = _key(self._job)
        self._said["n"] += 1
        body = json.dumps(self._said).encode()
        with answering():
            for _ in range(TRIES):
                if self._known is None:
                    mark = self._bucket.put_new(place, body)
                else:
                    mark = self._bucket.swap(place, body, self._known)
                if mark is None:
                    found = self._bucket.get(place)
                    self._known = found.mark if found else None
                    if found is None:
                        self._need_job()
                        continue
                    if found.data != body:
                        self._need_ours(facts_in(found.data))
                        continue
                    mark = found.mark
                self._known = mark
                return
        raise JournalDown(f"{self._bucket.url} refuses to replace {place}")

    def _need_ours(self, said: dict[str, Any]) -> None:
        """Raise LeaseHeld when this was said by a head of a later epoch, or another of ours."""
        other = said.get("by") != self._said["by"]
        if other and _number(said, "epoch") >= self._said["epoch"]:
            self._held = False
            raise LeaseHeld(
                f"another head has taken over job {self._job} (process {said.get('pid')} on "
                f"{said.get('host')})"
            )

    def _need_job(self) -> None:
        """Raise JobMoved when the job itself is not there any more."""
        if not self._bucket.keys(f"jobs/{self._job}/journal/"):
            self._held = False
            raise JobMoved(f"job {self._job} was removed from {self._bucket.url}")


def _key(job: str) -> str:
    return f"jobs/{job}/lease"


def _number(said: dict[str, Any], name: str) -> int:
    """Return a number that a lease says; 0 when it says none that makes sense."""
    try:
        return integer(said.get(name))
    except ValueError:
        return 0
