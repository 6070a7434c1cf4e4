"""Log bytes in a bucket: their keys, their objects, and which bytes lie where.

    jobs/<job>/live/<number>           what all nodes printed since the object before; 10 digits
    jobs/<job>/logs/<first>-<last>     what the live objects of these numbers held

Both are packs: a line of JSON, then pieces of the logs of nodes, one behind the other. A piece
begins with a whole record, and pieces of a node follow each other. The line names their nodes,
offsets and sizes, and the agent whose spool a node's bytes are of. Objects for each node alone
would cost a hundred times as many requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.checks import integer, text
from batchio.stores.summed_line import read_line, write_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LAYOUT: Final = 1
"""Version of the packs."""


class Piece(NamedTuple):
    """Bytes of the log of one node, from an offset on."""

    node: int
    offset: int
    data: bytes


class Origin(NamedTuple):
    """The agent whose spool the log of a node is of, and what is added to offsets there."""

    instance: str
    shift: int


class Place(NamedTuple):
    """The place of a piece: offset and size in the log of its node, and where in its object."""

    node: int
    offset: int
    size: int
    at: int


class Contents(NamedTuple):
    """What a pack says of itself."""

    places: list[Place]
    origins: dict[int, Origin]


def live_key(job: str, number: int) -> str:
    """Return the key of a live object."""
    return f"jobs/{job}/live/{number:010d}"


def sealed_key(job: str, first: int, last: int) -> str:
    """Return the key of the object that holds what live objects of these numbers held."""
    return f"jobs/{job}/logs/{first:010d}-{last:010d}"


def numbers(key: str) -> tuple[int, int] | None:
    """Return the first and the last number of a sealed object; None: it is another's."""
    first, dash, last = key.rpartition("/")[2].partition("-")
    fits = dash and first.isdecimal() and last.isdecimal() and len(first) == len(last) == 10
    return (int(first), int(last)) if fits else None


def pack(pieces: Sequence[Piece], origins: Mapping[int, Origin]) -> bytes:
    """Return the bytes of a pack."""
    known = {node: origins[node] for node, _, _ in pieces if node in origins}
    header = {
        "v": LAYOUT,
        "pieces": [[piece.node, piece.offset, len(piece.data)] for piece in pieces],
        "origins": {str(node): list(origin) for node, origin in known.items()},
    }
    return write_line(header) + b"".join(piece.data for piece in pieces)


def contents(data: bytes) -> Contents | None:
    """Return what a pack holds, of which this is the beginning; None: its line is longer.

    Raises:
        ValueError: it is damaged, or another version of batchio wrote it.
    """
    line, newline, _ = data.partition(b"\n")
    if not newline:
        return None
    header = read_line(line)
    if header.get("v") != LAYOUT:
        raise ValueError(f"it is in layout {header.get('v')}; this batchio reads {LAYOUT}")
    places, at = [], len(line) + 1
    try:
        for node, offset, size in header["pieces"]:
            places.append(Place(integer(node), integer(offset), integer(size), at))
            at += size
        origins = {
            integer(int(node)): Origin(text(instance), integer(shift))
            for node, (instance, shift) in header["origins"].items()
        }
    except (LookupError, TypeError, AttributeError) as err:
        raise ValueError(f"its first line makes no sense: {err}") from None
    return Contents(places, origins)


def merged(packs: Iterable[bytes]) -> bytes:
    """Return one pack of what these hold, in the order in which they were written.

    Pieces of a node that follow each other become one. Damaged packs are left out.
    """
    runs: dict[int, list[tuple[int, bytearray]]] = {}
    origins: dict[int, Origin] = {}
    for data in packs:
        try:
            found = contents(data)
        except ValueError:
            continue
        if found is None:  # cut short
            continue
        origins |= found.origins
        for node, offset, size, at in found.places:
            body, known = data[at : at + size], runs.setdefault(node, [])
            if known and known[-1][0] + len(known[-1][1]) == offset:
                known[-1][1].extend(body)
            else:
                known.append((offset, bytearray(body)))
    pieces = [
        Piece(node, offset, bytes(body)) for node in sorted(runs) for offset, body in runs[node]
    ]
    return pack(pieces, origins)
