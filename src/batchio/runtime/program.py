"""The program that is sent to a node's Python: the loader, then the packed agent.

Compiling takes longer than all else that starting an agent does, so what this Python has
compiled is kept beside the sources, like Python's own bytecode. PYTHONDONTWRITEBYTECODE is
about modules that are imported, and as py_compile does, we write where we may.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import marshal
import os
import sys
import zlib
from pathlib import Path

from batchio import agent


@functools.cache
def loader() -> bytes:
    """Return the loader: a program that reads the packed agent from its standard input."""
    return Path(agent.__file__).with_name("loader.py").read_bytes()


@functools.cache
def text() -> bytes:
    """Return the packed source of the agent, for any Python from 3.8 on."""
    return b"text\n" + zlib.compress(agent.source())


def bytecode() -> str:
    """Return the name of this Python's bytecode, which all final releases of a version share."""
    known = sys.hexversion >> (16 if sys.version_info.releaselevel == "final" else 0)
    return f"{sys.implementation.cache_tag}-{known:x}"


@functools.cache
def compiled() -> bytes:
    """Return the packed bytecode of the agent, for every Python with this Python's bytecode."""
    kept, first = _place(), f"{bytecode()}\n".encode()
    with contextlib.suppress(OSError, zlib.error):
        packed = kept.read_bytes()
        if packed.startswith(first) and zlib.decompress(packed[len(first) :]):
            return packed
    code = compile(agent.source(), "agent.py", "exec", dont_inherit=True)
    packed = first + zlib.compress(marshal.dumps(code))
    with contextlib.suppress(OSError):
        _keep(kept, packed)
    return packed


def _place() -> Path:
    """Return the path of the kept bytecode; its name holds a digest of the agent's source."""
    name = f"agent-{agent.digest()[:16]}.py"
    compiled = importlib.util.cache_from_source(str(Path(agent.__file__).with_name(name)))
    return Path(compiled).with_suffix(".packed")


def _keep(place: Path, packed: bytes) -> None:
    """Write the bytecode to its path, atomically, and remove that of older sources."""
    place.parent.mkdir(exist_ok=True)
    part = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        part.write_bytes(packed)
        part.replace(place)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    suffix = place.name.partition(".")[2]
    for old in place.parent.glob(f"agent-*.{suffix}"):
        if old != place:
            old.unlink(missing_ok=True)
