"""Charts of block characters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio_tui.paint import Line, Piece

STEPS: Final = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float]) -> str:
    """Return one block for each value: the highest is full, and 0 is a blank."""
    top = max(values, default=0)
    if top <= 0:
        return " " * len(values)
    most = len(STEPS) - 1
    return "".join(STEPS[min(int(v / top * most), most)] if v > 0 else " " for v in values)


def bar(parts: Sequence[tuple[int, str, str]], total: int, width: int) -> Line:
    """Return a bar: parts of a total, each with a sign and a style; what is not 0 can be seen.

    Args:
        parts: Number, sign and style of each part; the last one fills what is left.
    """
    line: list[Piece] = []
    left = width
    for at, (count, sign, style) in enumerate(parts):
        rest = sum(1 for other, _, _ in parts[at + 1 :] if other)
        size = round(width * count / total) if total else 0
        size = max(size, 1) if count else 0
        size = left if at == len(parts) - 1 else max(min(size, left - rest), 0)
        line.append((sign * size, style))
        left -= size
    return line
