"""Outputs that an agent puts into a store by itself, behind URLs that the head signed."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.agent.client import Client, gone, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PART = 64 << 10
LARGE = "head -c 200000 /dev/urandom > large; mkdir sub; echo hello > sub/small; ln -s large link"


class Store:
    """A store's server: what was put there by path, and how it takes the next requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.kept: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []
        self.take: Callable[[str], int] = lambda path: 200
        """Status for a request's path; 0: cut the connection, -1: never answer."""
        self.over = threading.Event()


@pytest.fixture
def store() -> Iterator[Store]:
    with serving() as one:
        yield one


@contextmanager
def serving() -> Iterator[Store]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            status = one.take(self.path)
            one.headers.append(dict(self.headers))
            if status == -1:
                one.over.wait()
            if status <= 0:
                return
            if status == 200:
                one.kept[self.path.partition("?")[0]] = data
            said = b"<Error><Message>Request has expired</Message></Error>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one = Store(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield one
        one.over.set()
        server.shutdown()
        thread.join()


def left(head: Client, script: str, task: int = 0) -> None:
    """Run a task that leaves files."""
    head.setup(script, shell=True)
    head.start(task)
    assert head.done(task).exit == 0


def parts(store: Store, first: int, last: int, size: int = PART) -> list[list[Any]]:
    return [[None, n * size, size, f"{store.url}/{n}?sig=1"] for n in range(first, last)]


def stored(head: Client, count: int) -> list[list[Any]]:
    """The next `count` rows that the agent says are stored."""
    rows: list[list[Any]] = []
    while len(rows) < count:
        rows += head.wait("stored")[3]
    return rows


def test_a_tar_stream_is_stored_in_parts_of_which_sizes_and_checksums_are_told(
    head: Client, store: Store
) -> None:
    left(head, LARGE)
    head.send(["store", 0, 1, parts(store, 0, 2)])
    rows = stored(head, 2)
    head.send(["store", 0, 1, parts(store, 2, 5)])
    rows += stored(head, 2)

    head.send(["fetch", 0, 1])
    head.wait("fetched")
    whole = head.tars[0, 1]
    cut = [whole[at : at + PART] for at in range(0, len(whole), PART)]
    assert [store.kept[f"/{n}"] for n in range(len(cut))] == cut
    assert rows == [[None, n * PART, len(p), zlib.crc32(p)] for n, p in enumerate(cut)]
    assert {one["Content-Type"] for one in store.headers} == {"application/octet-stream"}
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert sorted(tar.getnames()) == ["large", "link", "sub/small"]


def test_a_stream_that_ends_with_a_part_is_followed_by_an_empty_one(
    head: Client, store: Store
) -> None:
    left(head, "echo one > file")
    head.send(["store", 0, 1, [[None, 0, 2048, f"{store.url}/0"], [None, 2048, 9, store.url]]])
    sizes = [size for _, _, size, _ in stored(head, 2)]

    assert sizes == [2048, 0]
    assert list(store.kept) == ["/0"]


def test_what_is_stored_is_told_again_to_who_asks_again_and_not_sent_again(
    home: Path, head: Client, store: Store
) -> None:
    left(head, LARGE)
    head.send(["store", 0, 1, parts(store, 0, 2)])
    rows = stored(head, 2)
    with Client(home, epoch=2) as other:
        other.hello()
        other.send(["store", 0, 1, parts(store, 0, 3)])
        again = stored(other, 3)

    assert again[:2] == rows
    assert len(store.headers) == 3


