"""What a workspace in a bucket must allow, tried before a job is made there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.errors import NoAccess, NotAuthorised
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.buckets.blocking import Bucket, Listed

NEEDED: Final = "list the bucket, and read, write and delete objects below its folder"


def need_rights(bucket: Bucket, key: str) -> list[Listed]:
    """Write, read, list and delete an object; costs four requests, and leaves nothing.

    Returns all that was in its folder, this object included.

    Args:
        key: Of the object; nobody else may have it.

    Raises:
        NoAccess: no such bucket, or another region; or names each right that is missing.
        JournalDown: the bucket does not answer.
    """
    listed: list[Listed] = []
    folder, _, _ = key.rpartition("/")
    rights: dict[str, Callable[[], object]] = {
        "write": lambda: bucket.put(key, b"may be deleted"),
        "read": lambda: bucket.get(key),
        "list": lambda: listed.extend(bucket.listed(f"{folder}/")),
        "delete": lambda: bucket.delete([key]),
    }
    missing: dict[str, NotAuthorised] = {}
    for right, ask in rights.items():
        with answering():
            try:
                ask()
            except NotAuthorised as err:
                missing[right] = err
    if missing:
        first = next(iter(missing.values()))
        words = ", nor ".join(missing)
        every = len(missing) == len(rights)
        raise NoAccess(
            first.message if every else f"these credentials may not {words} there: {first.message}",
            where=bucket.url,
            hint=first.hint if every else f"what is needed: {NEEDED}",
        )
    return listed
