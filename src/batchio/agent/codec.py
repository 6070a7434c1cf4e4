"""JSON, without the thirteen milliseconds that a node pays to import `json`.

What `json` does by default is done by three functions of C. They are used directly where
they are what we know them to be, and through `json` elsewhere.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Decoding:
    """What json.JSONDecoder tells its scanner by default."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {
        "NaN": float("nan"),
        "Infinity": float("inf"),
        "-Infinity": -float("inf"),
    }.__getitem__


def unknown(value: object) -> object:
    raise TypeError("JSON has no %s" % type(value).__name__)


def direct() -> tuple[Callable[[str | bytes], Any], Callable[[object], str]]:
    """`loads` and `dumps`. Raises where C is not as we know it."""
    if hasattr(sys, "gettotalrefcount"):
        raise ImportError("a debug build of Python dies where C raises a mere SystemError")
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    decoding: Any = Decoding
    scan: Any = make_scanner(decoding)
    encode: Any = make_encoder(
        None, unknown, encode_basestring_ascii, None, ":", ",", False, False, True
    )

    def loads(data: str | bytes) -> Any:
        text = data if isinstance(data, str) else data.decode("utf-8", "surrogatepass")
        text = text.strip(" \t\n\r")
        try:
            value, end = scan(text, 0)
        except (StopIteration, SystemError, ValueError):  # which one depends on the version
            end = -1
        if end != len(text):
            import json

            return json.loads(text)  # says what is wrong
        return value

    def dumps(value: object) -> str:
        return "".join(encode(value, 0))

    probe = [{"a": [1, 0.5, "\u20ac", True, None]}]
    if loads(dumps(probe)) != probe:
        raise TypeError("another JSON")
    return loads, dumps


def usual() -> tuple[Callable[[str | bytes], Any], Callable[[object], str]]:
    import json

    return json.loads, json.JSONEncoder(separators=(",", ":")).encode


try:
    loads, dumps = direct()
except (ImportError, AttributeError, TypeError, ValueError):
    loads, dumps = usual()
