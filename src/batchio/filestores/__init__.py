"""File stores, which keep bytes by their content: a folder, or a bucket of S3, GCS or Azure.

Reading a URL is cheap; obstore is imported when a store is opened, and nowhere else.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.ports import FileStore

SCHEMES: Final = {
    "file": "file:///shared/folder",
    "s3": "s3://bucket/folder",
    "gs": "gs://bucket/folder",
    "az": "az://container/folder",
    "memory": "memory:///",
}
"""The schemes that a file store's URL may begin with, and an example of each."""

PATIENCE_S: Final = 60.0
"""Seconds for which a store that is throttled or does not answer is asked again."""


def check(url: str) -> SplitResult:
    """Return the parts of a file store's URL, without reaching the store.

    Raises:
        UsageError: it is no such URL, or what it needs is not installed here.
    """
    parts = urlsplit(url)
    if "://" not in url or parts.scheme not in SCHEMES:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise UsageError(
            f'"{shown}" is not the URL of a file store',
            hint=f"these are: {', '.join(list(SCHEMES.values())[:-1])}",
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} must not have "
            "credentials or settings in it: it is written to the journal",
            hint="they come from the environment, as for other tools",
        )
    bucket = parts.scheme not in ("file", "memory")
    if bucket != bool(parts.netloc) or (parts.scheme == "file" and parts.path in ("", "/")):
        what = "names no bucket" if bucket else "names a host, or no folder"
        raise UsageError(f"{url} {what}", hint=f"write {SCHEMES[parts.scheme]}")
    if find_spec("obstore") is None:
        raise UsageError("file stores need the package obstore", hint="pip install obstore")
    return parts


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

    return ObjectFileStore(parts, patience)
