"""The program that runs on nodes; here only where it lies and how it travels.

`agent.py` is never imported: its code is sent to nodes, this computer included, and run
there by what `loader.py` says.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import marshal
import zlib
from pathlib import Path
from typing import Final, cast

__all__ = ["PATH", "bytecode", "loader", "text"]

PATH: Final = Path(__file__).with_name("agent.py")


@functools.cache
def loader() -> bytes:
    """The program that reads one of the following."""
    return PATH.with_name("loader.py").read_bytes()


@functools.cache
def bytecode() -> bytes:
    """The agent as this Python compiles it: starts fast, where the same Python is."""
    name = f"{__name__}.agent"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    source = cast("importlib.abc.InspectLoader", spec.loader)  # looks in __pycache__ first
    return importlib.util.MAGIC_NUMBER + zlib.compress(marshal.dumps(source.get_code(name)), 1)


@functools.cache
def text() -> bytes:
    """The agent as it is written, for any Python from 3.8 on."""
    return b"text" + zlib.compress(PATH.read_bytes())
