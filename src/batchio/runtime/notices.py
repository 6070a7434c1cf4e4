"""What a verb tells its caller in Python: warnings, at the caller's own line, and a logger."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Final

from batchio.errors import BatchioWarning
from batchio.options.terms import python_terms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from logging import Logger
    from types import FrameType

_MACHINERY: Final = frozenset(
    ("batchio", "asyncio", "trio", "anyio", "outcome", "contextlib", "functools")
)
"""Packages whose frames stand between a caller and us, and are none of the caller's."""


class Notices:
    """The way to tell the caller; made while the caller's frame is on the stack.

    Args:
        logger: The caller's `logger=`: it is told all that the command line would print.
    """

    def __init__(self, logger: Logger | None = None) -> None:
        frame = _caller()
        self._logger = logger
        self._names = frame.f_globals
        self._place = frame.f_code.co_filename, frame.f_lineno

    @property
    def has_logger(self) -> bool:
        """Whether somebody reads what `say` says."""
        return self._logger is not None

    def warn(self, texts: Iterable[str]) -> None:
        """Warn of something to know that stops nothing, each text once.

        Raises:
            BatchioWarning: the caller's filters make errors of warnings.
        """
        for text in dict.fromkeys(map(python_terms, texts)):
            if self._logger is not None:
                self._logger.warning("%s", text)
            warnings.warn_explicit(
                text,
                BatchioWarning,
                *self._place,
                module=self._names.get("__name__"),
                registry=self._names.setdefault("__warningregistry__", {}),
            )

    def say(self, text: str) -> None:
        """Tell the logger what the command line would print on stderr."""
        if self._logger is not None:
            self._logger.info("%s", python_terms(text))


def _caller() -> FrameType:
    """Return the nearest frame that is neither ours nor a loop's; the outermost without one."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_machinery(frame):
        frame = frame.f_back
    return frame


def _is_machinery(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _MACHINERY
