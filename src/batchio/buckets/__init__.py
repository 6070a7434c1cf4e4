"""Buckets: objects under keys, in S3, GCS or Azure, a folder or memory. Nothing else opens one.

    connection   a bucket that is open, and what its errors mean
    blocking     verbs that block, for small objects and for conditions
    streaming    verbs under asyncio, for bytes of any number

Reading a URL is cheap; obstore is imported when a bucket is opened, and nowhere else.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from batchio.errors import UsageError
from batchio.extras import how_to_install

if TYPE_CHECKING:
    from batchio.buckets.blocking import Bucket
    from batchio.buckets.streaming import AsyncBucket

SCHEMES: Final = {
    "file": "file:///shared/folder",
    "s3": "s3://bucket/folder",
    "gs": "gs://bucket/folder",
    "az": "az://container/folder",
    "memory": "memory:///",
}
"""The schemes that the URL of a bucket may begin with, and an example of each."""

REMOTE: Final = ("s3", "gs", "az")
"""Those of them that other computers reach, too."""


def check(url: str, what: str = "file store") -> SplitResult:
    """Return the parts of a bucket's URL, without reaching the bucket.

    Args:
        what: What the URL is to name, for messages.

    Raises:
        UsageError: it is no such URL, or what it needs is not installed here.
    """
    parts = urlsplit(url)
    if "://" not in url or parts.scheme not in SCHEMES:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise UsageError(
            f'"{shown}" is not the URL of a {what}',
            hint=f"these are: {', '.join(list(SCHEMES.values())[:-1])}",
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} must not contain "
            f"credentials or settings, because it is stored in the journal",
            hint="batchio reads credentials from the environment, as other tools do",
        )
    bucket = parts.scheme not in ("file", "memory")
    if bucket != bool(parts.netloc) or (parts.scheme == "file" and parts.path in ("", "/")):
        wrong = "names no bucket" if bucket else "names a host, or no folder"
        raise UsageError(f"{url} {wrong}", hint=f"write {SCHEMES[parts.scheme]}")
    if bucket and not set(unquote(parts.path).strip("/").split("/")).isdisjoint(("..", ".")):
        raise UsageError(f'{url}: a folder in a bucket has no ".." or "." in it')
    if bucket and "//" in parts.path.rstrip("/"):
        raise UsageError(f"{url}: a folder in it has no name", hint="write one / between two names")
    if find_spec("obstore") is None:
        raise UsageError(f"a {what} needs obstore", hint=how_to_install("store"))
    return parts


def open_bucket(parts: SplitResult, *, patience: float) -> Bucket:
    """Return the bucket of a checked URL, with verbs that block.

    Args:
        patience: Seconds to go on asking a bucket that is throttled or does not answer.

    Raises:
        UsageError: what it needs is not said.
    """
    from batchio.buckets.blocking import SMALL_LIMIT, Bucket
    from batchio.buckets.connection import Connection

    return Bucket(Connection(parts, patience, SMALL_LIMIT))


def open_streaming(parts: SplitResult, *, patience: float) -> AsyncBucket:
    """Return the bucket of a checked URL, with verbs under asyncio. As `open_bucket`."""
    from batchio.buckets.connection import Connection
    from batchio.buckets.streaming import LARGE_LIMIT, AsyncBucket

    return AsyncBucket(Connection(parts, patience, LARGE_LIMIT))
