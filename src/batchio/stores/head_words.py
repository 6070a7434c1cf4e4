"""What heads of a job in a bucket wrote to their stderr: `heads/<epoch>.log`, an object each.

On its own computer a head writes to a file in the local copy, to which later heads there append.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

HEAD_LOG: Final = "head.log"

COPIED: Final = "head.copied"
"""File beside it that says how many bytes of it earlier heads have copied."""

MOST: Final = 1 << 20
"""Most bytes of one head's words that are copied: the last."""


class HeadWords:
    """Copies the words of one head into the bucket. Everything blocks."""

    def __init__(self, bucket: Bucket, job: str, copy: Path, epoch: int) -> None:
        self._bucket = bucket
        self._key = f"jobs/{job}/heads/{epoch:010d}.log"
        self._file = copy / HEAD_LOG
        self._copied = copy / COPIED
        self._start = _number(self._copied)
        self._size = 0
        """Bytes that were there at the last copy."""

    def copy(self, *, last: bool = False) -> None:
        """Copy what the head has written so far, if that is more than before."""
        words = read_from(self._file, self._start)
        if len(words) > self._size:
            self._bucket.put(self._key, words[-MOST:])
            self._size = len(words)
        if last and words:
            self._copied.write_text(str(self._start + len(words)))


def said(bucket: Bucket, job: str, copy: Path) -> str:
    """Return what all heads wrote, and what one of this computer has not copied."""
    place = f"jobs/{job}/heads/"
    found = [bucket.get(key) for key in bucket.keys(place) if key.endswith(".log")]
    words = [each.data for each in found if each is not None]
    here = read_from(copy / HEAD_LOG, _number(copy / COPIED))
    if words and here.startswith(words[-1]):
        words.pop()
    return b"".join([*words, here]).decode("utf-8", "surrogateescape")


def read_from(file: Path, start: int) -> bytes:
    """Return the bytes of a file from an offset on; none when there is no such file."""
    try:
        with file.open("rb") as stream:
            stream.seek(start)
            return stream.read()
    except OSError:
        return b""


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0
