"""The agent compiled by this Python, kept beside its sources like Python's own bytecode.

Compiling it takes longer than all else that starting it does. PYTHONDONTWRITEBYTECODE is about
modules that are imported, and as py_compile does, we write where we may.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import marshal
import os
from pathlib import Path
from typing import Final

from batchio import agent

_NOTHING: Final = bytes(12)
"""About the source: nobody looks at it in a file that is run. Source: PEP 552."""


def path() -> Path | None:
    """The compiled agent as a file, or nothing where none may be kept."""
    compiled()
    kept = _place()
    return kept if kept.exists() else None


@functools.cache
def compiled() -> bytes:
    """The bytes of such a file."""
    kept = _place()
    head = importlib.util.MAGIC_NUMBER + _NOTHING
    with contextlib.suppress(OSError, ValueError, EOFError, TypeError):
        code = kept.read_bytes()
        if code.startswith(head) and marshal.loads(code[len(head) :]):  # noqa: S302 - our own
            return code
    code = head + marshal.dumps(compile(agent.source(), "agent.py", "exec", dont_inherit=True))
    with contextlib.suppress(OSError):
        _keep(kept, code)
    return code


def _place() -> Path:
    """Named by what it is made of, so that an older one is never taken for it."""
    name = f"agent-{agent.digest()[:16]}.py"
    return Path(importlib.util.cache_from_source(str(Path(agent.__file__).with_name(name))))


def _keep(place: Path, code: bytes) -> None:
    """Whole or not at all; those of older sources go."""
    place.parent.mkdir(exist_ok=True)
    part = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        part.write_bytes(code)
        part.replace(place)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    suffix = place.name.partition(".")[2]
    for old in place.parent.glob(f"agent-*.{suffix}"):
        if old != place:
            old.unlink(missing_ok=True)
