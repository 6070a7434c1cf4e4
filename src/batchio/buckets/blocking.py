"""A bucket whose verbs block: small objects, some written only under a condition.

Of a write that depends on a condition, an answer "no" is not the truth: when the answer to
our own request is lost, it is sent again and meets its own object; and a store that answers
409 has written nothing. So whoever is told "no" reads what is there, and compares.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from datetime import UTC
from email.utils import parsedate_to_datetime
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import obstore
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError

from batchio.buckets.connection import key_to_sign, no_bucket, signed
from batchio.errors import ProviderDown, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from email.message import Message
    from pathlib import Path

    from obstore import HTTP_METHOD

    from batchio.buckets.connection import Connection

SMALL_LIMIT: Final = "20s"
"""Longest time of one request, as obstore writes it: the objects are small."""

SIGNED_S: Final = 300.0
"""Seconds for which a URL is signed that this process asks itself, at once."""


class Mark(NamedTuple):
    """The version of an object, as its store names it. On S3 equal bytes have equal marks."""

    e_tag: str
    version: str = ""


class Listed(NamedTuple):
    """An object as a listing has it."""

    key: str
    e_tag: str
    """As `Mark.e_tag`, though some stores leave out its quotes here."""
    size: int
    changed: float
    """When it was written last by the store's clock, in Unix seconds."""


class Found(NamedTuple):
    """An object as it was read."""

    data: bytes
    mark: Mark


class Dated(NamedTuple):
    """An object as it was read, and its age in seconds by the store's clock alone."""

    data: bytes
    age: float


