"""A bucket that has moods: answers are lost, refused, or said of what is not so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from batchio.buckets import check, open_bucket
from batchio.errors import ProviderDown
from batchio.stores.bucket_journal import BucketJournal, create_journal
from batchio.stores.bucket_reader import BucketReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.buckets.blocking import Bucket

Mood = Literal["well", "lost", "repeated", "conflict", "down"]
"""How a bucket takes a request.

lost: carried out, its answer lost. repeated: carried out, its answer lost, sent again by
obstore. conflict: 409, not carried out. down: neither carried out nor answered.
"""

MOODS: tuple[Mood, ...] = ("lost", "repeated", "conflict", "down")
CONDITIONAL = ("put_new", "swap")
WRITING = (*CONDITIONAL, "put", "delete")


class MoodyBucket:
    """A bucket in memory, and what it makes of each request.

    Args:
        mood: Told the verb and the key of each request; says how it is taken.
    """

    def __init__(self, real: Bucket, mood: Callable[[str, str], Mood] | None = None) -> None:
        self._real = real
        self.url = real.url
        self.signs_writes = real.signs_writes
        self.mood = mood or (lambda verb, key: "well")
        self.requests: list[tuple[str, str]] = []

    def __getattr__(self, verb: str) -> Any:
        real = getattr(self._real, verb)

        def ask(key: Any, *rest: Any) -> Any:
            self.requests.append((verb, str(key)))
            mood = self.mood(verb, str(key))
            if mood == "conflict" and verb in CONDITIONAL:
                return None
            if mood == "down" or (mood != "well" and verb not in WRITING):
                raise ProviderDown("nobody answers", where=self.url)
            answer = real(key, *rest)
            if mood == "lost":
                raise ProviderDown("an answer was lost", where=self.url)
            if mood == "repeated" and verb in CONDITIONAL:
                return None
            return answer

        return ask


JOB = "2b7l9lg7dl"
FIRST = '["first"]'


def bucket_with_job() -> Bucket:
    """A bucket in memory, with one new job."""
    bucket = open_bucket(check("memory:///"), patience=1.0)
    create_journal(bucket, JOB, [FIRST])
    return bucket


def journal_in(bucket: object) -> BucketJournal:
    return BucketJournal(cast("Bucket", bucket), JOB)


def bodies(bucket: Bucket) -> list[str]:
    rows = BucketReader(bucket, JOB).read()
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    return [body for _, body in rows]
