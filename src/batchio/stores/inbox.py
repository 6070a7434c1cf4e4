"""The inbox: requests of other processes to a job's head, also while it has none; a file each.

Each is written completely before it gets its name. The head journals what a request leads to
and then drops it; one that is read again after a crash must do no harm. Everything blocks,
shortly.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from batchio.stores.trouble import unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)


class Inbox:
    """The requests to one job's head, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def post(self, request: Mapping[str, Any]) -> str:
        """Write a request, durably, and return its name.

        Raises:
            JournalFull: no room.
            WorkspaceError: the folder cannot be written.
        """
        name = f"{time.time_ns():020d}-{os.urandom(4).hex()}.json"
        draft = self._folder / f".{name}"
        try:
            with draft.open("w", encoding="utf-8") as out:
                json.dump(request, out)
                out.flush()
                os.fsync(out.fileno())
            draft.rename(self._folder / name)
        except OSError as err:
            draft.unlink(missing_ok=True)
            raise unusable(self._folder, err) from err
        return name

    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests, oldest first: `(name, request)`.

        A file that is no request is moved into `unreadable/`, with a warning.
        """
        out: list[tuple[str, dict[str, Any]]] = []
        for name in self._names():
            try:
                request = json.loads((self._folder / name).read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError):
                request = None
            if isinstance(request, dict):
                out.append((name, request))
            else:
                self._set_aside(name)
        return out

    def drop(self, name: str) -> None:
        """Delete a request that was answered, if it is still there."""
        (self._folder / name).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.endswith(".json") and name[0] != ".")

    def _set_aside(self, name: str) -> None:
        aside = self._folder / "unreadable"
        try:
            aside.mkdir(exist_ok=True)
            (self._folder / name).rename(aside / name)
            logger.warning("not a request, set aside: %s", aside / name)
        except OSError as err:
            logger.warning("not a request, and it stays in the way: %s", err)
