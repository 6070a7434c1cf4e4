"""What every file store must do. Run by test_filestore.py, in a sealed process only."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import random
import sys
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from batchio import agent
from batchio.buckets import check, open_bucket
from batchio.errors import NotAuthorised, ProviderDown, ProviderError, UsageError
from batchio.filestores import open_store
from batchio.runtime.files import Sender
from batchio.transports.local import LocalTransport
from tests.contracts import sealed
from tests.contracts.filestore_kinds import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from batchio.ports import FileStore

sealed.enter()  # before anything loads obstore or moto
pytestmark = pytest.mark.asyncio

BIG = (9 << 20) + 1
"""Bytes that need an upload in parts."""

SIGNING = "s3 gcs azure"


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pattern(size: int) -> bytes:
    """Always the same bytes, no two places alike."""
    return random.Random(size).randbytes(size)


async def whole(store: FileStore, digest: str, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in store.get(digest, start)])


async def all_of(store: FileStore) -> dict[str, int]:
    return {item.digest: item.size async for item in store.list()}


class Turning(io.BytesIO):
    """A file that somebody writes to as soon as its first reader begins again."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            self.getbuffer()[:] = b"B" * len(self.getbuffer())
        return super().seek(offset, whence)


@pytest.fixture(scope="module", params=KINDS, ids=lambda f: f.__name__)
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kind]:
    make: Callable[[Path], Any] = request.param
    with make(tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture
def store(kind: Kind, tmp_path: Path) -> FileStore:
    """A store with nothing in it."""
    return open_store(kind.url if kind.name == "memory" else f"{kind.url}/{tmp_path.name}")


# --- by content --------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 100_000, BIG])
@pytest.mark.parametrize("source", ["bytes", "file", "stream"])
async def test_what_is_put_comes_back(
    store: FileStore, tmp_path: Path, source: str, size: int
) -> None:
    data = pattern(size)

    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, size, 3_000_000):
            yield data[at : at + 3_000_000]

    (tmp_path / "file").write_bytes(data)
    given: dict[str, Any] = {"bytes": data, "file": tmp_path / "file", "stream": stream()}
    digest = await store.put(given[source])
    assert digest == digest_of(data)
    assert await store.has(digest)
    assert await whole(store, digest) == data
    assert await all_of(store) == {digest: size}


async def test_what_is_there_is_not_sent_again(store: FileStore) -> None:
    digest = await store.put(b"once")
    first = [item async for item in store.list()]
    assert await store.put(b"once") == digest
    assert [item async for item in store.list()] == first


async def test_reading_may_begin_anywhere(store: FileStore) -> None:
    data = pattern(3_000_000)
    digest = await store.put(data)
    for start in (1, 1_048_576, 2_999_999, 3_000_000, 4_000_000):
        assert await whole(store, digest, start) == data[start:]


async def test_what_is_not_there_is_named(store: FileStore) -> None:
    digest = digest_of(b"never stored")
    assert not await store.has(digest)
    with pytest.raises(ProviderError, match=f"there is no {digest}"):
        await whole(store, digest)


async def test_deleting_is_final_and_may_be_repeated(store: FileStore) -> None:
    digest, kept = await store.put(b"go"), await store.put(b"stay")
    await store.delete(digest)
    await store.delete(digest)
    assert not await store.has(digest)
    assert await all_of(store) == {kept: 4}


async def test_a_damaged_copy_is_noticed_and_mended(kind: Kind, store: FileStore) -> None:
    if kind.name == "memory":
        return  # nobody else can reach it
    digest = await store.put(b"right")
    above, _, name = store.url.rpartition("/")
    await open_store(above).put_named(f"{name}/sha256/{digest}", b"wrong bytes")
    with pytest.raises(ProviderError, match="damaged"):
        await whole(store, digest)
    await store.put(b"right")
    assert await whole(store, digest) == b"right"


@pytest.mark.parametrize("size", [10, BIG])
async def test_a_file_that_changes_while_it_is_read_is_not_kept(
    store: FileStore, tmp_path: Path, size: int
) -> None:
    class Changing(type(tmp_path)):  # type: ignore[misc]
        def open(self, *_: object) -> Turning:
            return Turning(b"A" * size)

    with pytest.raises(ProviderError, match="changed while it was read"):
        await store.put(Changing(tmp_path / "file"))
    assert await all_of(store) == {}


