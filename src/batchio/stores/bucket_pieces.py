"""What environments are made of, beside the jobs of a bucket: `sha256/<digest>`, for all jobs.

So a head on whichever computer has the packages that its job was submitted with. Bytes are sent
once; nobody deletes them but the bucket's owner, who may have a lifecycle rule for that folder.
Everything here blocks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from batchio.stores.trouble import answering, unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

FOLDER: Final = "sha256/"

AT_ONCE: Final = 8
"""Most files that are sent at the same time."""


class BucketPieces:
    """The pieces in a bucket; implements `ports.PieceStore`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, files: Mapping[str, Path]) -> None:
        """Store files by their digests. Raises as the port says."""
        with answering():
            there = set(self._bucket.keys(FOLDER))
        wanted = [(FOLDER + digest, file) for digest, file in files.items()]

        def send(row: tuple[str, Path]) -> None:
            key, file = row
            try:
                with answering():
                    self._bucket.upload(key, file)
            except OSError as err:
                raise unusable(file, err) from err

        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(send, (row for row in wanted if row[0] not in there)))

    def fetch(self, digest: str, file: Path) -> bool:
        """Write stored bytes into a file. Raises as the port says."""
        with answering():
            return self._bucket.download(FOLDER + digest, file)
