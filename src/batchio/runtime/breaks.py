"""How connections to nodes break, and which nodes are of no use."""

from __future__ import annotations

import asyncio
from typing import Final

from batchio.errors import BatchioError, NotAuthorised, Unfit
from batchio.runtime.session_table import Fact

HOPELESS: Final = (NotAuthorised, Unfit)
"""Errors of a node on which no agent can run, whenever it is tried."""

BROKEN: Final = (OSError, asyncio.IncompleteReadError, TimeoutError)
"""How a connection breaks, beside `Unreachable`."""


def broke_how(error: BaseException) -> Fact:
    """Return what an error says of a node: it hangs, or the connection to it broke."""
    return Fact.HUNG if isinstance(error, TimeoutError) else Fact.BROKE


def why_broken(error: Exception) -> str:
    """Return why a connection is of no use any more, for people."""
    said = str(error) if isinstance(error, (BatchioError, TimeoutError)) else ""
    hint = error.hint if isinstance(error, BatchioError) else None
    return (f"{said}; {hint}" if hint else said) or "the connection broke"
