"""All kinds of log stores, for every test of reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stores.spools import Logs, made_logs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["folder", "memory", "bucket"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Logs:
    return made_logs(request.param, tmp_path)
