"""A front before a store's server, with moods: what comes over the wire when all is not well.

Everything that the client's library makes of it (repeated requests, errors of odd names) is real.
"""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

Mood = Literal["well", "lost", "409", "500", "503", "mute", "broken", "403", "301"]
"""How a request is taken.

lost: carried out, and the connection cut. mute: never answered. broken: cut at once. 301: the
bucket is in another region.
"""

MOODS: Final[tuple[Mood, ...]] = ("lost", "409", "500", "503", "mute", "broken")


class Front:
    """The server: `with Front(url of the store) as url`.

    Attributes:
        mood: Told the verb and the path of each request; says how it is taken.
        requests: Verb and path of each request so far.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.mood: Callable[[str, str], Mood] = well
        self.requests: list[tuple[str, str]] = []
        self.over = threading.Event()
        handler = type("Handler", (_Handler,), {"front": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def well(verb: str, path: str) -> Mood:
    """The mood of a server that does what it is told."""
    return "well"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.front.requests.append((self.command, path))
        mood = self.front.mood(self.command, path)
        if mood in ("well", "lost"):
            answer = self._carried_out(body)
            if mood == "well":
                self._answer(*answer)
                return
        elif mood == "mute":
            self.front.over.wait()
        elif mood != "broken":
            self._answer(int(mood), {"x-amz-bucket-region": "eu-west-1"}, b"")
            return
        self.close_connection = True

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def _carried_out(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.front.upstream, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        drop = ("transfer-encoding", "connection", "content-length")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in drop}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.headers.get("Content-Length", "0")
        return answer.status, headers, data

    def _answer(self, code: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response_only(code)
        headers.setdefault("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
