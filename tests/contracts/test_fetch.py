"""What a node does to fetch by a URL, against a server that misbehaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from batchio.filestores import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA: Final = b"0123456789" * 300_000
DIGEST: Final = hashlib.sha256(DATA).hexdigest()
HALF: Final = len(DATA) // 2


class Server(ThreadingHTTPServer):
    """Gives DATA. Each answer is spoilt by the next of `faults`, if there is one left."""

    daemon_threads = True

    def __init__(self, faults: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults = faults
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data?signature=secret"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        fault = self.server.faults.pop(0) if self.server.faults else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        data = DATA[start:]
        self.send_response(206 if wanted and fault != "no ranges" else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:HALF] if fault == "breaks" else data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(*faults: str) -> Iterator[Server]:
    with Server(list(faults)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def run(url: str, *program: str, digest: str = DIGEST) -> subprocess.CompletedProcess[bytes]:
    """As on a node: text for python3, with no environment of ours."""
    return subprocess.run(
        [sys.executable, "-I", "-c", Path(fetch.__file__).read_text(), *program],
        input=json.dumps({"url": url, "digest": digest}).encode(),
        capture_output=True,
        check=False,
        env={},
    )


def test_a_connection_that_breaks_is_taken_up_where_it_broke() -> None:
    with server("breaks") as broken:
        done = run(broken.url, "/bin/cat")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == DATA
    assert broken.ranges == [None, f"bytes={HALF}-"]


def test_a_server_that_is_busy_is_asked_again() -> None:
    with server("503") as busy:
        done = run(busy.url, "/bin/cat")
    assert (done.returncode, done.stdout == DATA) == (0, True)


def test_a_refusal_is_final_and_does_not_show_the_url() -> None:
    with server("403") as refusing:
        done = run(refusing.url, "/bin/cat")
    assert (done.returncode, done.stderr) == (1, b"HTTP Error 403: Forbidden\n")
    assert refusing.ranges == [None]


def test_a_store_that_cannot_go_on_in_the_middle_is_not_believed() -> None:
    with server("breaks", "no ranges") as forgetful:
        done = run(forgetful.url, "/bin/cat")
    assert done.returncode == 1
    assert b"cannot go on in the middle" in done.stderr


def test_other_bytes_are_refused_and_the_program_is_stopped() -> None:
    with server() as running:
        done = run(running.url, "/bin/cat", digest="0" * 64)
    assert (done.returncode, done.stderr) == (1, b"what came is not what was stored\n")


@pytest.mark.parametrize(("ends", "code"), [("exit 7", 7), ("exit 0", 1), ("cat >&2; exit 9", 9)])
def test_a_program_that_fails_or_stops_listening_is_a_failure(ends: str, code: int) -> None:
    with server() as running:
        done = run(running.url, "/bin/sh", "-c", ends)
    assert done.returncode == code


def test_a_shared_folder_is_read_in_place(tmp_path: Path) -> None:
    shared = tmp_path / "a b ä"
    shared.write_bytes(DATA)
    assert run(shared.as_uri(), "/bin/cat").stdout == DATA
    done = run(tmp_path.joinpath("not here").as_uri(), "/bin/cat")
    assert done.returncode == 1
    assert b"is the folder shared?" in done.stderr
