"""The workspace in a bucket: where jobs are kept and found.

    index/<id>/~<name>, cards      a job's card, and those of many, for lists: `bucket_index.py`
    jobs/<id>/claim                whoever has written it may make a job of this id
    jobs/<id>/inputs, inputs.index, bundle.tar        what was submitted
    jobs/<id>/journal/<number>     the events: `segments.py`. With the first there is the job
    jobs/<id>/journal.all/, snapshot, lease           `bucket_reader.py`, `bucket_lease.py`
    jobs/<id>/inbox/, bell         what other processes ask of the head: `bucket_inbox.py`
    jobs/<id>/shown/<topic>, stopped                  for people who look on
    jobs/<id>/live/, logs/, watch  what nodes print: `log_packs.py`
    jobs/<id>/heads/<epoch>.log    what heads say: `head_words.py`
    drafts/<id>                    that somebody makes a job: `bucket_drafts.py`
    sha256/<digest>                packages that travel: `bucket_pieces.py`; programs of heads

Everything here blocks; `commit` as long as its files travel, `remove` as long as deleting takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchio import buckets
from batchio.core.cards import TOPIC
from batchio.errors import BatchioError, JournalDown, NoSuchJob
from batchio.stores import segments
from batchio.stores.brought import FolderBroughtFiles
from batchio.stores.bucket_drafts import Drafts, delete_job
from batchio.stores.bucket_index import BucketIndex, card_key, name_in
from batchio.stores.bucket_job import BUNDLE_FILE, BucketJobStore
from batchio.stores.bucket_lease import BucketLease
from batchio.stores.bucket_rights import need_rights
from batchio.stores.folder import default_root, home, new_id
from batchio.stores.inputs import DATA_FILE, INDEX_FILE, write_inputs
from batchio.stores.trouble import answering, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from batchio.buckets.blocking import Bucket

PATIENCE_S: Final = 10.0
"""Seconds for which a bucket that does not answer is asked again within one request."""

COMMIT_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between the attempts to write what a new job is made of."""

_INSTEAD: Final = "a folder for copies: XDG_CACHE_HOME=FOLDER"
"""What can be set where there is no home folder."""


class BucketWorkspace:
    """A bucket of jobs; implements `ports.Workspace`.

    Args:
        url: Of the bucket, and of a folder in it.
        files: Folder for all of it that is on this computer; None: local copies are below
            `default_copies`, and records of what users have below `default_root`.

    Raises:
        UsageError: it is no such URL, or what it needs is not installed or not said.
    """

    local = None

    def __init__(self, url: str, files: Path | None = None) -> None:
        parts = buckets.check(url, "workspace")
        self.new_id = new_id
        """Makes a job id of the time of submission; it may make one twice."""
        self._bucket = buckets.open_bucket(parts, patience=PATIENCE_S)
        self.url = self._bucket.url
        self._index = BucketIndex(self._bucket)
        self._drafts = Drafts(self._bucket)
        name = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self._copies = (files or default_copies(os.environ)) / name
        self._records = (files or default_root(os.environ)) / name

    def jobs(self) -> list[str]:
        """Return the ids of all jobs, newest first. Opens no journal."""
        return [card.job for card in self._index.listed()]

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of each job, newest first; one listing."""
        return ((card.job, name_in(card.key)) for card in self._index.listed())

    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield id and card of each job, newest first. See `BucketIndex.cards`."""
        return self._index.cards()

    def job(self, job: str) -> BucketJobStore:
        """Return the store of one job, which need not exist."""
        return BucketJobStore(self._bucket, job, self._copies / job, self._records)

    def brought(self, folder: Path) -> FolderBroughtFiles:
        """Return this computer's record of what was brought to a folder of the user's."""
        return FolderBroughtFiles(self._records, folder)

    def draft(self, now: float) -> BucketDraft:
        """Begin a job under a new id; many computers may submit at the same instant.

        Raises:
            NoAccess: the bucket cannot be used; says which right is missing.
            JournalDown, WorkspaceError: see the port.
        """
        claim = segments.random_name().encode()
        self._drafts.sweep(need_rights(self._bucket, self._drafts.trial(claim.decode())))
        while True:
            job = self.new_id(now)
            _again(partial(self._drafts.mark, job))
            with answering():
                place = f"jobs/{job}/claim"
                if self._bucket.put_new(place, claim) is None:
                    found = self._bucket.get(place)
                    if found is None or found.data != claim:
                        continue
            copy = self._copies / job
            try:
                shutil.rmtree(copy, ignore_errors=True)
                copy.mkdir(parents=True, mode=0o700)
            except OSError as err:
                raise unusable(copy, err) from err
            return BucketDraft(self._bucket, self.job(job), copy, self._drafts)

    def remove(self, job: str) -> None:
        """Delete everything of a job. See the port."""
        if not self.job(job).exists():
            raise NoSuchJob(f"there is no job {job} in {self.url}")
        BucketLease(self._bucket, job, "", "")  # refused when a head lives
        delete_job(self._bucket, job)
        shutil.rmtree(self._copies / job, ignore_errors=True)


