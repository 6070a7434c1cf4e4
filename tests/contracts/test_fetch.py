"""What a node does to fetch by a URL, against a server that misbehaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from batchio import agent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def run(url: str, home: Path, digest: str = DIGEST) -> tuple[int, bytes]:
    """Run it as on a node, with no environment of ours. Its exit code and what it says."""
    done = subprocess.run(
        agent.command(sys.executable, "fetch", str(home)),
        input=json.dumps({"url": url, "digest": digest}).encode(),
        capture_output=True,
        check=False,
        env={},
    )
    return done.returncode, done.stderr


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    with server("breaks") as broken:
        assert run(broken.url, tmp_path) == (0, b"")
    assert (tmp_path / "bundle.tar").read_bytes() == DATA
    assert broken.ranges == [None, f"bytes={HALF}-"]


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with server("503") as busy:
        assert run(busy.url, tmp_path) == (0, b"")
    assert (tmp_path / "bundle.tar").read_bytes() == DATA


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "bundle.tar").write_bytes(b"of an earlier head")
    with server() as idle:
        assert run(idle.url, tmp_path) == (0, b"")
    assert idle.ranges == []
    assert (tmp_path / "bundle.tar").read_bytes() == b"of an earlier head"


def test_a_refusal_is_final_and_does_not_show_the_url(tmp_path: Path) -> None:
    with server("403") as refusing:
        assert run(refusing.url, tmp_path) == (1, b"HTTP Error 403: Forbidden\n")
    assert refusing.ranges == [None]
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_go_on_in_the_middle_is_not_believed(tmp_path: Path) -> None:
    with server("breaks", "no ranges") as forgetful:
        code, said = run(forgetful.url, tmp_path)
    assert code == 1
    assert b"cannot go on in the middle" in said
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_are_refused_and_not_kept(tmp_path: Path) -> None:
    with server() as running:
        code, said = run(running.url, tmp_path, digest="0" * 64)
    assert (code, said) == (1, b"what came is not what was stored\n")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with server() as running:
        assert run(running.url, tmp_path / "gone") == (
            1,
            f"{tmp_path}/gone: No such file or directory\n".encode(),
        )


def test_a_shared_folder_is_read_in_place(tmp_path: Path) -> None:
    shared, home = tmp_path / "a b ä", tmp_path / "home"
    home.mkdir()
    shared.write_bytes(DATA)
    assert run(shared.as_uri(), home) == (0, b"")
    assert (home / "bundle.tar").read_bytes() == DATA
    (home / "bundle.tar").unlink()
    code, said = run(tmp_path.joinpath("not here").as_uri(), home)
    assert code == 1
    assert b"is the folder shared?" in said
