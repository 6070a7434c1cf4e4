"""Adapters of the workspace: where journals and all else of jobs are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.ports import Workspace


def open_workspace(place: str | Path | None = None) -> Workspace:
    """Return the workspace that a path or a URL names; None: the platform's folder for data.

    Nothing is reached or made yet. Of adapters only the wanted one is loaded.

    Raises:
        UsageError: it is the URL of no workspace, or what it needs is not installed here.
    """
    text = str(place or "")
    if is_bucket(text):
        from batchio.buckets import REMOTE, SCHEMES
        from batchio.errors import UsageError

        if text.partition("://")[0] not in REMOTE:
            known = ", ".join(SCHEMES[each] for each in REMOTE)
            scheme = text.partition("/")[0]
            raise UsageError(f"a workspace cannot be at {scheme}", hint=f"FOLDER, {known}")
        from batchio.stores.bucket import BucketWorkspace

        return BucketWorkspace(text)
    from batchio.stores.folder import FolderWorkspace

    return FolderWorkspace(place)


def is_bucket(text: str) -> bool:
    """Return whether a text means no folder but something that has a URL, though misspelt."""
    scheme, _, rest = text.partition(":/")
    return scheme in ("s3", "gs", "az") or (rest.startswith("/") and scheme != "file")
