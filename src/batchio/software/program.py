"""The program that makes environments on nodes, as it travels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from batchio import agent, installer


@cache
def source() -> bytes:
    """Return the bytes of the program: the rooms of the installer, joined."""
    folder = Path(installer.__file__).parent
    return agent.joined((folder / f"{room}.py" for room in installer.ROOMS), installer.__name__)


def command(python: str, verb: str, *words: str) -> list[str]:
    """Return the argv that runs the program with a Python of the node."""
    return agent.one_line(python, source(), verb, *words)
