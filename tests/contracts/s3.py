"""An S3 in memory: moto's, made to take one write at a time, as a store does that can swap.

moto looks at a condition first and writes afterwards, in a thread for each request: of two
who swap one object at the same time, both could win. So writes wait for each other here, once
their bytes are there.

    python -m tests.contracts.s3 ADDRESS PORT [SECONDS]

has a bucket named `bucket`, says its URL, and waits so many seconds before each answer.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class S3:
    """The server: `with S3() as url`."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0, wait: float = 0.0) -> None:
        app = OneWriteAtATime(DomainDispatcherApplication(create_backend_app), wait)
        self._server = make_server(
            address, port, app, threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://{self._server.host}:{self._server.port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self) -> None:
        """Say the URL, and answer until the process is ended."""
        sys.stdout.write(f"http://{self._server.host}:{self._server.port}\n")
        sys.stdout.flush()
        self._server.serve_forever()


class OneWriteAtATime:
    """A WSGI application (PEP 3333) before another one."""

    def __init__(self, app: Callable[..., Iterable[bytes]], wait: float) -> None:
        self._app = app
        self._wait = wait
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        time.sleep(self._wait)
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start_response)
        if size := environ.get("CONTENT_LENGTH"):  # whoever sends slowly holds nobody up
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(size)))
        with self._turn:
            return list(self._app(environ, start_response))


if __name__ == "__main__":
    from moto.s3.models import s3_backends

    address, port, *wait = sys.argv[1:]
    s3_backends["123456789012"]["aws"].create_bucket("bucket", "us-east-1")
    S3(address, int(port), float(wait[0] if wait else 0)).serve()
