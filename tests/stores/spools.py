"""Writers of log bytes, as agents and heads write them, into each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.stores.bucket_logs import BucketLogs, Run
from batchio.stores.bucket_mirror import Mirror
from batchio.stores.folder_logs import FolderLogs
from batchio.stores.log_records import HEADER, STDOUT
from batchio.testing import MemoryLogs
from tests.stores.moody import JOB, bucket_with_job

if TYPE_CHECKING:
    from pathlib import Path


class MirroredLogs(BucketLogs):
    """What a head has copied into a bucket, as every new reader finds it."""

    def __init__(self, folder: Path) -> None:
        bucket = bucket_with_job()
        super().__init__(bucket, JOB, folder)
        self.mirror = Mirror(bucket, JOB, folder, 1)
        self.folder = folder / "logs"

    def _known(self) -> dict[int, list[Run]]:
        self.catch_up(over=True)
        return super()._known()


Logs = FolderLogs | MemoryLogs | MirroredLogs


class Spool:
    """Writes the records of one node, as an agent or a head does."""

    def __init__(self, logs: Logs, node: int) -> None:
        self._logs = logs
        self.node = node
        self.start = self.end = 0
        if isinstance(logs, FolderLogs | MirroredLogs):
            (logs.folder / str(node)).mkdir(parents=True)
        else:
            logs.rows[node] = {}

    def print(self, time: float, task: int, data: bytes, stream: int = STDOUT) -> tuple[int, int]:
        """Append one record; where it lies."""
        record = HEADER.pack(len(data), task, 1, stream, 0, int(time * 1e6)) + data
        self.append(record)
        return self.end - len(record), self.end

    def append(self, data: bytes) -> None:
        if isinstance(self._logs, FolderLogs | MirroredLogs):
            with (self._logs.folder / str(self.node) / f"{self.start:020d}").open("ab") as segment:
                segment.write(data)
            if isinstance(self._logs, MirroredLogs):
                self._logs.mirror.flush()
        else:
            self._logs.rows[self.node].setdefault(self.start, bytearray()).extend(data)
        self.end += len(data)

    def roll(self) -> None:
        """Begin the next segment."""
        self.start = self.end
        if isinstance(self._logs, MirroredLogs):
            self._logs.mirror.seal()

    def drop(self, start: int) -> None:
        """Delete an old segment."""
        if isinstance(self._logs, FolderLogs):
            (self._logs.folder / str(self.node) / f"{start:020d}").unlink()
        elif isinstance(self._logs, MirroredLogs):
            [key] = [run.key for run in self._logs._known()[self.node] if run.offset == start]
            self._logs._bucket.delete([key])
            self._logs._begin()
        else:
            del self._logs.rows[self.node][start]


def made_logs(kind: str, tmp_path: Path) -> Logs:
    if kind == "bucket":
        return MirroredLogs(tmp_path)
    return FolderLogs(tmp_path / "logs") if kind == "folder" else MemoryLogs(tmp_path / "logs")


def texts(lines: Any) -> list[str]:
    return [line.text for line in lines]
