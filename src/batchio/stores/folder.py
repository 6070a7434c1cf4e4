"""The workspace as a folder: where jobs live, how they are found, how they are reached.

    <root>/jobs/<id>/   journal.sqlite, snapshot, head.lock, name
                        inputs, inputs.index          what the tasks map over
                        bundle.tar  outputs/          bytes that travel
                        logs/<node>/<offset>          as docs/design/agent.md has them
                        inbox/                        what other processes ask of the head
                        stopped.txt  reserve          last words on a full disk
    <root>/drafts/      jobs that are being made or removed

Everything here blocks, shortly; `remove` as long as deleting takes.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from batchio.core.ids import RANDOM_BYTES, is_job_id, is_prefix, job_id
from batchio.errors import NoSuchJob, UsageError
from batchio.stores.inbox import Inbox
from batchio.stores.last_words import keep_reserve
from batchio.stores.lease import Lease, holder
from batchio.stores.reader import SqliteReader
from batchio.stores.sqlite import SqliteJournal, create_journal
from batchio.stores.trouble import unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.ports import Holder

FOLDERS: Final = ("logs", "outputs", "inbox")
DRAFT_AGE_S: Final = 86_400
"""A draft as old as this was left behind by a process that died."""
CANDIDATES: Final = 5
"""How many jobs an ambiguous name lists."""


class Workspace:
    """One folder of jobs.

    Args:
        root: A path or a `file://` URL; None: `default_root()`.

    Raises:
        UsageError: a URL of another kind.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = default_root(os.environ) if root is None else parse_root(root)
        self._jobs = self.root / "jobs"
        self._drafts = self.root / "drafts"

    def folder(self, job: str) -> Path:
        """Where the job's files are; it need not exist."""
        return self._jobs / job

    def inbox(self, job: str) -> Inbox:
        """The way from other processes to the job's head."""
        return Inbox(self.folder(job) / "inbox")

    # --- making and removing -------------------------------------------------

    def new_id(self, now: float, randomness: bytes | None = None) -> str:
        """An id for a job submitted at `now` (Unix seconds)."""
        return job_id(now, os.urandom(RANDOM_BYTES) if randomness is None else randomness)

    def new_draft(self, now: float) -> tuple[str, Path]:
        """An id that nobody has, and its draft: many may submit in the same instant.

        Raises:
            WorkspaceError: the workspace cannot be written.
        """
        while True:
            job = self.new_id(now)
            try:
                folder = self._drafted(job)
            except FileExistsError:
                continue
            except OSError as err:
                raise unusable(self.root, err) from err
            # Looked at only now: while the draft is ours, nobody else's becomes this job.
            if not self.folder(job).exists():
                return job, folder
            shutil.rmtree(folder)

    def draft(self, job: str) -> Path:
        """A folder laid out for a new job that nobody sees yet; fill it, then `create`.

        Raises:
            WorkspaceError: the workspace cannot be written.
        """
        try:
            return self._drafted(job)
        except OSError as err:
            raise unusable(self.root, err) from err

    def _drafted(self, job: str) -> Path:
        folder = self._drafts / job
        self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._jobs.mkdir(exist_ok=True, mode=0o700)
        self._sweep()
        folder.mkdir(mode=0o700)
        for name in FOLDERS:
            (folder / name).mkdir()
        return folder

    def create(
        self, job: str, first_events: Sequence[str], *, name: str = "", made_by: str = ""
    ) -> Path:
        """Make the job, whole or not at all, from its draft if there is one.

        Args:
            first_events: Encoded by `core.events.encode`; at least `JobSubmitted`.
            name: What people may call it, besides its id.
            made_by: The version of batchio.

        Raises:
            JournalFull, WorkspaceError: nothing was made.
        """
        draft, folder = self._drafts / job, self.folder(job)
        if not draft.is_dir():
            draft = self.draft(job)
        try:
            create_journal(draft, job, first_events, made_by)
            (draft / "name").write_text(name, encoding="utf-8")
            keep_reserve(draft)
            draft.rename(folder)
            _sync(self._jobs)
        except OSError as err:
            raise unusable(self.root, err) from err
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return folder

    def remove(self, job: str) -> None:
        """Delete all there is of a job.

        Raises:
            LeaseHeld: a head runs it.
            NoSuchJob: there is none.
        """
        lease = Lease(self.folder(job))
        try:
            self._drafts.mkdir(exist_ok=True, mode=0o700)
            gone = self._drafts / f"{job}.gone"
            self.folder(job).rename(gone)
            shutil.rmtree(gone)
        except OSError as err:
            raise unusable(self.root, err) from err
        finally:
            lease.release()

    # --- finding -------------------------------------------------------------

    def jobs(self) -> list[str]:
        """Ids of all jobs, newest first. Opens no journal."""
        try:
            return sorted(filter(is_job_id, os.listdir(self._jobs)), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as err:
            raise unusable(self.root, err) from err

    def name(self, job: str) -> str:
        """What people call the job; may be empty."""
        try:
            return (self.folder(job) / "name").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def find(self, text: str | None = None) -> str:
        """The id that a person means: an id, a unique beginning of one, or a name.

        Of several jobs with that name it is the newest; None means the newest of all.

        Raises:
            NoSuchJob: nothing fits, or more than one beginning; the hint lists them.
        """
        jobs = self.jobs()
        if text is None:
            if not jobs:
                raise NoSuchJob("there are no jobs yet", hint="start one: batchio run SCRIPT")
            return jobs[0]
        if text in jobs:
            return text
        begun = [job for job in jobs if job.startswith(text)] if is_prefix(text) else []
        if len(begun) == 1:
            return begun[0]
        named = next((job for job in jobs if text and self.name(job) == text), None)
        if named is not None:
            return named
        if begun:
            listed = ", ".join(f"{job} {self.name(job)}".strip() for job in begun[:CANDIDATES])
            more = f" and {len(begun) - CANDIDATES} more" if len(begun) > CANDIDATES else ""
            raise NoSuchJob(f'{len(begun)} jobs begin with "{text}"', hint=listed + more)
        raise NoSuchJob(f'no job has the id or name "{text}"', hint="see: batchio list")

    # --- reaching ------------------------------------------------------------

    def reader(self, job: str) -> SqliteReader:
        """The job's journal, to read. Raises as `SqliteReader` does."""
        return SqliteReader(self.folder(job))

    def take(self, job: str) -> SqliteJournal:
        """The job's lease, and its journal to write. Raises as `SqliteJournal` does."""
        return SqliteJournal(self.folder(job))

    def lease_holder(self, job: str) -> Holder | None:
        """Which process is the job's head: `(pid, host)`; None when it has none."""
        return holder(self.folder(job))

    def _sweep(self) -> None:
        """Delete drafts of processes that died long ago."""
        with suppress(OSError), os.scandir(self._drafts) as entries:
            for entry in entries:
                if entry.stat().st_mtime < time.time() - DRAFT_AGE_S:
                    shutil.rmtree(entry.path, ignore_errors=True)


def default_root(environ: Mapping[str, str]) -> Path:
    """The platform's folder for data of programs.

    `$XDG_DATA_HOME` counts only when absolute, as the XDG base directory specification
    wants it; on macOS it is `~/Library/Application Support`.
    """
    given = environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "batchio"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "batchio"
    return Path.home() / ".local" / "share" / "batchio"


def parse_root(root: str | Path) -> Path:
    """The folder that a path or a `file://` URL names, absolute.

    Raises:
        UsageError: a URL of another kind, or of another host.
    """
    text = str(root)
    if "://" not in text:
        return Path(text).expanduser().absolute()
    url = urlsplit(text)
    if url.scheme != "file":
        raise UsageError(
            f'workspace "{text}": only folders yet', hint="give a path, or file:///some/folder"
        )
    if url.netloc not in ("", "localhost") or not url.path:
        raise UsageError(
            f'workspace "{text}" is not on this computer', hint="write file:///some/folder"
        )
    return Path(unquote(url.path))


def _sync(folder: Path) -> None:
    """Make a rename in `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
