"""One agent a test, in a home of its own, gone afterwards with everything it ran."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.agent import client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def home() -> Iterator[Path]:
    """A home's path; what a test leaves there, running or lying, is removed."""
    parent = Path(tempfile.mkdtemp(prefix="batchio-", dir="/var/tmp"))
    yield parent / "j.n"
    client.agent("down", parent / "j.n")
    shutil.rmtree(parent, ignore_errors=True)
    assert not client.strays(parent), "a test left processes behind"


@pytest.fixture
def head(home: Path) -> Iterator[client.Client]:
    """A greeted connection to a fresh agent."""
    client.up(home, env={**os.environ, "AGENT_OWN": "yes"})
    with client.Client(home) as connection:
        connection.hello()
        yield connection
