"""One job in a bucket; its keys stand in `bucket.py`. Everything here blocks, shortly.

What must be a real file of this computer is in the local copy, a folder that is filled as
needed and may be deleted at any time while no head of this computer leads the job.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from batchio.core.cards import TOPIC, is_final
from batchio.errors import BatchioError, JournalDown, NoSuchJob
from batchio.ports import Pace
from batchio.stores import segments
from batchio.stores.brought import FolderBroughtFiles
from batchio.stores.bucket_inbox import BucketInbox
from batchio.stores.bucket_index import FOLDER, BucketIndex, facts_in, name_in
from batchio.stores.bucket_lease import holder
from batchio.stores.bucket_logs import BucketLogs
from batchio.stores.bucket_outputs import BucketOutputs
from batchio.stores.bucket_pieces import BucketPieces
from batchio.stores.bucket_reader import BucketReader
from batchio.stores.head_words import HEAD_LOG, said
from batchio.stores.inputs import DATA_FILE, INDEX_FILE, FolderInputs
from batchio.stores.placed import FolderPlacedFiles
from batchio.stores.trouble import answering, unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchio.buckets.blocking import Bucket
    from batchio.ports import Holder, LogSink
    from batchio.stores.bucket_journal import BucketJournal
    from batchio.stores.bucket_mirror import Mirror

BUNDLE_FILE: Final = "bundle.tar"

PACE: Final = Pace(requests=1.0, news=(0.25, 2.0), leader=2.0, shown=10.0)
"""Pace for buckets, where a look takes tens of milliseconds, and costs money."""


class BucketJobStore:
    """One job in a bucket; implements `ports.JobStore`.

    Args:
        folder: Its local copy, which need not exist.
        records: Folder for what is known of files of this computer's users.
    """

    pace = PACE

    def __init__(self, bucket: Bucket, job: str, folder: Path, records: Path) -> None:
        self.id = job
        self.where = f"{bucket.url}/jobs/{job}"
        self._bucket = bucket
        self._copy = folder
        self._records = records
        self._inbox = BucketInbox(bucket, job)
        self._card: str | None = None
        """Key of the job's card, once it is known."""
        self._mirror: Mirror | None = None
        """What this store's head copies, once it leads."""

    def name(self) -> str:
        """Return the job's name, which is in the key of its card; may be empty."""
        return name_in(self._card_key() or "")

    def size(self) -> int:
        """Return the bytes of the job's objects, and of its outputs in the local copy."""
        with answering():
            total = self._bucket.sizes(f"jobs/{self.id}/")
        for folder, _, files in os.walk(self.outputs()):
            for file in files:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, file)).st_size
        return total

    def exists(self) -> bool:
        """Return whether there is such a job."""
        if self._card is not None:
            return True
        with answering():
            there = self._bucket.get(segments.key(self.id, 1)) is not None
        return there or self._card_key() is not None

    # --- the journal and its head --------------------------------------------

    def reader(self) -> BucketReader:
        """Open the journal to read it. Raises as `BucketReader` does."""
        return BucketReader(self._bucket, self.id)

    def lead(self, kind: str = "local") -> BucketJournal:
        """Take the job over, to write its journal. Raises as `BucketJournal` does."""
        from batchio.stores.bucket_journal import BucketJournal
        from batchio.stores.bucket_mirror import Mirror

        journal = BucketJournal(self._bucket, self.id, kind)
        try:
            with answering():
                self._bucket.delete([self._key("stopped")])
                self._mirror = Mirror(self._bucket, self.id, self._folder(), journal.epoch)
        except BaseException:
            journal.give_up()
            raise
        journal.mirror = self._mirror
        return journal

    def leader(self) -> Holder | None:
        """Return which process is the job's head; None when it has none."""
        return holder(self._bucket, self.id)

    def seed(self) -> bytes:
        """Return the job's secret, from an object of its own. See the port."""
        key = self._key("seed")
        with answering():
            for _ in range(2):  # another answer to our own put may be that it is there
                if (found := self._bucket.get(key)) is not None:
                    return found.data
                self._bucket.put_new(key, secrets.token_bytes(32))
            found = self._bucket.get(key)
        if found is None:
            raise JournalDown(f"{self.where}/seed was stored, and is not there")
        return found.data

    # --- what other processes ask of the head --------------------------------

    def ask(self, request: Mapping[str, Any]) -> str:
        """Leave a request, and ring. See the port."""
        if not self.exists():
            raise NoSuchJob(f"there is no job {self.id} in {self._bucket.url}")
        return self._inbox.post(request)

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests, oldest first; one request while nobody rings."""
        return self._inbox.requests()

    def answered(self, name: str) -> None:
        """Drop the request `name`, whose answer was journaled."""
        self._inbox.drop(name)

    # --- what travels --------------------------------------------------------

    def inputs(self) -> FolderInputs:
        """Open the inputs of the tasks, from the local copy. Raises as `FolderInputs` does."""
        self._need(DATA_FILE)
        self._need(INDEX_FILE)
        return FolderInputs(self._copy)

    def bundle(self) -> Path:
        """Return the path of the tar file that is sent to nodes, in the local copy."""
        return self._need(BUNDLE_FILE)

    def sign_bundle(self, seconds: float) -> str | None:
        """Return a URL from which nodes may GET the bundle; None where a bucket has none."""
        if not self._bucket.signs_writes:
            return None
        with answering():
            return self._bucket.sign(self._key(BUNDLE_FILE), seconds)

    def pieces(self) -> BucketPieces:
        """Return where the pieces of environments are kept."""
        return BucketPieces(self._bucket)

    def outputs(self) -> Path:
        """Return the folder for the tasks' output files."""
        return self._copy / "outputs"

    def parts(self) -> BucketOutputs:
        """Return where the tasks' outputs are kept."""
        return BucketOutputs(self._bucket, self.id)

    def placed(self) -> FolderPlacedFiles:
        """Return the record of output files that were put in place on this computer."""
        return FolderPlacedFiles(self._folder())

    def brought(self, folder: Path) -> FolderBroughtFiles:
        """Return this computer's record of what was brought to a folder of the user's."""
        return FolderBroughtFiles(self._records, folder)

    def log_sink(self, node: int, *, local: bool) -> LogSink:
        """Open the sink for one node's log bytes; the head of this store copies what is new."""
        from batchio.stores.bucket_mirror import BucketSink
        from batchio.stores.log_sink import FolderSink

        folder = self._folder() / "logs" / str(node)
        if self._mirror is None:
            return FolderSink(folder, local=local)
        return BucketSink(self._mirror, node, folder, local=local)

    def logs(self) -> BucketLogs:
        """Return a reader of the nodes' log bytes."""
        return BucketLogs(self._bucket, self.id, self._copy)

    # --- for people who look on ----------------------------------------------

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Replace the facts about a topic. Never fails."""
        with suppress(BatchioError):
            if self.exists():
                self._bucket.put(self._shown_key(topic), json.dumps(facts).encode())
                if topic == TOPIC and is_final(facts):
                    BucketIndex(self._bucket).gather()

    def shown(self, topic: str) -> dict[str, Any]:
        """Return the facts about a topic; {} when missing or damaged."""
        if topic == TOPIC and self._card_key() is None:
            return {}
        with answering():
            found = self._bucket.get(self._shown_key(topic))
        return facts_in(found.data if found else b"")

    def say_last_words(self, text: str) -> None:
        """Write why the head stopped. Never fails."""
        with suppress(BatchioError):
            if self.exists():
                self._bucket.put(self._key("stopped"), text.encode("utf-8", "replace"))

    def last_words(self) -> str | None:
        """Return why the last head stopped, if it said so."""
        with answering():
            found = self._bucket.get(self._key("stopped"))
        return found.data.decode("utf-8", "replace") if found else None

    def head_log(self) -> Path:
        """Return the path of the file that holds the stderr of heads on this computer."""
        return self._folder() / HEAD_LOG

    def head_words(self) -> str:
        """Return what heads wrote to stderr so far, on whichever computer; may be empty."""
        with answering():
            return said(self._bucket, self.id, self._copy)

    # --- keys and copies -----------------------------------------------------

    def _key(self, name: str) -> str:
        return f"jobs/{self.id}/{name}"

    def _shown_key(self, topic: str) -> str:
        card = self._card_key() if topic == TOPIC else None
        return card or self._key(f"shown/{topic}")

    def _card_key(self) -> str | None:
        """Return the key of the job's card, which also holds its name; None without one."""
        if self._card is None:
            with answering():
                found = self._bucket.keys(f"{FOLDER}{self.id}/")
            self._card = found[0] if found else None
        return self._card

    def _folder(self) -> Path:
        """Return the local copy, which is made when there is none."""
        try:
            self._copy.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as err:
            raise unusable(self._copy, err) from err
        return self._copy

    def _need(self, name: str) -> Path:
        """Return the path of a file in the local copy, which is fetched if it is not there."""
        file = self._folder() / name
        if not file.exists():
            try:
                with answering():
                    self._bucket.download(self._key(name), file)
            except OSError as err:
                raise unusable(file, err) from err
        return file
