"""Package indexes on this computer: wheels that tests write, served as the simple API has them."""

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import unquote

PURE = "py3-none-any"

Fault = Literal["", "silent", "other bytes", "login page", "gone"]


def make_wheel(
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    tag: str = PURE,
    requires: tuple[str, ...] = (),
    scripts: str = "",
) -> tuple[str, bytes]:
    """Return file name and bytes of a wheel, as a build backend makes it."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    all_files = {path: _bytes(content) for path, content in files.items()}
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    all_files[f"{info}/METADATA"] = metadata.encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: {tag}\n"
    all_files[f"{info}/WHEEL"] = wheel.encode()
    if scripts:
        all_files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n".encode()
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in all_files.items()]
    all_files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, data in all_files.items():
            packed.writestr(path, data)
    return f"{name}-{version}-{tag}.whl", out.getvalue()


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


class Index:
    """An index that is being served.

    Attributes:
        wheels: What it has, by file name.
        login: User and password that it wants, "alice:secret"; "" for none.
        fault: What is wrong with the files that it serves.
        asked: The path of every request that it granted.
    """

    def __init__(self, host: str) -> None:
        self.wheels: dict[str, bytes] = {}
        self.login = ""
        self.fault: Fault = ""
        self.asked: list[str] = []
        self.closing = threading.Event()
        self.server = ThreadingHTTPServer((host, 0), self._handler())
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """The URL of its simple API, without user and password."""
        host, port = self.server.server_address[:2]
        return f"http://{host!s}:{port}/simple"

    @property
    def private_url(self) -> str:
        """The URL with user and password."""
        return self.url.replace("//", f"//{self.login}@")

    def add(self, *given: tuple[str, bytes]) -> None:
        """Serve these wheels, too."""
        self.wheels |= dict(given)

    def files(self) -> list[str]:
        """Return the names of all files that were asked for by GET."""
        return [path.rpartition("/")[2] for path in self.asked if path.startswith("/files/")]

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body for a path."""
        kind, _, name = unquote(path).strip("/").partition("/")
        if kind == "simple":
            hits = [each for each in self.wheels if each.split("-")[0].replace("_", "-") == name]
            links = (
                f'<a href="/files/{each}#sha256={hashlib.sha256(self.wheels[each]).hexdigest()}">'
                f"{each}</a>"
                for each in hits
            )
            return (200 if hits else 404), "".join(links).encode()
        if kind != "files" or name not in self.wheels or self.fault == "gone":
            return 404, b""
        if self.fault == "login page":
            return 200, b"<html>Who are you?</html>"
        if self.fault == "other bytes":
            return 200, make_wheel("evil", "1.0", {"evil.py": "x = 1"})[1]
        return 200, self.wheels[name]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = base64.b64encode(index.login.encode()).decode()
                if index.login and self.headers.get("Authorization") != f"Basic {wanted}":
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if index.fault == "silent" and self.path.startswith("/files/"):
                    index.closing.wait(60)
                    return
                status, body = index.answer(self.path)
                if self.command == "GET":
                    index.asked.append(self.path)
                self.send_response(status)
                kind = "application/zip" if self.path.startswith("/files") else "text/html"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Index]:
    """Serve an empty index at an address of this computer."""
    index = Index(host)
    thread = threading.Thread(target=index.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.closing.set()
        index.server.shutdown()
        index.server.server_close()
        thread.join()
