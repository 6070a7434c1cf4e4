"""Whatever an agent says, its head goes on, says so in words, and the job can be ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.hostile import Stranger, frame, message
from tests.chaos.places import wait_until_clean
from tests.runtime.garbage import RECORD

if TYPE_CHECKING:
    from pathlib import Path

HUGE = 10**30


def record(**changed: Any) -> list[Any]:
    """Return a result that is right but for the fields at these places: `_2=1` is the exit code."""
    values = list(RECORD)
    values[4] = values[5] = time.time()
    for at, value in changed.items():
        values[int(at[1:])] = value
    return values


NO_PROTOCOL: dict[str, bytes] = {
    "no JSON": frame(0, b"{{{{"),
    "a deep list": frame(0, b"[" * 200_000),
    "an unknown kind of frame": frame(9, b"?"),
    "short log": frame(1, b"abc"),
    "a time that is text": message("done", 1, [record(_4="x")]),
    "an exit code that is text": message("done", 1, [record(_2="x")]),
    "no number": message("done", 1, [record(_7=float("nan"))]),
    "a large exit code": message("done", 1, [record(_2=HUGE)]),
    "a task before the first": message("started", [[-1, 1, 1.0]]),
    "a short refusal": message("refused"),
}
"""What no agent says: the node is lost at once, and its words are about the protocol."""

ODD: dict[str, bytes] = {
    "an attempt to come": message("done", 1, [record(_1=7)]),
    "words that move the cursor": message(
        "done", 1, [record(_2=1, _12="\x1b[31mred\x1b]0;title\x07\x1b[2J\u202e evil\rFAKE")]
    ),
    "long last words": message("done", 1, [record(_2=1, _12="x" * 7_000_000)]),
    "a log that never was": message("done", 1, [record(_8=5, _9=10**12)]),
    "what was never asked back": message("returned", [[0, 1]]),
    "outputs that nobody asked for": message("fetched", 0, 1, 0, 5, 5),
    "trouble that moves the cursor": message("trouble", "\x1b[2J\x1b]0;pwn\x07 hello\nfake: line"),
    "a late refusal": message("refused", "because"),
    "a second hello": message("hello", {}),
    "much trouble": b"".join(message("trouble", f"no. {i}") for i in range(1000)),
}
"""What an agent might say, and does not now."""

GREETINGS: dict[str, bytes] = {
    "no JSON": frame(0, b"xx"),
    "null": frame(0, b"null"),
    "no facts": message("hello"),
    "a short refusal": message("refused"),
    "log before hello": frame(1, b"12345678abc"),
    "texts for numbers": message("hello", {"v": 2, "instance": "e", "cpus": "many", "memory": {}}),
}


def end(stranger: Stranger) -> None:
    """Cancel the job, and look at all that a person could see of it."""
    typed = stranger.user.type
    if stranger.led:
        assert typed("cancel", "-y", stranger.job).code == 0
    ended = typed("wait", stranger.job)
    seen = [ended, *(typed(verb, stranger.job) for verb in ("status", "explain", "logs"))]

    assert stranger.user.hung == []
    assert ended.code in (0, 1, 3, 4), ended.err
    assert [said.code for said in seen[1:]] == [0, 0, 0]
    words = "".join(said.out + said.err for said in seen)
    assert not {"\x1b", "\x07", "\u202e", "\r"}.intersection(words)
    assert "Traceback" not in words + stranger.head_log()
    assert wait_until_clean(stranger.place, stranger.job) == []


@pytest.mark.parametrize("name", NO_PROTOCOL)
def test_a_node_that_does_not_speak_the_protocol_is_lost_in_words(
    name: str, tmp_path: Path
) -> None:
    with Stranger(tmp_path) as stranger:
        stranger.greet()
        assert stranger.hears("hello")
        stranger.say(NO_PROTOCOL[name])
        assert not stranger.hears("what no head says")
        stranger.leave()
        ended = stranger.user.type("wait", stranger.job)

        assert ended.code == 3
        assert "protocol" in stranger.user.type("explain", stranger.job).out
        end(stranger)


@pytest.mark.parametrize("name", ODD)
def test_a_node_that_says_odd_things_harms_nobody(name: str, tmp_path: Path) -> None:
    with Stranger(tmp_path) as stranger:
        stranger.greet()
        assert stranger.hears("setup")
        stranger.say(ODD[name])
        stranger.say(message("pong", 1, {}))
        stranger.leave()
        end(stranger)


@pytest.mark.parametrize("name", GREETINGS)
def test_a_node_that_greets_wrongly_harms_nobody(name: str, tmp_path: Path) -> None:
    with Stranger(tmp_path) as stranger:
        stranger.say(GREETINGS[name])
        stranger.leave()
        end(stranger)