def test_files_are_listed_and_stored_one_by_one(home: Path, head: Client, store: Store) -> None:
    upload(home, {"sent": "sent\n"})
    head.setup(f"{LARGE}; mkdir empty", shell=True, files=True)
    head.start(0)
    head.done(0)
    head.send(["list", 0, 1])
    first, rows, more = head.wait("listed")[3:]
    files = [[path, 0, size, f"{store.url}/{path}"] for path, size in rows if size is not None]
    head.send(["store", 0, 1, files])
    done = {path: (size, crc) for path, _, size, crc in stored(head, 2)}

    assert (first, more) == (0, False)
    assert sorted(rows) == [["empty", None], ["large", 200000], ["link", None], ["sub/small", 6]]
    assert store.kept["/sub/small"] == b"hello\n"
    assert done == {p[1:]: (len(data), zlib.crc32(data)) for p, data in store.kept.items()}


def test_a_refused_url_is_said_in_the_words_of_the_store_and_the_outputs_can_be_fetched(
    head: Client, store: Store
) -> None:
    left(head, "echo one > file")
    store.take = lambda path: 403
    head.send(["store", 0, 1, parts(store, 0, 1)])

    why = "HTTP Error 403: Forbidden: Request has expired"
    assert head.wait("unstored") == ["unstored", 0, 1, why]
    assert len(store.headers) == 1
    head.send(["fetch", 0, 1])
    assert head.wait("fetched")[3] == 1


def test_a_store_that_cannot_be_reached_is_said(head: Client) -> None:
    with serving() as gone_by_then:
        url = gone_by_then.url
    left(head, "echo one > file")
    head.send(["store", 0, 1, [[None, 0, PART, url]]])

    assert "Connection refused" in head.wait("unstored")[3]


def test_a_request_that_breaks_off_or_meets_a_busy_store_is_sent_again(
    head: Client, store: Store
) -> None:
    left(head, LARGE)
    moods = iter([0, 503, 200, 200, 200, 200])
    store.take = lambda path: next(moods)
    head.send(["store", 0, 1, parts(store, 0, 4)])
    rows = stored(head, 4)

    assert [zlib.crc32(store.kept[f"/{n}"]) for n in range(4)] == [row[3] for row in rows]


def test_many_attempts_share_few_couriers(home: Path, head: Client, store: Store) -> None:
    head.setup("echo $BATCHIO_TASK_ID > file", shell=True)
    head.start(*range(12))
    for task in range(12):
        head.done(task)
    pid = head.pid
    for task in range(12):
        head.send(["store", task, 1, [[None, 0, PART, f"{store.url}/{task}"]]])
    stored(head, 12)

    assert len(store.kept) == 12
    assert 1 <= len(couriers(pid)) <= 4


def couriers(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@pytest.mark.parametrize("how", ["courier", "discard", "bye", "agent"])
def test_a_courier_that_hangs_ends_with_what_it_is_for(
    how: str, head: Client, store: Store
) -> None:
    begun = threading.Event()

    def never(path: str) -> int:
        begun.set()
        return -1

    left(head, "echo one > file")
    store.take = never
    head.send(["store", 0, 1, parts(store, 0, 1)])
    assert begun.wait(20)
    [courier] = couriers(head.pid)
    if how == "courier":
        os.kill(courier, signal.SIGKILL)
        assert head.wait("unstored")[3] == "the process that did it was killed"
    elif how == "discard":
        head.send(["discard", [[0, 1]]])
        head.sync()
    elif how == "bye":
        head.send(["bye", False])
        assert head.wait("bye") == ["bye", ""]
    else:
        os.kill(head.pid, signal.SIGKILL)

    assert gone([courier])


@pytest.mark.parametrize(
    "piece",
    [
        ["../x", 0, 1, "https://x"],
        ["/etc/passwd", 0, 1, "https://x"],
        [None, -1, 1, "https://x"],
        [None, 0, 0, "https://x"],
        [None, 0, 1, "file:///etc/passwd"],
        [None, 0, 1],
        "x",
    ],
)
def test_a_piece_that_makes_no_sense_is_refused(head: Client, piece: Any) -> None:
    head.send(["store", 0, 1, [piece]])

    assert head.wait("refused")[1].startswith("bad message 'store'")
