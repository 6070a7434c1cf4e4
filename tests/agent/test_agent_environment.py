"""Attempts use the Python environment to which the agent's home leads, as if it were activated."""

import os
from pathlib import Path
from typing import Any

import pytest

from batchio.agent.members import Members
from batchio.agent.setup import Setup


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that leads to an environment, on a node with settings for its own Python."""
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("")
    (tmp_path / "software").symlink_to(environment)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", "/of/the/node")
    monkeypatch.setenv("PYTHONHOME", "/of/the/node")
    return tmp_path


def made(home: Path, **given: Any) -> Setup:
    return Setup({"argv": ["{python}", "x.py"], "software": True, **given}, str(home), Members())


def test_it_is_as_if_it_were_activated(home: Path) -> None:
    environment = os.fsencode(home / "environment")
    setup = made(home, python="/of/the/node/python3")
    assert setup.env[b"VIRTUAL_ENV"] == environment
    assert setup.env[b"PATH"] == environment + b"/bin:/usr/bin:/bin"
    assert not {b"PYTHONPATH", b"PYTHONHOME", b"CONDA_PREFIX"} & setup.env.keys()
    assert setup.words == [environment + b"/bin/python", b"x.py"]


def test_folders_that_come_first_are_on_its_path_but_what_the_user_says_counts_more(
    home: Path,
) -> None:
    (home / "environment/pythonpath").write_text("/a:/b")
    assert made(home).env[b"PYTHONPATH"] == b"/a:/b"
    asked = made(home, env={"PYTHONPATH": "/mine", "PATH": "/my/bin"})
    assert asked.env[b"PYTHONPATH"] == b"/mine"
    assert asked.env[b"PATH"].endswith(b"/environment/bin:/my/bin")


def test_one_of_conda_is_called_so(home: Path) -> None:
    (home / "environment/pyvenv.cfg").unlink()
    setup = made(home)
    assert b"VIRTUAL_ENV" not in setup.env
    assert setup.env[b"CONDA_PREFIX"] == os.fsencode(home / "environment")


def test_without_a_link_or_unless_it_is_asked_for_nothing_changes(home: Path) -> None:
    assert made(home, software=False).env[b"PYTHONPATH"] == b"/of/the/node"
    (home / "software").unlink()
    assert made(home).env[b"PYTHONPATH"] == b"/of/the/node"
    assert b"VIRTUAL_ENV" not in made(home).env or "VIRTUAL_ENV" in os.environ
