"""A program of its own: download the uploaded files into a home, and check their digest.

Its only word is the home. Its standard input is a JSON object of `url` and `digest`, because
a signed URL is a secret and everybody on the node can read a command line. A download that
breaks off goes on where it broke; files that are there already are not downloaded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, url2pathname, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
STALL_S = 60
TRIES = 6  # in a row that bring nothing: 63 s with the pauses between them
AGAIN = (408, 425, 429, 500, 502, 503, 504)


class Refused(Exception):
    """The store refuses for good: asking again is no use."""


def chunks(url: str) -> Iterator[bytes]:
    """Yield all bytes behind a URL, once and in order, over broken connections too."""
    done = failures = 0
    while True:
        why = "the connection broke off"
        try:
            with opened(url, done) as source:
                end = done + length(source)
                for chunk in iter(lambda: source.read(CHUNK), b""):
                    yield chunk
                    done += len(chunk)
                    failures = 0
            if done >= end:  # http.client is silent about what is missing
                return
        except HTTPError as err:
            if err.code == 416 and done:
                return
            why = explained(err)
            if err.code not in AGAIN:
                raise Refused(why) from None
        except FileNotFoundError as err:
            why = f"there is no {err.filename} on this node: is the folder shared?"
            raise Refused(why) from None
        except (OSError, HTTPException) as err:
            why = str(err) or type(err).__name__
        failures += 1
        if failures > TRIES:
            raise Refused(why)
        time.sleep(2 ** (failures - 1))


def explained(error: HTTPError) -> str:
    """Return an HTTP error with the store's own message: 403 alone does not say that a URL
    expired.

    Only the message: the rest of such an answer may repeat the signature.
    """
    said = re.search(rb"<Message>([^<\n]+)", error.read(1 << 16))
    return f"{error}: {said.group(1).decode('utf-8', 'replace')}" if said else str(error)


def opened(url: str, start: int) -> Any:
    """Open a URL and return a reader of its bytes from `start` on."""
    if url.startswith("file:"):
        file = open(url2pathname(urlsplit(url).path), "rb")  # noqa: SIM115  as urlopen does
        file.seek(start)
        return file
    headers = {"Range": f"bytes={start}-"} if start else {}
    answer = urlopen(Request(url, headers=headers), timeout=STALL_S)  # noqa: S310
    if start and answer.status != 206:
        raise Refused("the store cannot go on in the middle")
    return answer


def length(source: Any) -> int:
    """Return how many bytes a reader promises; 0 when it does not say."""
    headers = getattr(source, "headers", {})
    return int(headers.get("Content-Length") or 0)


def fetch(url: str, digest: str, target: str) -> None:
    """Download a URL to the file `target`, if its SHA-256 is right. Raises Refused, OSError."""
    seen = hashlib.sha256()
    part = target + ".part"
    try:
        with open(part, "wb") as file:
            for chunk in chunks(url):
                seen.update(chunk)
                file.write(chunk)
        if seen.hexdigest() != digest:
            raise Refused("what came is not what was stored")
        os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def main(home: str) -> str:
    """Download the files into a home; return why that failed, or ""."""
    asked = json.load(sys.stdin)
    target = home + "/bundle.tar"
    if not os.path.exists(target):
        try:
            fetch(asked["url"], asked["digest"], target)
        except Refused as error:
            return str(error)
        except OSError as error:
            return "%s: %s" % (home, error.strerror)
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or 0)
