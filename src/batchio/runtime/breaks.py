"""Errors of connections to nodes: which of them break it, and which make a node useless."""

from __future__ import annotations

import asyncio
from typing import Final

from batchio.errors import BatchioError, NotAuthorised, SetupFailed, Unfit
from batchio.runtime.session_table import Fact

HOPELESS: Final = (NotAuthorised, Unfit)
"""Errors of a node on which no agent can run, whenever it is tried."""

ALIKE: Final = (SetupFailed, Unfit)
"""Errors that any other node of the same rented offer would have, too."""

BROKEN: Final = (OSError, asyncio.IncompleteReadError, TimeoutError)
"""Errors of a broken connection, beside `Unreachable`."""


def broke_how(error: BaseException) -> Fact:
    """Return the fact that an error means: the node's agent hangs, or the connection broke."""
    return Fact.HUNG if isinstance(error, TimeoutError) else Fact.BROKE


def why_broken(error: Exception) -> str:
    """Return for people why a connection is of no use any more."""
    said = str(error) if isinstance(error, (BatchioError, TimeoutError)) else ""
    hint = error.hint if isinstance(error, BatchioError) else None
    return (f"{said}; {hint}" if hint else said) or "the connection broke"
