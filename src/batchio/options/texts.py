"""Texts that can be given to programs: bytes of UTF-8, and no NUL among them."""

from __future__ import annotations


def unpassable(text: str) -> str | None:
    """Return why no program can be given this text, or None.

    Names of files that are no UTF-8 are given back byte for byte, as Python has them
    (U+DC80 to U+DCFF); other halves of surrogate pairs have no bytes.
    """
    if "\0" in text:
        return "a NUL byte, which cannot be passed to a program"
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as err:
        return f"an incomplete character ({text[err.start]!a}), which cannot be written as UTF-8"
    return None
