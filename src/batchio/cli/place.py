"""The workspace that commands for a person to type must name, because it is not the usual one."""

from __future__ import annotations

import re
import shlex
from contextvars import ContextVar
from typing import Final

_PLACE: Final[ContextVar[str]] = ContextVar("batchio_place", default="")

_COMMAND: Final = re.compile(
    r"\bbatchio (run|status|wait|list|logs|explain|nodes|ssh|cancel|retry|recover|rm|prune)\b"
    r"(?! --(?:help|workspace))"
)


def use(place: str | None) -> None:
    """Name this workspace in every command from here on; None or "": the usual one, unnamed."""
    _PLACE.set(place or "")


def with_place(text: str) -> str:
    """Return a text whose commands work as they are printed: each names the workspace in use."""
    if not (place := _PLACE.get()) or "batchio " not in text:
        return text
    option = f"--workspace {shlex.quote(place)}"
    return _COMMAND.sub(lambda found: f"{found[0]} {option}", text)
