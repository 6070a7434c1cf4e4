"""Adapters of the workspace: where journals and all else of jobs are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.ports import Workspace


def open_workspace(url: str | Path | None = None) -> Workspace:
    """Return the workspace that a path or a URL names; None: the platform's folder for data.

    Raises:
        UsageError: there is no such kind of workspace.
    """
    from batchio.stores.folder import FolderWorkspace

    return FolderWorkspace(url)
