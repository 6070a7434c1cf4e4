"""File stores, which keep bytes by their content: a folder, or a bucket of S3, GCS or Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio import buckets
from batchio.buckets import check

if TYPE_CHECKING:
    from batchio.ports import FileStore, ObjectStore

__all__ = ["check", "open_objects", "open_store"]

PATIENCE_S: Final = 60.0
"""Seconds for which a store that is throttled or does not answer is asked again."""


def open_store(url: str, *, patience: float = PATIENCE_S) -> FileStore:
    """Return the store at a URL. Whether it can be used shows at the first use.

    Credentials are those of the environment or of the machine: `AWS_*`, `GOOGLE_*`,
    `AZURE_*` as in https://developmentseed.org/obstore/latest/authentication/.

    Args:
        patience: seconds to go on asking a store that is throttled or does not answer.

    Raises:
        UsageError: it is no such URL, or what it needs is not installed or not said.
    """
    parts = check(url)
    from batchio.filestores.objects import ObjectFileStore

    return ObjectFileStore(buckets.open_streaming(parts, patience=patience))


def open_objects(url: str) -> ObjectStore:
    """Return the store at a URL, for objects under keys of the caller's. As `open_store`."""
    return buckets.open_streaming(check(url), patience=PATIENCE_S)
