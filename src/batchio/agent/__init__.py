"""The program that runs on nodes; here only where it lies and what it is.

`agent.py` is never imported: it is sent to nodes and started there, and started here as a
program by the local provider.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

__all__ = ["PATH", "digest", "source"]

PATH = Path(__file__).with_name("agent.py")


@functools.cache
def source() -> bytes:
    """The bytes of the file that travels."""
    return PATH.read_bytes()


@functools.cache
def digest() -> str:
    """SHA-256 of those bytes, in hexadecimal: which agent a node has."""
    return hashlib.sha256(source()).hexdigest()
