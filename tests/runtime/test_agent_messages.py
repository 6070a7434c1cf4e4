"""What an agent says has names behind one door, and what no agent can say stops there."""

from __future__ import annotations

from typing import Any

import pytest

from batchio.core.reports import Ended
from batchio.errors import Unreachable
from batchio.runtime import agent_messages as messages
from batchio.runtime import frames

RECORD: list[Any] = [0, 1, 0, "", 1.0, 2.0, 4096, 0.5, 0, 9, 0, 0, ""]


def test_a_result_has_names() -> None:
    said = messages.read(["done", 3, [RECORD]])

    assert said == messages.Done(3, [Ended(*RECORD)])
    assert isinstance(said, messages.Done)
    assert (said.records[0].log_to, said.records[0].rss) == (9, 4096)


def test_what_only_a_newer_agent_says_is_passed_over() -> None:
    assert messages.read(["weather", "fine", 3]) is None


@pytest.mark.parametrize(
    "said",
    [
        [],
        None,
        7,
        [["done"]],
        ["done"],
        ["done", 1, [RECORD[:-1]]],
        ["done", 1, [[*RECORD, 0]]],
        ["done", "x", []],
        ["done", 1, 7],
        ["started", [[1, 2]]],
        ["started", [[1, 2, "soon"]]],
        ["hello"],
        ["hello", {}],
        ["hello", ["instance"]],
        ["fetched", 1, 2],
        ["pong", 1],
    ],
)
def test_what_no_agent_can_say_breaks_the_connection_and_not_the_head(said: Any) -> None:
    with pytest.raises(Unreachable, match="says what none can say"):
        messages.read(said)


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", b"3", b"[" * 100_000])
def test_a_frame_that_holds_no_messages_breaks_the_connection_and_not_the_head(
    body: bytes,
) -> None:
    with pytest.raises(Unreachable, match="its agent sends what is no"):
        frames.messages(body)