class Bucket:
    """The small objects of a bucket. Every verb raises as `Connection.translating` says."""

    def __init__(self, connection: Connection) -> None:
        self.url = connection.url
        self._connection = connection
        self._store = connection.store
        self._translating = connection.translating

    @property
    def signs_writes(self) -> bool:
        """Whether it has URLs that allow to write without credentials."""
        return self._connection.signs_writes

    # --- writing -------------------------------------------------------------

    def put(self, key: str, data: bytes) -> Mark:
        """Store an object, whole or not at all, over what is there."""
        with self._translating():
            return _mark(obstore.put(self._store, key, data, use_multipart=False))

    def put_new(self, key: str, data: bytes) -> Mark | None:
        """Store an object where there is none; None: "no", see the top of this file."""
        with self._translating():
            try:
                done = obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            return _mark(done)

    def swap(self, key: str, data: bytes, known: Mark) -> Mark | None:
        """Store an object in the place of the one that is `known`; None: "no", as `put_new`.

        Raises:
            UsageError: it is a folder, which swaps nothing.
        """
        mode: Any = {"e_tag": known.e_tag} | ({"version": known.version} if known.version else {})
        with self._translating():
            try:
                done = obstore.put(self._store, key, data, mode=mode, use_multipart=False)
            except (FileNotFoundError, AlreadyExistsError, PreconditionError) as err:
                if no_bucket(err):
                    raise FileNotFoundError(*err.args) from None
                return None
            except NotImplementedError:
                raise UsageError(f"{self.url} is a folder, which swaps nothing") from None
            return _mark(done)

    def upload(self, key: str, file: Path) -> None:
        """Store a file of any size, whole or not at all, over what is there.

        Raises:
            OSError: the file cannot be read.
        """
        with file.open("rb") as source, self._translating():
            obstore.put(self._store, key, source)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; quiet about those that are gone already."""
        for first in range(0, len(keys), 1000):
            with self._translating():
                try:
                    obstore.delete(self._store, list(keys[first : first + 1000]))
                except FileNotFoundError:
                    continue

    # --- reading -------------------------------------------------------------

    def get(self, key: str) -> Found | None:
        """Return an object, or None when there is none."""
        return self._get(key, {})

    def get_other(self, key: str, known: Mark | None) -> Found | None:
        """Return an object that is another than the one that is `known`; else None.

        Costs one request, and no bytes when it is still the same.
        """
        if known is None:
            return self.get(key)
        found = self._get(key, {"if_none_match": known.e_tag})
        return None if found is None or found.mark == known else found  # not all stores compare

    def _get(self, key: str, options: Mapping[str, str]) -> Found | None:
        with self._translating():
            try:
                answer = obstore.get(self._store, key, options=cast("Any", options))
                return Found(bytes(answer.bytes()), _mark(answer.meta))
            except NotModifiedError:
                return None
            except FileNotFoundError as err:
                if no_bucket(err):
                    raise
                return None

    def get_beginning(self, key: str, most: int | None = None) -> tuple[bytes, int] | None:
        """Return the first bytes of an object, at most `most`, and its size; None: there is none.

        It must not be empty.
        """
        options: Any = {} if most is None else {"range": (0, most)}
        with self._translating():
            try:
                answer = obstore.get(self._store, key, options=options)
                return bytes(answer.bytes()), answer.meta["size"]
            except FileNotFoundError as err:
                if no_bucket(err):
                    raise
                return None

    def download(self, key: str, file: Path) -> bool:
        """Write an object of any size into a file, whole or not at all; False: there is none.

        Raises:
            OSError: the file cannot be written.
        """
        with self._translating():
            try:
                chunks = iter(obstore.get(self._store, key).stream())
            except FileNotFoundError as err:
                if no_bucket(err):
                    raise
                return False
        part = file.with_name(f".{file.name}.{os.getpid()}.{get_ident()}")
        try:
            with part.open("wb") as out:
                while True:
                    with self._translating():
                        chunk = next(chunks, None)
                    if chunk is None:
                        break
                    out.write(chunk)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return True

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object of any size from offset `start` on; none behind its end.

        Raises:
            ProviderError: there is no such object.
        """
        options: Any = {"range": {"offset": start}} if start else {}
        with self._translating(key):
            if start and start >= obstore.head(self._store, key)["size"]:
                return  # stores refuse to give nothing
            chunks = iter(obstore.get(self._store, key, options=options).stream())
        while True:
            with self._translating(key):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield bytes(chunk)

    def listed(self, folder: str, after: str = "") -> list[Listed]:
        """Return the objects below `folder` whose keys sort behind `after`, sorted by key."""
        with self._translating():
            try:
                batches = obstore.list(self._store, folder, offset=after or None)
                found = [
                    Listed(
                        item["path"],
                        item["e_tag"] or "",
                        item["size"],
                        item["last_modified"].timestamp(),
                    )
                    for batch in batches
                    for item in batch
                ]
            except FileNotFoundError as err:
                if no_bucket(err):
                    raise
                return []
        return sorted(one for one in found if one.key > after)  # not all know where to begin

    def keys(self, folder: str, after: str = "") -> list[str]:
        """Return the keys below `folder` that sort behind `after`, sorted."""
        return [one.key for one in self.listed(folder, after)]

    def sizes(self, folder: str) -> int:
        """Return the bytes of all objects below `folder`."""
        return sum(one.size for one in self.listed(folder))

    def dated(self, key: str) -> Dated | None:
        """Return an object and its age, or None when there is none.

        The age is the store's own: what it calls now, less what it calls the last change. No
        clock of this computer is asked; where a URL cannot be signed, the store is this computer.
        """
        if self._connection.scheme in ("file", "memory"):
            return self._dated_here(key)
        url = self.sign(key, SIGNED_S)
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310  the store's
                return Dated(answer.read(), _age(answer.headers))
        except urllib.error.HTTPError as err:
            with err:
                body = err.read(2000).decode("utf-8", "replace")
                if err.code == 404 and not no_bucket(Exception(body)):
                    return None
                raise self._connection.error_of(f"status code: {err.code}: {body}") from None
        except OSError as err:
            raise ProviderDown(str(getattr(err, "reason", err)), where=self.url) from None

    def _dated_here(self, key: str) -> Dated | None:
        with self._translating():
            try:
                answer = obstore.get(self._store, key)
            except FileNotFoundError:
                return None
            changed = answer.meta["last_modified"].timestamp()
            return Dated(bytes(answer.bytes()), max(0.0, time.time() - changed))

    def sign(self, key: str, seconds: float, method: str = "GET") -> str:
        """Return a URL that allows this method for so many seconds, to anybody who knows it.

        Raises:
            UsageError: as `Connection.signing`.
        """
        signer = self._connection.signing(key, seconds, method)
        if isinstance(signer, str):
            return signer
        with self._translating():
            verb, scheme = cast("HTTP_METHOD", method), self._connection.scheme
            life = self._connection.life(seconds)
            url = obstore.sign(signer, verb, key_to_sign(scheme, key), life)
        return signed(scheme, url)


def _mark(said: Mapping[str, Any]) -> Mark:
    return Mark(said["e_tag"] or "", said["version"] or "")


def _age(headers: Message) -> float:
    """Return the seconds between the times that an answer's headers name (RFC 9110, 6.6, 8.8)."""
    now, changed = (
        parsedate_to_datetime(headers[name]).astimezone(UTC) for name in ("Date", "Last-Modified")
    )
    return max(0.0, (now - changed).total_seconds())
