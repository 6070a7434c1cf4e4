"""The inbox of a job in a bucket: an object a request, and a bell that says when to look.

Whoever leaves a request rings by replacing the bell. A head asks for the bell only, "unless it
is still this one", and lists when it rang.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchio.errors import BatchioError
from batchio.stores.trouble import answering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.buckets.blocking import Bucket, Mark

logger = logging.getLogger(__name__)


class BucketInbox:
    """The requests to one job's head. Every verb raises JournalDown or WorkspaceError."""

    def __init__(self, bucket: Bucket, job: str) -> None:
        self._bucket = bucket
        self._folder = f"jobs/{job}/inbox/"
        self._bell = f"jobs/{job}/bell"
        self._heard: Mark | None = None
        self._there: dict[str, dict[str, Any]] = {}
        """Requests that were there when the bell had rung last."""

    def post(self, request: Mapping[str, Any]) -> str:
        """Leave a request, and ring; return the request's name."""
        name = f"{time.time_ns():020d}-{os.urandom(4).hex()}.json"
        with answering():
            try:
                self._bucket.put(self._folder + name, json.dumps(request).encode())
                self._bucket.put(self._bell, name.encode())  # never the same bytes twice
            except BatchioError:
                with suppress(BatchioError):  # a request that nobody waits for is not left
                    self._bucket.delete([self._folder + name])
                raise
        return name

    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all requests, oldest first; one request while nobody rings."""
        with answering():
            rung = self._bucket.get_other(self._bell, self._heard)
            if rung is not None:
                self._read()
                self._heard = rung.mark
        return list(self._there.items())

    def drop(self, name: str) -> None:
        """Delete a request that was answered, if it is still there."""
        with answering():
            self._bucket.delete([self._folder + name])
        self._there.pop(name, None)

    def _read(self) -> None:
        keys = {key.removeprefix(self._folder): key for key in self._bucket.keys(self._folder)}
        there = {}
        for name, key in keys.items():
            if name in self._there:
                there[name] = self._there[name]
            elif (found := self._bucket.get(key)) is not None:
                try:
                    said = json.loads(found.data)
                except (ValueError, RecursionError):
                    said = None
                if isinstance(said, dict):
                    there[name] = said
                else:
                    logger.warning("not a request, deleted: %s", key)
                    self._bucket.delete([key])
        self._there = there
