"""Wheels that this node gets from an index, instead of the pieces of a package."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from batchio.installer.basics import CHUNK, parts, whole
from batchio.installer.pieces import unpack

ANSWER_S = 5  # until a server must have said something
SLOWEST = 100000  # bytes a second, below which whoever sends pieces is no slower


class Silent(Exception):
    """A server does not answer, or too slowly: no other one is asked either."""


def take_wheels(store: str, recipe: dict[str, Any], wheels: dict[str, Any], get: bool) -> None:
    """Let packages whose pieces are not all here be made of their wheels, as far as those are.

    With `get`, wheels that are not here are asked for first.
    """
    lacking = []
    for package in recipe["packages"]:
        found = wheels.get(package[0])
        if found and not all(whole(store + "/pieces/" + piece[0]) for piece in package[2]):
            lacking.append((package, store + "/pieces/" + "/".join(parts(found[0])), found))
    if get:
        get_all([(path, found) for _, path, found in lacking if not whole(path)])
    for package, path, found in lacking:
        if whole(path):
            package[2] = [[found[0], 0, "wheel", "", 0]]


def get_all(wanted: list[Any]) -> None:
    """Get wheels until one server does not answer."""
    silent: list[str] = []

    def get(path: str, digest: str, url: str) -> None:
        if silent:
            return
        try:
            get_wheel(path, digest, url)
        except Silent:
            silent.append(url)

    if wanted and known({url for _, (_, url) in wanted}):
        with ThreadPoolExecutor(4) as pool:
            for path, (digest, url) in wanted:
                pool.submit(get, path, digest, url)


def known(urls: set[str]) -> bool:
    """Return whether the names of all servers are known here, as far as this node asks for them.

    Where there is no way out a resolver takes many seconds to say so, and nothing shortens that.
    """
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    if getproxies():
        return True
    found: list[object] = []
    hosts = {urlsplit(url).hostname or "" for url in urls}

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(host, None) for host in hosts)
        except OSError:
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_S)
    return len(found) == len(hosts)


def get_wheel(path: str, digest: str, url: str) -> None:
    """Get one wheel; what is refused, or is something else, comes from whoever asks for it."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    part = "%s.part-%d" % (path, os.getpid())
    try:
        began, count, seen = time.monotonic(), 0, hashlib.sha256()
        request = Request(url, headers={"User-Agent": "batchio"})
        with urlopen(request, timeout=ANSWER_S) as answer, open(part, "wb") as file:
            while True:
                chunk = answer.read(CHUNK >> 4)
                if not chunk:
                    break
                seen.update(chunk)
                count += len(chunk)
                file.write(chunk)
                took = time.monotonic() - began
                if took > ANSWER_S and count < took * SLOWEST:
                    raise Silent
        if seen.hexdigest() == digest:
            unpack(part, path, "wheel")
    except HTTPError:
        pass
    except (OSError, ValueError):
        raise Silent from None
    finally:
        try:
            os.unlink(part)
        except OSError:
            pass
