"""The kinds of workspace that there are, each held to the same suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.stores.bucket import BucketWorkspace
from batchio.stores.folder import FolderWorkspace
from batchio.testing import MemoryWorkspace

if TYPE_CHECKING:
    from pathlib import Path

AnyWorkspace = FolderWorkspace | MemoryWorkspace | BucketWorkspace


def bucket(folder: Path) -> BucketWorkspace:
    return BucketWorkspace("memory:///", folder)


KINDS = (FolderWorkspace, MemoryWorkspace, bucket)


@pytest.fixture(params=KINDS, ids=["folder", "memory", "bucket in memory"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> AnyWorkspace:
    """An empty workspace of each kind."""
    made: AnyWorkspace = request.param(tmp_path / "workspace")
    return made


def left_in(workspace: AnyWorkspace, folder: Path) -> list[str]:
    """The files and objects that are kept in a workspace whose files are below a folder."""
    files = [str(path) for path in folder.rglob("*") if path.is_file()]
    if isinstance(workspace, BucketWorkspace):
        return [*files, *workspace._bucket.keys("")]
    return files
