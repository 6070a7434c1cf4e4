"""The kinds of workspace that there are, each held to the same suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.stores.folder import FolderWorkspace
from batchio.testing import MemoryWorkspace

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (FolderWorkspace, MemoryWorkspace)
AnyWorkspace = FolderWorkspace | MemoryWorkspace


@pytest.fixture(params=KINDS, ids=["folder", "memory"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> AnyWorkspace:
    """An empty workspace of each kind."""
    made: AnyWorkspace = request.param(tmp_path / "workspace")
    return made
