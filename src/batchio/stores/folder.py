"""The workspace as a folder: where jobs are kept and found.

    <root>/jobs/<id>/   journal.sqlite, snapshot, head.lock, name
                        inputs, inputs.index          what the tasks map over
                        bundle.tar  outputs/          bytes that travel
                        placed/                       which outputs are ours: `placed.py`
                        logs/<node>/<offset>          as docs/design/agent.md has them
                        inbox/                        what other processes ask of the head
                        stopped.txt  reserve          last words on a full disk
    <root>/drafts/      jobs that are being made or removed
    <root>/brought/     what lies in folders of the user's: `brought.py`

Everything here blocks, shortly; `remove` as long as deleting takes.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from batchio.core.ids import RANDOM_BYTES, is_job_id, job_id
from batchio.errors import UsageError, WorkspaceError
from batchio.stores.folder_job import BUNDLE_FILE, NAME_FILE, PARTS, FolderJobStore, show
from batchio.stores.inputs import write_inputs
from batchio.stores.last_words import keep_reserve
from batchio.stores.lease import Lease
from batchio.stores.trouble import unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchio.stores.brought import FolderBroughtFiles

DRAFT_AGE_S: Final = 86_400
"""Age in seconds at which a draft counts as left behind by a process that died."""


class FolderWorkspace:
    """One folder of jobs; implements `ports.Workspace`.

    Args:
        root: A path or a `file://` URL; None: `default_root()`.

    Raises:
        UsageError: a URL of another kind.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.new_id = new_id
        """Makes a job id of the time of submission; it may make one twice."""
        self.root = default_root(os.environ) if root is None else parse_root(root)
        self.url = str(self.root)
        self.local = self.root
        self._jobs = self.root / "jobs"
        self._drafts = self.root / "drafts"

    def jobs(self) -> list[str]:
        """Return the ids of all jobs, newest first. Opens no journal."""
        try:
            return sorted(filter(is_job_id, os.listdir(self._jobs)), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as err:
            raise unusable(self.root, err) from err

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of each job, newest first; reads a small file for each."""
        return ((job, self.job(job).name()) for job in self.jobs())

    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield id and card of each job, newest first; reads a small file for each."""
        from batchio.core.cards import TOPIC

        return ((job, self.job(job).shown(TOPIC)) for job in self.jobs())

    def job(self, job: str) -> FolderJobStore:
        """Return the store of one job, which need not exist."""
        return FolderJobStore(self._jobs / job)

    def brought(self, folder: Path) -> FolderBroughtFiles:
        """Return the record of what was brought to a folder of the user's."""
        from batchio.stores.brought import FolderBroughtFiles

        return FolderBroughtFiles(self.root, folder)

    def draft(self, now: float) -> FolderDraft:
        """Begin a job under a new id; many processes may submit at the same instant."""
        while True:
            job = self.new_id(now)
            draft, folder = self._drafts / job, self._jobs / job
            try:
                self._lay_out(draft)
            except FileExistsError:
                continue
            except OSError as err:
                raise unusable(self.root, err) from err
            # Looked at only now: while the draft is ours, nobody else's becomes this job.
            if not folder.exists():
                return FolderDraft(draft, folder)
            shutil.rmtree(draft)

    def remove(self, job: str) -> None:
        """Delete everything of a job. See the port."""
        folder = self._jobs / job
        lease = Lease(folder)
        try:
            self._drafts.mkdir(exist_ok=True, mode=0o700)
            gone = self._drafts / f"{job}.gone"
            folder.rename(gone)
            shutil.rmtree(gone)
        except OSError as err:
            raise unusable(self.root, err) from err
        finally:
            lease.release()

    def _lay_out(self, draft: Path) -> None:
        self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._jobs.mkdir(exist_ok=True, mode=0o700)
        self._sweep()
        draft.mkdir(mode=0o700)
        for part in PARTS:
            (draft / part).mkdir()

    def _sweep(self) -> None:
        """Delete drafts of processes that died long ago."""
        with suppress(OSError), os.scandir(self._drafts) as entries:
            for entry in entries:
                if entry.stat().st_mtime < time.time() - DRAFT_AGE_S:
                    shutil.rmtree(entry.path, ignore_errors=True)


class FolderDraft:
    """A folder that becomes a job by its new name; implements `ports.Draft`."""

    def __init__(self, draft: Path, folder: Path) -> None:
        self.id = folder.name
        self._draft = draft
        self._folder = folder

    def put_inputs(self, inputs: Iterable[bytes], what: str) -> int:
        """Write all inputs of the tasks, and return their number. See the port."""
        return write_inputs(self._draft, inputs, what)

    def bundle(self) -> Path:
        """Return the path of the file to pack the job's files into."""
        return self._draft / BUNDLE_FILE

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Write the job's first facts about a topic, for people."""
        show(self._draft, topic, facts)

    def send(self) -> None:
        """Do nothing: they are there already."""

    def commit(self, events: Sequence[str], *, name: str = "", made_by: str = "") -> None:
        """Make the job, whole or not at all. See the port."""
        try:
            from batchio.stores.sqlite import create_journal

            create_journal(self._draft, self.id, events, made_by)
            (self._draft / NAME_FILE).write_text(name, encoding="utf-8")
            keep_reserve(self._draft)
            self._draft.rename(self._folder)
            _sync(self._folder.parent)
        except OSError as err:
            raise unusable(self._folder.parent.parent, err) from err

    def __enter__(self) -> FolderDraft:
        """Return this draft."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the draft if it was not committed."""
        shutil.rmtree(self._draft, ignore_errors=True)  # by now it is the job, or in the way


def new_id(now: float) -> str:
    """Return an id for a job submitted at `now` (Unix seconds)."""
    return job_id(now, os.urandom(RANDOM_BYTES))


def default_root(environ: Mapping[str, str]) -> Path:
    """Return the platform's folder for data of programs.

    `$XDG_DATA_HOME` counts only when absolute, as the XDG base directory specification
    wants it; on macOS it is `~/Library/Application Support`.
    """
    given = environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "batchio"
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / "batchio"
    return home() / ".local" / "share" / "batchio"


def home(instead: str = "a folder for jobs: BATCHIO_WORKSPACE=FOLDER") -> Path:
    """Return the user's home folder; `instead` is what can be set where there is none.

    Raises:
        WorkspaceError: nobody says where that is.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise WorkspaceError(
            "there is no home folder: HOME is not set, and this user is not in /etc/passwd",
            hint=f"set {instead}",
        ) from None


def parse_root(root: str | Path) -> Path:
    """Return the absolute folder that a path or a `file://` URL names.

    Raises:
        UsageError: a URL of another kind, or of another host.
    """
    text = str(root)
    if "://" not in text:
        return Path(os.path.expanduser(text)).absolute()
    url = urlsplit(text)
    if url.scheme != "file" or url.netloc not in ("", "localhost") or not url.path:
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
