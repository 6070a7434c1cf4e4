"""`batchio env`: environments with a name, made of a file, listed and deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and caches of a person of their own."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)


def test_an_environment_is_made_listed_and_deleted(terminal: Terminal, tmp_path: Path) -> None:
    Path("nothing.txt").write_text("")
    made = terminal.type("env", "create", "train", "--software", "nothing.txt")
    assert (made.code, made.err) == (0, "")
    listed = json.loads(terminal.type("env", "list", "--format", "json").out)
    [row] = listed["environments"]
    assert (row["name"], row["sources"]) == ("train", [str(tmp_path / "nothing.txt")])
    assert Path(row["executable"]).exists()
    assert "train" in terminal.type("env", "list").out
    gone = terminal.type("env", "delete", "train")
    assert (gone.code, "train" in gone.out) == (0, False)
    assert not Path(row["executable"]).exists()
    again = terminal.type("env", "delete", "train")
    assert again.code == 2
    assert 'there is no environment called "train"' in again.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["create"], "env create takes the name of an environment"),
        (["list", "x"], "env list takes no name"),
        (["create", "x"], "no file says what is in it"),
        (["create", "x", "--software", "gone.txt"], "gone.txt: No such file or directory"),
    ],
)
def test_what_is_missing_is_said(terminal: Terminal, words: list[str], why: str) -> None:
    seen = terminal.type("env", *words)
    assert seen.code == 2
    assert why in seen.err
