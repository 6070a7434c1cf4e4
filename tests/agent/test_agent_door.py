"""Whatever comes to the agent's door: it is answered in words, and the agent goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.agent.client import FRAME, Client, up

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 100
"""Of each example; so 10,000 in all, and the ci profile has more."""
HUGE = [10**30, -1, -(10**30), 2**31, 2**32, 2**63, 2**64, 1e308, -0.5, float("inf"), float("nan")]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [*HUGE, None, True, "", "x", "\0", "\ud800", [], {}, [[]], [None], {"a": []}]
)
VALUES = ODD | st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
SETUP: dict[str, Any] = {
    "argv": ["/bin/true"], "shell": False, "env": {"A": "b"}, "secrets": {"C": "d"}, "slots": 2,
    "cpus": 1, "pin": False, "memory": None, "gpus": 0, "grace": 1, "timeout": None, "lease": 60,
    "input_var": "X", "job_id": "j", "job_name": "n", "task_count": 3, "node_id": "0",
    "address": "a", "ready_workers": ["a"], "pipe_to_files": False, "files": False,
    "container": None, "python": "python3", "process_type": "worker", "scheduler_address": "a",
}  # fmt: skip
RIGHT: list[list[Any]] = [
    ["hello", {"v": 1, "job": "j", "epoch": 1}],
    ["setup", SETUP],
    ["start", [[0, 1, "0", None]]],
    ["members", {"all": True, "joined": [[0, "a"]], "left": [1], "scheduler": [0, "a"]}],
    ["stop", [[0, 1]], "cancelled"],
    ["recall", [[0, 1]]],
    ["ack", 0],
    ["pull", 0, 10],
    ["logged", 0],
    ["fetch", 9, 1, 0],
    ["discard", [[9, 1]]],
    ["ping", 1],
    ["image", "none"],
    ["prepare", "true", 1],
]
"""All but `bye`, which is obeyed."""
PLACES = st.lists(st.integers(0, 30), min_size=1, max_size=5)


def spoilt(message: Any, places: list[int], value: Any) -> Any:
    """The message with one thing in it, found by going down, replaced."""
    if not places or not isinstance(message, (list, dict)) or not message:
        return value
    if isinstance(message, dict):
        key = list(message)[places[0] % len(message)]
        return {**message, key: spoilt(message[key], places[1:], value)}
    at = places[0] % len(message)
    return [*message[:at], spoilt(message[at], places[1:], value), *message[at + 1 :]]


def _leads_away(message: Any) -> bool:
    """Whether it tells the agent to go, or that its head is gone at once."""
    if not isinstance(message, list) or not message:
        return False
    given_ = message[1] if len(message) > 1 and isinstance(message[1], dict) else {}
    lease, epoch = given_.get("lease"), given_.get("epoch")
    brief = isinstance(lease, (int, float)) and 0 < lease < 60
    takes_over = message[0] == "hello" and epoch != 1
    return message[0] == "bye" or brief or takes_over


MESSAGES = st.builds(spoilt, st.sampled_from(RIGHT), PLACES, VALUES).filter(
    lambda message: not _leads_away(message)
)
BODIES = (
    st.lists(MESSAGES, max_size=3).map(lambda some: json.dumps(some).encode())
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
)
RAW = st.builds(lambda body, kind: FRAME.pack(1 + len(body), kind) + body, BODIES, st.just(0))
RAW |= st.builds(
    lambda body, kind: FRAME.pack(1 + len(body), kind) + body, BODIES, st.integers(0, 255)
)
RAW |= st.binary(min_size=1, max_size=40)


def thrown(home: Path, frames: list[bytes]) -> None:
    """Each frame on a connection of its own, greeted or not; then the agent must answer."""
    for number, frame in enumerate(frames):
        with Client(home) as stranger:
            if number % 4:
                stranger.send(RIGHT[0])
            try:
                stranger.sock.sendall(frame)
                stranger.sock.shutdown(1)
                assert stranger.closed()
            except (BrokenPipeError, ConnectionResetError):
                pass
    with Client(home) as head:
        head.hello()
        head.sync()


@pytest.mark.parametrize("message", RIGHT[1:], ids=[message[0] for message in RIGHT[1:]])
def test_a_message_whose_numbers_are_out_of_bounds_is_refused_in_words(
    home: Path, message: list[Any]
) -> None:
    up(home)
    wrong = [
        spoilt(message, [at, inner, 0], value)
        for value in (*HUGE, [], {})
        for at in range(1, len(message))
        for inner in range(3)
    ]
    thrown(home, [json_frame(one) for one in wrong if not _leads_away(one)])


def json_frame(*messages: Any) -> bytes:
    body = json.dumps(messages).encode()
    return FRAME.pack(1 + len(body), 0) + body


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (["fetch", 10**30, 1], "is no whole number from 0 to"),
        (["pull", -1, 5], "is no whole number from 0 to"),
        (["setup", {**SETUP, "memory": "much"}], "'much' is no whole number"),
        (["setup", {**SETUP, "lease": float("nan")}], "NaN is not a number"),
        (["setup", {**SETUP, "container": "image"}], "'image' is no table"),
        ([["a"], 1], None),
    ],
)
def test_it_says_what_was_wrong(head: Client, message: list[Any], words: str | None) -> None:
    head.send(message)
    if words:
        assert words in head.wait("refused")[1]
        assert head.closed()
    else:
        assert "unknown message ['a']" in head.wait("trouble")[1]


SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@settings(suppress_health_check=SLOW)
@given(st.lists(RAW, min_size=FRAMES, max_size=FRAMES))
@example([json_frame(["setup", {"lease": 1e999}]), json_frame([["hello"], 1])])
def test_no_frame_ends_the_agent(home: Path, frames: list[bytes]) -> None:
    if not home.exists():
        up(home)
    thrown(home, frames)