@pytest.mark.parametrize("digest", ["", "abc", "../../etc/passwd", "A" * 64])
async def test_only_a_digest_is_a_digest(store: FileStore, digest: str) -> None:
    asking = (store.has(digest), store.delete(digest), store.sign(digest, 60), whole(store, digest))
    for ask in asking:
        with pytest.raises(UsageError, match="not a SHA-256 digest"):
            await ask


# --- by name -----------------------------------------------------------------


async def test_a_name_holds_what_was_written_last(store: FileStore) -> None:
    assert await store.get_named("jobs/1/0/done") is None
    assert await store.put_named("jobs/1/0/done", b"one")
    assert await store.put_named("jobs/1/0/done", b"two")
    assert await store.get_named("jobs/1/0/done") == b"two"
    assert await all_of(store) == {}


async def test_of_many_who_create_a_name_one_wins(store: FileStore) -> None:
    async def create(number: int) -> bool:
        return await store.put_named("result", str(number).encode(), create_only=True)

    won = await asyncio.gather(*(create(number) for number in range(20)))
    assert won.count(True) == 1
    assert await store.get_named("result") == str(won.index(True)).encode()


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "a/../b", "./a", "sha256/x"])
async def test_a_name_cannot_leave_the_store(store: FileStore, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        await store.put_named(name, b"x")


# --- without credentials -----------------------------------------------------


async def fetched(url: str, digest: str, home: Path) -> tuple[int, str]:
    """Run `fetch` as a node does, with nothing of ours in its environment."""
    home.mkdir()
    node = await asyncio.create_subprocess_exec(
        *agent.command(sys.executable, "fetch", str(home)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    _, said = await node.communicate(json.dumps({"url": url, "digest": digest}).encode())
    return node.returncode or 0, said.decode()


async def test_a_node_fetches_by_a_signed_url(kind: Kind, store: FileStore, tmp_path: Path) -> None:
    data = pattern(BIG)
    digest, home = await store.put(data), tmp_path / "home"
    if kind.name == "memory":
        with pytest.raises(UsageError, match="has no URLs"):
            await store.sign(digest, 60)
        return
    url = await store.sign(digest, 60)
    assert await fetched(url, digest, home) == (0, "")
    assert (home / "bundle.tar").read_bytes() == data
    wrong = digest_of(b"something else")
    code, said = await fetched(url, wrong, tmp_path / "other")
    assert (code, said) == (1, "what came is not what was stored\n")
    await store.delete(digest)
    code, said = await fetched(url, digest, tmp_path / "late")
    assert code == 1
    assert "404" in said or "is the folder shared?" in said


async def test_a_url_is_signed_for_no_longer_than_stores_allow(
    kind: Kind, store: FileStore
) -> None:
    digest = await store.put(b"x")
    if kind.name in SIGNING:
        for seconds in (0, -1, 8 * 86400):
            with pytest.raises(UsageError, match="a week is the most"):
                await store.sign(digest, seconds)
    else:
        with pytest.raises(UsageError, match="has no URLs for PUT"):
            await store.sign(digest, 60, "PUT")


async def test_the_files_of_a_job_come_from_the_store(
    kind: Kind, store: FileStore, tmp_path: Path
) -> None:
    (tmp_path / "data.txt").write_text("hello")
    bundle, notes = tmp_path / "bundle.tar", list[str]()
    with tarfile.open(bundle, "w") as tar:
        tar.add(tmp_path / "data.txt", "in/data.txt")
    send = Sender(bundle, store.url, open_store, notes.append)
    homes = [tmp_path / f"home {number}" for number in range(3)]
    async with LocalTransport() as transport:
        transport.local = False  # a node that has no bundle yet
        for home in homes:
            home.mkdir()
        await asyncio.gather(*(send(transport, str(home), sys.executable) for home in homes))
    there = {(home / "bundle.tar").read_bytes() for home in homes}
    assert there == {bundle.read_bytes()}
    if kind.name == "memory":
        assert [note.partition(":")[0] for note in notes] == [
            "files are sent over the connections instead"
        ]
    else:
        assert notes == []
        assert await all_of(store) == {digest_of(bundle.read_bytes()): bundle.stat().st_size}


async def test_a_node_that_cannot_fetch_gets_its_files_all_the_same(
    kind: Kind, store: FileStore, tmp_path: Path
) -> None:
    bundle, notes = tmp_path / "bundle.tar", list[str]()
    with tarfile.open(bundle, "w") as tar:
        tar.add(__file__, "suite.py")
    send = Sender(bundle, store.url, open_store, notes.append)
    async with LocalTransport() as transport:
        transport.local = False  # a node that has no bundle yet
        for number in range(2):
            home = tmp_path / f"home {number}"
            home.mkdir()
            await send(transport, str(home), sys.executable)
            assert (home / "bundle.tar").exists()
            await store.delete(digest_of(bundle.read_bytes()))
    if kind.name != "memory":
        assert len(notes) == 1
        assert "the files could not be fetched: " in notes[0]


# --- trouble -----------------------------------------------------------------


async def test_a_bucket_that_is_not_there_is_the_users_mistake(kind: Kind) -> None:
    if kind.bucketless:
        store = open_store(kind.bucketless, patience=0.1)
        for ask in (store.put(b"x"), store.put_named("x", b"x"), store.get_named("x")):
            with pytest.raises(UsageError, match="there is no such bucket"):
                await ask


@contextmanager
def answering(code: int, body: bytes = b"") -> Iterator[None]:
    """An S3 that answers everything with one code."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET = do_POST = do_PUT

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("code", [401, 403])
async def test_trouble_refused_credentials_say_what_to_do(code: int) -> None:
    with answering(code), pytest.raises(NotAuthorised) as caught:
        await open_store("s3://bucket/x", patience=0.1).put(b"x")
    assert caught.value.where == "s3://bucket/x"
    assert "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")


async def test_trouble_with_the_clock_is_told_as_that() -> None:
    body = (
        b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time"
        b" and the current time is too large.</Message><RequestTime>20261125T070000Z</RequestTime>"
        b"<ServerTime>2026-11-25T08:00:00Z</ServerTime></Error>"
    )
    with answering(403, body), pytest.raises(NotAuthorised) as caught:
        await open_store("s3://bucket/x", patience=0.1).put_named("x", b"x")
    with answering(403, body), pytest.raises(NotAuthorised) as asked:
        open_bucket(check("s3://bucket/x"), patience=0.1).dated("x")

    said = "s3://bucket/x: this computer's clock is wrong: for the store it is 2026-11-25T08:00:00Z"
    assert str(caught.value) == str(asked.value) == said


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_trouble_that_passes_is_told_apart(code: int) -> None:
    with answering(code), pytest.raises(ProviderDown):
        await open_store("s3://bucket/x", patience=0.1).put(b"x")


async def test_trouble_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(ProviderDown):
        await open_store("s3://bucket/x", patience=0.1).put(b"x")


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://bucket/x"])
async def test_trouble_no_credentials_anywhere(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_")):
            monkeypatch.delenv(name)
    with pytest.raises(NotAuthorised, match="no credentials"):
        await open_store(url, patience=0.1).put(b"x")


async def test_trouble_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(UsageError) as caught:
        open_store("az://container")
    assert "AZURE_STORAGE_ACCOUNT_NAME" in (caught.value.hint or "")


async def test_trouble_with_the_store_does_not_stop_the_files(tmp_path: Path) -> None:
    bundle, home, notes = tmp_path / "bundle.tar", tmp_path / "home", list[str]()
    home.mkdir()
    with tarfile.open(bundle, "w") as tar:
        tar.add(__file__, "suite.py")
    async with LocalTransport() as transport:
        transport.local = False  # a node that has no bundle yet
        with answering(403):
            await Sender(bundle, "s3://bucket/x", open_store, notes.append)(
                transport, str(home), sys.executable
            )
    assert (home / "bundle.tar").exists()
    assert len(notes) == 1
