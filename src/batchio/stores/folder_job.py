"""One job's folder; its layout stands in `folder.py`. Everything here blocks, shortly.

Modules that only heads need are loaded by them alone, so that looking at a job starts quickly.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from batchio.ports import Pace
from batchio.stores import last_words
from batchio.stores.folder_logs import FolderLogs
from batchio.stores.inbox import Inbox
from batchio.stores.inputs import FolderInputs
from batchio.stores.lease import holder
from batchio.stores.placed import FolderPlacedFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchio.ports import Holder
    from batchio.stores.brought import FolderBroughtFiles
    from batchio.stores.log_sink import FolderSink
    from batchio.stores.reader import SqliteReader
    from batchio.stores.sqlite import SqliteJournal

PARTS: Final = ("logs", "outputs", "inbox")
"""Folders that every job has."""
NAME_FILE: Final = "name"
BUNDLE_FILE: Final = "bundle.tar"
HEAD_LOG: Final = "head.log"


def show(folder: Path, topic: str, facts: Mapping[str, Any]) -> None:
    """Replace `<topic>.json` in a job's folder; remove it when it cannot be written."""
    file, draft = folder / f"{topic}.json", folder / f"{topic}.part"
    try:
        draft.write_text(json.dumps(facts), encoding="utf-8")
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        with suppress(OSError):
            file.unlink(missing_ok=True)


PACE: Final = Pace(requests=0.1, news=(0.02, 0.5), leader=0.03, shown=0.0)
"""Pace for folders, where a look takes microseconds."""


class FolderJobStore:
    """The folder of one job; implements `ports.JobStore`."""

    pace = PACE

    def __init__(self, folder: Path) -> None:
        self.id = folder.name
        self.where = str(folder)
        self.folder = folder
        self._inbox = Inbox(folder / "inbox")

    def name(self) -> str:
        """Return the job's name; may be empty."""
        try:
            return (self.folder / NAME_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def size(self) -> int:
        """Return the bytes that the job's files take on the disk; links are not followed."""
        total = 0
        for folder, _, files in os.walk(self.folder):
            for file in files:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, file)).st_blocks * 512
        return total

    # --- the journal and its head --------------------------------------------

    def reader(self) -> SqliteReader:
        """Open the journal to read it. Raises as `SqliteReader` does."""
        from batchio.stores.reader import SqliteReader

        return SqliteReader(self.folder)

    def lead(self, kind: str = "local") -> SqliteJournal:
        """Take the lease and open the journal to write it. Raises as `SqliteJournal` does."""
        from batchio.stores.sqlite import SqliteJournal

        return SqliteJournal(self.folder, kind)

    def leader(self) -> Holder | None:
        """Return which process is the job's head; None when it has none."""
        return holder(self.folder)

    def seed(self) -> bytes:
        """Return the job's secret, from a file that only its user may read. See the port."""
        from batchio.stores.seed import folder_seed

        return folder_seed(self.folder)

    # --- what other processes ask of the head --------------------------------

    def ask(self, request: Mapping[str, Any]) -> str:
        """Leave a request. See the port."""
        return self._inbox.post(request)

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests, oldest first; costs one `listdir` when there are none."""
        return self._inbox.requests()

    def answered(self, name: str) -> None:
        """Drop the request `name`, whose answer was journaled."""
        self._inbox.drop(name)

    # --- what travels --------------------------------------------------------

    def inputs(self) -> FolderInputs:
        """Open the inputs of the tasks. Raises as `FolderInputs` does."""
        return FolderInputs(self.folder)

    def bundle(self) -> Path:
        """Return the path of the tar file that is sent to nodes."""
        return self.folder / BUNDLE_FILE

    def sign_bundle(self, seconds: float) -> None:
        """Return None: nodes cannot fetch from here."""

    def pieces(self) -> None:
        """Return None: its jobs run where the user's cache is."""

    def outputs(self) -> Path:
        """Return the folder for the tasks' output files."""
        return self.folder / "outputs"

    def parts(self) -> None:
        """Return None: outputs are files in `outputs()`."""

    def placed(self) -> FolderPlacedFiles:
        """Return the record of output files that the job has put in place."""
        return FolderPlacedFiles(self.folder)

    def brought(self, folder: Path) -> FolderBroughtFiles:
        """Return the record of what was brought to a folder of the user's."""
        from batchio.stores.brought import FolderBroughtFiles

        return FolderBroughtFiles(self.folder.parent.parent, folder)

    def log_sink(self, node: int, *, local: bool) -> FolderSink:
        """Open the sink for one node's log bytes."""
        from batchio.stores.log_sink import FolderSink

        return FolderSink(self.folder / "logs" / str(node), local=local)

    def logs(self) -> FolderLogs:
        """Return the store of the nodes' log bytes."""
        return FolderLogs(self.folder / "logs")

    # --- for people who look on ----------------------------------------------

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        """Replace the facts about a topic, in `<topic>.json`."""
        show(self.folder, topic, facts)

    def shown(self, topic: str) -> dict[str, Any]:
        """Return the facts about a topic, from `<topic>.json`; {} when missing or damaged."""
        try:
            found = json.loads((self.folder / f"{topic}.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def say_last_words(self, text: str) -> None:
        """Write why the head stopped, after deleting the reserve to make room for it."""
        last_words.write_last_words(self.folder, text)

    def last_words(self) -> str | None:
        """Return why the last head stopped, if it said so."""
        return last_words.read_last_words(self.folder)

    def head_log(self) -> Path:
        """Return the path of the file that holds heads' stderr."""
        return self.folder / HEAD_LOG

    def head_words(self) -> str:
        """Return the text that heads wrote to stderr so far."""
        try:
            return self.head_log().read_text("utf-8", "surrogateescape")
        except (FileNotFoundError, IsADirectoryError):
            return ""
