"""A home directory of a test's own, and a server that it trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contracts.openssh import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory whose .ssh counts."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home"


@pytest.fixture
def here(tmp_path: Path, home: Path) -> Iterator[Place]:
    """A server that `home` knows as testhost."""
    with place(tmp_path, home) as here:
        yield here


@pytest.fixture(autouse=True)
def new_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of the server that an earlier test called testhost."""
    monkeypatch.setattr("batchio.transports.ssh._forwards_none", set())
