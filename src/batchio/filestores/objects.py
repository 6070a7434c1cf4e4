"""A file store over obstore: one adapter for folders and for buckets.

Bytes are stored under `sha256/<digest>`, named objects beside them. Knows nothing of jobs.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import unquote

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, MemoryStore, from_url

from batchio.errors import NotAuthorised, ProviderDown, ProviderError, UsageError
from batchio.ports import Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator
    from urllib.parse import SplitResult

    from obstore import HTTP_METHOD, SignCapableStore

FOLDER: Final = "sha256/"

CHUNK: Final = 8 << 20
"""Bytes of one part of an upload; fewer bytes are sent in one request."""

MOST_PARTS: Final = 9000
"""Most parts of one upload, below S3's own limit of 10,000:
docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
"""

AT_ONCE: Final = 8
"""Parts of an upload that are sent at the same time."""

REQUEST_LIMIT: Final = "10m"
"""Longest time of one request, its bytes included; obstore's own 30 s are too few at home."""

LONGEST_S: Final = 7 * 86400
"""Longest life of a signed URL in seconds: no store signs one for more than a week."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOGIN: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; files of the AWS CLI are not read: "
    'eval "$(aws configure export-credentials --format env)"',
    "gs": "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS=key.json",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "file": "whoever runs batchio must be allowed to read and write there",
}
_METADATA: Final = ("169.254.169.254", "metadata.google.internal", "/metadata/identity")
"""Metadata servers, which an SDK asks for credentials when it was given none."""


class ObjectFileStore:
    """A file store over obstore, as `ports.FileStore` describes; made by `open_store`."""

    def __init__(self, parts: SplitResult, patience: float) -> None:
        self.url = parts.geturl().rstrip("/")
        self._scheme = parts.scheme
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        with self._translating_errors():
            self._store = self._connected(patience)

    def _connected(self, patience: float) -> Any:
        if self._folder is not None:
            return LocalStore(self._folder, mkdir=True)
        if self._scheme == "memory":
            return MemoryStore()
        return from_url(
            self.url,
            # http only where the endpoint that the environment names says so
            client_options={"allow_http": True, "timeout": REQUEST_LIMIT},
            retry_config={"retry_timeout": timedelta(seconds=patience)},
        )

    # --- by content ----------------------------------------------------------

    async def put(self, source: bytes | Path | AsyncIterable[bytes]) -> str:
        """Store bytes and return their digest. A stream is first written to a temporary file."""
        file = await _rereadable(source)
        try:
            digest = await asyncio.to_thread(_digest, file)
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if await self._size(FOLDER + digest) != size:  # else it is there, and whole
                await self._send(file, size, digest)
        finally:
            file.close()
        return digest

    async def has(self, digest: str) -> bool:
        """Return whether bytes of this digest are stored."""
        return await self._size(_key(digest)) is not None

    async def get(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes from offset `start` on, in order; from 0 their digest is checked."""
        key, seen = _key(digest), hashlib.sha256()
        with self._translating_errors(digest):
            if start and start >= (await obstore.head_async(self._store, key))["size"]:
                return  # stores refuse to give nothing
            options = {"range": {"offset": start}} if start else {}
            answer = await obstore.get_async(self._store, key, options=cast("Any", options))
            async for part in answer.stream(min_chunk_size=1 << 20):
                chunk = bytes(part)
                seen.update(chunk)
                yield chunk
        if not start and seen.hexdigest() != digest:
            raise ProviderError(
                f"{digest} is damaged", where=self.url, hint="delete it, and store it again"
            )

    async def list(self) -> AsyncIterator[Stored]:
        """Yield every object that is stored by its digest, in no order."""
        with self._translating_errors():
            async for batch in obstore.list(self._store, FOLDER):
                for item in batch:
                    name = item["path"].removeprefix(FOLDER)
                    if _DIGEST.fullmatch(name):
                        yield Stored(name, item["size"], item["last_modified"].timestamp())

    async def delete(self, digest: str) -> None:
        """Delete the bytes of this digest; quiet when there are none."""
        with self._translating_errors():
            try:
                await obstore.delete_async(self._store, _key(digest))
            except FileNotFoundError:
                return

    async def sign(self, digest: str, seconds: float, method: str = "GET") -> str:
        """Return a URL that allows this method for so many seconds, to anybody who knows it.

        No credentials are needed to use it. For a folder it is the path of the file: everybody
        who can read the folder can read it.
        """
        key = _key(digest)
        if self._folder is not None and method == "GET":
            return (self._folder / key).absolute().as_uri()
        if self._scheme in ("file", "memory"):
            raise UsageError(f"{self.url} has no URLs for {method}", hint="a bucket has")
        if not 0 < seconds <= LONGEST_S:
            raise UsageError(f"a URL cannot be signed for {seconds:g} s; a week is the most")
        store, verb = cast("SignCapableStore", self._store), cast("HTTP_METHOD", method)
        with self._translating_errors():
            return await obstore.sign_async(store, verb, key, timedelta(seconds=seconds))

    # --- by name -------------------------------------------------------------

    async def put_named(self, name: str, data: bytes, *, create_only: bool = False) -> bool:
        """Write `data` under a name, whole or not at all; return False when `create_only` and
        taken.
        """
        with self._translating_errors():
            try:
                mode: Any = "create" if create_only else "overwrite"
                await obstore.put_async(
                    self._store, _name(name), data, mode=mode, use_multipart=False
                )
            except AlreadyExistsError:
                return False
        return True

    async def get_named(self, name: str) -> bytes | None:
        """Return the data that was written under a name, or None when nothing was."""
        with self._translating_errors():
            try:
                answer = await obstore.get_async(self._store, _name(name))
                return bytes(await answer.bytes_async())
            except FileNotFoundError as err:
                if _no_bucket(err):
                    raise
                return None

    # --- plumbing ------------------------------------------------------------

    async def _size(self, key: str) -> int | None:
        with self._translating_errors():
            try:
                return int((await obstore.head_async(self._store, key))["size"])
            except FileNotFoundError:
                return None

    async def _send(self, file: BinaryIO, size: int, digest: str) -> None:
        """Upload a file; nothing is kept when its digest is not `digest` any more."""
        source = self._checked(file, digest)
        with self._translating_errors():
            if size <= CHUNK:
                data = b"".join([chunk async for chunk in source])
                await obstore.put_async(self._store, FOLDER + digest, data, use_multipart=False)
            else:
                part = max(CHUNK, size // MOST_PARTS + 1)
                await obstore.put_async(
                    self._store, FOLDER + digest, source, chunk_size=part, max_concurrency=AT_ONCE
                )

    async def _checked(self, file: BinaryIO, digest: str) -> AsyncIterator[bytes]:
        seen = hashlib.sha256()
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            await asyncio.to_thread(seen.update, chunk)
            yield chunk
        if seen.hexdigest() != digest:  # raised inside the upload, which so is given up
            raise ProviderError("the file changed while it was read", where=self.url)

    @contextmanager
    def _translating_errors(self, digest: str = "") -> Iterator[None]:
        """Turn what obstore raises into our errors, which say what to do about it."""
        hint = _LOGIN.get(self._scheme)
        try:
            yield
        except FileNotFoundError as err:
            if _no_bucket(err):
                raise UsageError(f"{self.url}: there is no such bucket", hint="create it") from None
            raise ProviderError(f"there is no {digest}", where=self.url) from None
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as err:
            raise NotAuthorised(_brief(err), where=self.url, hint=hint) from None
        except OSError as err:  # a file where the folder should be, a disk that is full
            raise ProviderError(err.strerror or _brief(err), where=self.url) from None
        except (BaseError, ValueError) as err:
            text = str(err)
            if any(place in text for place in _METADATA):
                raise NotAuthorised("no credentials", where=self.url, hint=hint) from None
            if "must be specified" in text:
                raise UsageError(f"{self.url}: {_brief(err)}", hint=hint) from None
            raise ProviderDown(_brief(err), where=self.url) from None


def _digest(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


async def _rereadable(source: bytes | Path | AsyncIterable[bytes]) -> BinaryIO:
    """Return the source as a file that can be read twice."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, Path):
        return await asyncio.to_thread(source.open, "rb")
    spool = cast("BinaryIO", tempfile.SpooledTemporaryFile(CHUNK))  # noqa: SIM115  put closes it
    try:
        async for chunk in source:
            await asyncio.to_thread(spool.write, chunk)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise UsageError(f'"{digest}" is not a SHA-256 digest in hexadecimal')
    return FOLDER + digest


def _name(name: str) -> str:
    """Check and return a name that cannot leave the store or meet a digest."""
    if name.startswith(FOLDER) or any(part in ("", ".", "..") for part in name.split("/")):
        raise UsageError(f'"{name}" cannot be a name in a file store')
    return name


def _no_bucket(err: Exception) -> bool:
    return "NoSuchBucket" in str(err) or "ContainerNotFound" in str(err)


def _brief(err: Exception) -> str:
    """Return the first line of an error of obstore, without its account of retries."""
    first = str(err).splitlines()[0] if str(err) else type(err).__name__
    return re.sub(r"^Generic \w+ error: |,? after \d+ retries.*?(?= - |$)", "", first)
