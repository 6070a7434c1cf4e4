"""Pictures of a report: SVG for time, PNG for what each node did. No library draws them."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 720
HEIGHT: Final = 96

IDLE: Final = 0
FAILED: Final = 9
LEVELS: Final = 8
"""Shades between idle and all slots busy."""

PALETTE: Final = bytes.fromhex("eef1f4d3e2eeb6d0e698bddc7aa9d15d95c54580b5316b9f1f5788d1495b")
"""Colours by value: 0 idle, 1 to 8 busier, 9 an attempt failed there."""


def ended_svg(ended: Sequence[int], bad: Sequence[int], said: str) -> Markup:
    """Return bars of attempts that ended in equal parts of the time, those that failed on top.

    Args:
        said: Text for whoever cannot see it.
    """
    most = max((*ended, 1))
    step = WIDTH / max(len(ended), 1)
    bars = []
    for place, (number, failed) in enumerate(zip(ended, bad, strict=True)):
        for count, kind, base in ((number - failed, "ok", 0), (failed, "bad", number - failed)):
            if count > 0:
                tall, above = count / most * HEIGHT, base / most * HEIGHT
                where = f'x="{place * step:.1f}" y="{HEIGHT - above - tall:.1f}"'
                size = f'width="{max(step - 0.6, 0.6):.1f}" height="{tall:.1f}"'
                bars.append(f'<rect class="{kind}" {where} {size}/>')
    return Markup(
        '<svg class="ended" role="img" viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
        "<title>{said}</title>{bars}</svg>"
    ).format(width=WIDTH, height=HEIGHT, said=said, bars=Markup("".join(bars)))  # noqa: S704 - numbers


def lanes_png(rows: Sequence[bytes]) -> str:
    """Return rows of values (indices into PALETTE), all of one length, as a `data:` URL."""
    width = len(rows[0]) if rows else 1
    lines = b"".join(b"\0" + row for row in rows) or b"\0\0"
    header = struct.pack(">IIBBBBB", width, max(len(rows), 1), 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", PALETTE),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)
    return "data:image/png;base64," + b64encode(data).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
