"""A small Google Cloud Storage, in memory: as much of its XML API as obstore speaks.

There is no emulator of that API: the known ones speak the JSON one. Every request must
carry a token or a signature, as with the real one; neither is checked.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable


class Object(NamedTuple):
    """One stored object."""

    data: bytes
    generation: int
    at: float

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'

    @property
    def headers(self) -> dict[str, str]:
        return {
            "ETag": self.etag,
            "x-goog-generation": str(self.generation),
            "Last-Modified": formatdate(self.at, usegmt=True),
        }


class Gcs:
    """The server: `with Gcs() as url`. It has every bucket but `no-such-bucket`."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.numbers = itertools.count(1000)
        self.turn = threading.Lock()
        """Held from the look at a condition until the write that depends on it."""
        handler = type("Handler", (_Handler,), {"gcs": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def store(self, path: str, data: bytes) -> Object:
        """Keep an object and number it."""
        made = self.objects[path] = Object(data, next(self.numbers), time.time())
        return made


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gcs: Gcs

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        path, query, body = self._asked()
        if "uploadId" in query:
            self.gcs.uploads[query["uploadId"]][int(query["partNumber"])] = body
            self._answer(200, headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        elif stored := self._store(path, lambda: body):
            self._answer(200, headers=stored.headers)

    def do_POST(self) -> None:
        path, query, _ = self._asked()
        if "uploads" in query:
            upload = f"upload-{next(self.gcs.numbers)}"
            self.gcs.uploads[upload] = {}
            self._answer(200, _xml("InitiateMultipartUploadResult", _xml("UploadId", upload)))
        elif made := self._store(path, lambda: self._joined(query["uploadId"])):
            text = _xml("CompleteMultipartUploadResult", _xml("ETag", escape(made.etag)))
            self._answer(200, text, made.headers)

    def do_DELETE(self) -> None:
        path, query, _ = self._asked()
        if "uploadId" in query:
            known = self.gcs.uploads.pop(query["uploadId"], None) is not None
        else:
            known = self.gcs.objects.pop(path, None) is not None
        self._answer(204 if known else 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, query, _ = self._asked()
        if "/" not in path.strip("/"):
            self._answer(200, self._listing(path.strip("/"), query))
        elif (found := self.gcs.objects.get(path)) is None:
            self._answer(404, "<Error><Code>NoSuchKey</Code></Error>")
        elif self.headers.get("If-None-Match") == found.etag:
            self._answer(304, headers=found.headers)
        elif wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1 if last else 1 << 60, len(found.data))
            if start >= len(found.data):
                self._answer(416)
                return
            span = {"Content-Range": f"bytes {start}-{stop - 1}/{len(found.data)}"}
            self._answer(206, found.data[start:stop], {**found.headers, **span})
        else:
            self._answer(200, found.data, found.headers)

    def _listing(self, bucket: str, query: dict[str, str]) -> str:
        prefix, after, rows = query.get("prefix", ""), query.get("start-after", ""), []
        for path, item in sorted(self.gcs.objects.items()):
            name = path.removeprefix(f"{bucket}/")
            if path.startswith(f"{bucket}/{prefix}") and name > after:
                at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(item.at))
                about = _xml("Key", escape(name)) + _xml("Size", str(len(item.data)))
                about += _xml("ETag", escape(item.etag)) + _xml("LastModified", at)
                rows.append(_xml("Contents", about))
        return _xml("ListBucketResult", _xml("IsTruncated", "false") + "".join(rows))

    def _asked(self) -> tuple[str, dict[str, str], bytes]:
        """Path without its first slash, query, body."""
        url = urlsplit(self.path)
        query = {key: rows[0] for key, rows in parse_qs(url.query, keep_blank_values=True).items()}
        return unquote(url.path)[1:], query, self._body()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _joined(self, upload: str) -> bytes:
        """The parts of an upload, which is then over."""
        parts = self.gcs.uploads.pop(upload)
        return b"".join(parts[number] for number in sorted(parts))

    def _store(self, path: str, data: Callable[[], bytes]) -> Object | None:
        """Write where the condition holds; else answer that it does not."""
        wanted = self.headers.get("x-goog-if-generation-match")
        with self.gcs.turn:
            found = self.gcs.objects.get(path)
            if wanted is None or wanted == str(found.generation if found else 0):
                return self.gcs.store(path, data())
        self._answer(412, "<Error><Code>PreconditionFailed</Code></Error>")
        return None

    def _answer(
        self, code: int, body: str | bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        if "X-Goog-Signature" not in self.path and "Authorization" not in self.headers:
            code, body, headers = 401, "<Error><Code>AccessDenied</Code></Error>", {}
        elif unquote(urlsplit(self.path).path).split("/")[1] == "no-such-bucket":
            code, body, headers = 404, "<Error><Code>NoSuchBucket</Code></Error>", {}
        raw = body.encode() if isinstance(body, str) else body
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)


def _xml(tag: str, text: str) -> str:
    return f"<{tag}>{text}</{tag}>"
