"""Frames between head and agent, the head's side; see docs/design/agent.md.

A frame is `u32 length · u8 kind · body`, big endian; `length` counts kind and body.
"""

from __future__ import annotations

import json
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.ports import ByteReader

VERSION: Final = 3
"""Version of the protocol; an agent of another one refuses heads of this one."""

MESSAGES, LOG, OUTPUT = 0, 1, 2
"""Kinds of frame."""

LIMIT: Final = 8 << 20
"""Bytes in the longest frame."""

BATCH: Final = 2000
"""Most messages or tasks in one frame; keeps frames far below the limit."""

FRAME: Final = Struct(">IB")
"""Layout of length and kind, which stand before each body."""
OFFSET: Final = Struct(">Q")
ATTEMPT: Final = Struct(">II")


def pack(messages: Sequence[Sequence[Any]]) -> bytes:
    """Return one frame of kind MESSAGES that holds these messages."""
    # ASCII, so that words which are not UTF-8 (lone surrogates) arrive byte for byte.
    body = json.dumps(messages, separators=(",", ":")).encode()
    if len(body) >= LIMIT:
        raise ValueError(f"a frame of {len(body)} bytes is over the limit of {LIMIT}")
    return FRAME.pack(len(body) + 1, MESSAGES) + body


async def read(reader: ByteReader) -> tuple[int, bytes]:
    """Read the next frame; return its kind and body.

    Raises:
        asyncio.IncompleteReadError: the other side closed.
        ProtocolError: what comes is no frame.
    """
    length, kind = FRAME.unpack(await reader.readexactly(FRAME.size))
    if not 1 <= length <= LIMIT:
        raise ProtocolError(f"a frame of {length} bytes")
    if kind not in (MESSAGES, LOG, OUTPUT):
        raise ProtocolError(f"a frame of kind {kind}")
    return kind, await reader.readexactly(length - 1)


def messages(body: bytes) -> list[Any]:
    """Return the messages of a frame of kind MESSAGES.

    Raises:
        ProtocolError: it is no array.
    """
    try:
        parsed: list[Any] = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise ProtocolError(f"a frame that is no JSON ({err})") from err
    if not isinstance(parsed, list):
        raise ProtocolError("a frame that is no list of messages")
    return parsed


def log_chunk(body: bytes) -> tuple[int, memoryview]:
    """Return the offset in the spool, and the bytes there, of a frame of kind LOG.

    Raises:
        ProtocolError: it is too short.
    """
    if len(body) < OFFSET.size:
        raise ProtocolError(f"a frame of the log of {len(body)} bytes")
    return OFFSET.unpack_from(body)[0], memoryview(body)[OFFSET.size :]


def output_chunk(body: bytes) -> tuple[int, int, memoryview]:
    """Return task, attempt and tar bytes of a frame of kind OUTPUT.

    Raises:
        ProtocolError: it is too short.
    """
    if len(body) < ATTEMPT.size:
        raise ProtocolError(f"a frame of outputs of {len(body)} bytes")
    task, attempt = ATTEMPT.unpack_from(body)
    return task, attempt, memoryview(body)[ATTEMPT.size :]
