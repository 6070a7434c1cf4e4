"""What a node may send that no agent of ours sends: once a frame each, by name."""

from __future__ import annotations

import json
from typing import Any, Final

from batchio.runtime import frames
from tests.damage import ODD

RECORD: Final[list[Any]] = [0, 1, 0, "", 1.0, 2.0, 4096, 0.5, 0, 9, 0, 0, ""]
FIELDS: Final = (
    "task", "attempt", "exit", "reason", "started", "ended", "rss", "cpu", "log_from", "log_to",
    "files", "bytes", "tail",
)  # fmt: skip

_FITS: Final[dict[str, tuple[Any, ...]]] = {
    "exit": (-1,),
    "reason": ("x",),
    "started": (0.5,),
    "ended": (0.5,),
    "cpu": (0.5,),
    "tail": ("x",),
}


def frame(kind: int, body: bytes) -> bytes:
    return frames.FRAME.pack(len(body) + 1, kind) + body


def message(*said: Any) -> bytes:
    return frame(frames.MESSAGES, json.dumps([said]).encode())


def bad_records() -> list[list[Any]]:
    """Records of which one value is none that its field can have."""
    found = [RECORD[:-1], [*RECORD, 0]]
    for at, name in enumerate(FIELDS):
        fits = _FITS.get(name, ())
        for odd in ODD:
            if not any(odd is fit or (odd == fit and type(odd) is type(fit)) for fit in fits):
                found.append([*RECORD[:at], odd, *RECORD[at + 1 :]])
    return [*found, [5_000, *RECORD[1:]], [0, 0, *RECORD[2:]], [0, 70_000, *RECORD[2:]]]


BAD_MESSAGES: Final[list[Any]] = [
    None, 7, "done", [], {}, [None], [["done"]], [{}], [7, 7],
    ["done"], ["done", 1], ["done", "x", []], ["done", 0, []], ["done", 10**30, []],
    ["done", 1, 7], ["done", 1, [7]], ["done", 1, {"a": 1}],
    ["started", 7], ["started", [[1, 2]]], ["started", [[0, 1, "soon"]]],
    ["started", [[-1, 1, 1.0]]], ["started", [[0, 1, float("nan")]]],
    ["started", [["0", 1, 1.0]]], ["started", [[10**9, 1, 1.0]]],
    ["returned", [[0]]], ["returned", [[0, "1"]]], ["returned", "0"], ["returned", [[0.0, 1]]],
    ["fetched", 1, 2], ["fetched", 0, 1, 0, -5, 5], ["fetched", 0, 1, 0, 5, 1 << 40],
    ["pong", 1], ["pong", 1, 7], ["pong", 1, {"load": "high"}], ["pong", 1, {"load": float("inf")}],
    ["trouble"], ["trouble", 7], ["bye", 7], ["refused", None], ["prepared", "x", ""],
    ["prepared", 0.5, ""], ["prepared", 0, None], ["imaged", "x", 1, ""], ["imaged", 7, True, ""],
    ["hello"], ["hello", {}], ["hello", None], ["hello", ["instance"]], ["hello", {"instance": 7}],
    *(["hello", {"instance": "i", name: odd}] for name, odd in [
        ("cpus", "many"), ("cpus", float("nan")), ("cpus", -1), ("memory", {}), ("memory", 10**30),
        ("spool", "x"), ("spool", -1), ("unacked", None), ("time", float("inf")), ("time", "now"),
        ("engines", "docker"), ("engines", [7]), ("limits", 7), ("limits", {"memory": 7}),
        ("hostname", 7), ("v", "2"), ("gpus", 10**9), ("arch", 7), ("boot_id", []),
        ("executable", None),
    ]),
]  # fmt: skip

BAD_FRAMES: Final[dict[str, bytes]] = {
    "of no length": frames.FRAME.pack(0, 0),
    "longer than any": frames.FRAME.pack(frames.LIMIT + 1, 0),
    "of HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "of SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "of an unknown kind": frame(9, b"hello"),
    "that is empty": frame(frames.MESSAGES, b""),
    "that is no JSON": frame(frames.MESSAGES, b"{{{{"),
    "that is no UTF-8": frame(frames.MESSAGES, b'["\xff"]'),
    "that is an object": frame(frames.MESSAGES, b"{}"),
    "that is a number": frame(frames.MESSAGES, b"3"),
    "of numbers": frame(frames.MESSAGES, b"[5, null]"),
    "that is deep": frame(frames.MESSAGES, b"[" * 200_000),
    "of a number of 5000 digits": frame(frames.MESSAGES, b'[["pong",' + b"9" * 5000 + b",{}]]"),
    "of the log, too short": frame(frames.LOG, b"abc"),
    "of outputs, too short": frame(frames.OUTPUT, b"abc"),
}