class BucketDraft:
    """A job whose first segment is not written yet; implements `ports.Draft`."""

    def __init__(self, bucket: Bucket, store: BucketJobStore, copy: Path, drafts: Drafts) -> None:
        self.id = store.id
        self._drafts = drafts
        self._store = store
        self._bucket = bucket
        self._copy = copy
        self._shown: dict[str, Mapping[str, Any]] = {}
        self._sent = self._committed = False

    def put_inputs(self, inputs: Iterable[bytes], what: str) -> int:
        """Write all inputs of the tasks, and return their number. See the port."""
        return write_inputs(self._copy, inputs, what)

    def bundle(self) -> Path:
        """Return the path of the file to pack the job's files into."""
        return self._copy / BUNDLE_FILE

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Keep the job's first facts about a topic, for people."""
        self._shown[topic] = facts

    def send(self) -> None:
        """Upload the inputs and the bundle, once."""
        if not self._sent:
            for file in (DATA_FILE, INDEX_FILE, BUNDLE_FILE):
                if (self._copy / file).exists():
                    key = f"jobs/{self.id}/{file}"
                    _again(partial(self._bucket.upload, key, self._copy / file))
            self._sent = True

    def commit(self, events: Sequence[str], *, name: str = "", made_by: str = "") -> None:
        """Make the job, whole or not at all. See the port."""
        about = {"name": name, "batchio": made_by, "by": segments.random_name()}
        self.send()
        claim = json.dumps(about).encode()
        _again(partial(self._bucket.put, f"jobs/{self.id}/claim", claim))
        first = segments.pack(0, str(about["by"]), 1, events)
        _again(partial(segments.put, self._bucket, self.id, 1, first))
        card = json.dumps(self._shown.pop(TOPIC, {})).encode()
        _again(partial(self._bucket.put, card_key(self.id, name), card))
        self._committed = True
        for topic, facts in self._shown.items():
            self._store.show(topic, facts)
        self._drafts.unmark(self.id)

    def __enter__(self) -> BucketDraft:
        """Return this draft."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete what was not committed."""
        if not self._committed:
            with suppress(BatchioError):
                delete_job(self._bucket, self.id)
                self._drafts.unmark(self.id)
            shutil.rmtree(self._copy, ignore_errors=True)


def default_copies(environ: Mapping[str, str]) -> Path:
    """Return the platform's folder for what programs can make again.

    `$XDG_CACHE_HOME` counts only when absolute, as the XDG base directory specification
    wants it; on macOS it is `~/Library/Caches`.
    """
    given = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "batchio"
    if sys.platform == "darwin":
        return home(_INSTEAD) / "Library" / "Caches" / "batchio"
    return home(_INSTEAD) / ".cache" / "batchio"


def _again(write: Callable[[], object]) -> None:
    """Write, again while the bucket does not answer, for some seconds."""
    for pause in COMMIT_PAUSES_S:
        try:
            with answering():
                write()
        except JournalDown:
            time.sleep(pause)
        else:
            return
    with answering():
        write()
