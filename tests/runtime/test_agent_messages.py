"""What an agent says has names behind one door, and what no agent can say stops there."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from batchio.core import events as ev
from batchio.core.reports import Ended, Facts
from batchio.errors import ProtocolError
from batchio.runtime import agent_messages as messages
from batchio.runtime import frames
from tests.damage import SEEDS, anything, changed, damaged, dices
from tests.runtime.garbage import (
    BAD_FRAMES,
    BAD_MESSAGES,
    FIELDS,
    RECORD,
    bad_records,
    frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TASKS = 1000

TRUE_MESSAGES: list[list[Any]] = [
    ["hello", {"v": 2, "instance": "a1", "cpus": 2, "limits": {"memory": True}, "time": 1.5}],
    ["refused", "no"],
    ["prepared", -9, "said"],
    ["imaged", "img", True, ""],
    ["started", [[0, 1, 1.0], [1, 2, 3.5]]],
    ["done", 3, [RECORD, [7, 2, -9, "oom", 1.0, 2.0, 0, 0.0, 9, 9, 2, 10, "killed"]]],
    ["returned", [[0, 1], [4, 1]]],
    ["fetched", 0, 1, 2, 1024, 0xFFFFFFFF],
    ["pong", 4, {"load": 0.5, "running": 1, "queued": 0, "disk_free": 10**12, "spool": 0}],
    ["trouble", "the disk is full", None],
    ["trouble", "the disk is full", True],
    ["trouble", "there is room", False],
    ["bye", ""],
]


def test_a_result_has_names() -> None:
    said = messages.read(["done", 3, [RECORD]], TASKS)

    assert said == messages.Done(3, [Ended(*RECORD)])
    assert isinstance(said, messages.Done)
    assert (said.records[0].log_to, said.records[0].rss) == (9, 4096)


@pytest.mark.parametrize("said", TRUE_MESSAGES, ids=lambda said: said[0])
def test_what_agents_say_passes_the_door_unchanged(said: list[Any]) -> None:
    heard: Any = messages.read(said, TASKS)

    assert type(heard).__name__.lower() == said[0]
    assert json.loads(json.dumps(heard)) == json.loads(json.dumps(said[1:]))


def test_what_only_a_newer_one_says_is_passed_over_word_by_word() -> None:
    assert messages.read(["weather", "fine", 3], TASKS) is None
    heard = messages.read(["hello", {"instance": "a", "weather": "fine"}], TASKS)
    assert heard == messages.Hello({"instance": "a"})
    assert messages.read(["pong", 1, {"mood": "good"}], TASKS) == messages.Pong(1, {})


@pytest.mark.parametrize("said", BAD_MESSAGES, ids=ascii)
def test_what_no_agent_can_say_stops_at_the_door(said: Any) -> None:
    with pytest.raises(ProtocolError, match=r"its agent does not speak our protocol: ."):
        messages.read(said, TASKS)


@pytest.mark.parametrize("record", bad_records(), ids=ascii)
def test_a_record_with_one_value_that_cannot_be_stops_at_the_door(record: list[Any]) -> None:
    with pytest.raises(ProtocolError):
        messages.read(["done", 1, [record]], TASKS)


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_frame_that_is_none_stops_at_the_door(name: str) -> None:
    with pytest.raises(ProtocolError, match=r"a frame|not a list"):
        hear(BAD_FRAMES[name] + b"\0" * 64)


def test_texts_are_cut_and_a_refusal_of_them_is_short() -> None:
    heard = messages.read(["trouble", "x" * 7_000_000], TASKS)
    assert isinstance(heard, messages.Trouble)
    assert len(heard.text) == messages.LONG
    with pytest.raises(ProtocolError) as caught:
        messages.read(["done", "x" * 7_000_000, []], TASKS)
    assert len(str(caught.value)) < 1000


# --- whatever comes ----------------------------------------------------------


class Stream:
    """A stream that has ended; implements `ports.ByteReader`, and waits for nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, n: int) -> bytes:
        data, self._data = self._data[:n], self._data[n:]
        return data

    async def readexactly(self, n: int) -> bytes:
        data = await self.read(n)
        if len(data) < n:
            raise asyncio.IncompleteReadError(data, n)
        return data


def hear(data: bytes) -> list[Any]:
    """Hear all frames of a stream; returns what passed the doors."""
    found: list[Any] = []

    async def heard() -> None:
        stream = Stream(data)
        while True:
            kind, body = await frames.read(stream)
            if kind == frames.MESSAGES:
                found.extend(messages.read(said, TASKS) for said in frames.messages(body))
            elif kind == frames.LOG:
                frames.log_chunk(body)
            else:
                frames.output_chunk(body)

    with pytest.raises(asyncio.IncompleteReadError):
        heard().send(None)
    return found


def usable(heard: Any) -> bool:
    """Whether the machine, the journal and people can take it: as events go there and back."""
    match heard:
        case messages.Done(seq, records):
            event: ev.Event = ev.TasksFinished(1.0, 0, seq, records)
            assert all(0 <= r.task < TASKS and 1 <= r.attempt <= 0xFFFF for r in records)
            assert all(r.log_from <= r.log_to and -64 <= r.exit <= 255 for r in records)
        case messages.Started(tasks):
            event = ev.TasksStarted(1.0, 0, [list(row) for row in tasks])
        case messages.Returned(pairs):
            event = ev.TasksReturned(1.0, 0, pairs)
        case messages.Hello(facts):
            event = ev.NodeGreeted(1.0, 0, 1, facts)
        case _:
            json.dumps(heard, allow_nan=False)
            return True
    body = ev.encode(event)
    json.loads(body, parse_constant=lambda name: pytest.fail(name))
    return ev.encode(ev.decode(body)) == body


TAGS = [said[0] for said in TRUE_MESSAGES]


def passes(read: Callable[[], Iterable[Any]]) -> int:
    """How many messages pass; each can be used, and the rest is refused in our words."""
    try:
        heard = list(read())
    except ProtocolError:
        return 0
    return sum(map(usable, heard))


@given(SEEDS)
def test_whatever_is_said_is_refused_in_our_words_or_can_be_used(seed: int) -> None:
    for dice in dices(seed):
        said = anything(dice, TAGS)
        passes(lambda said=said: [messages.read(said, TASKS)])  # type: ignore[misc]


@given(SEEDS)
def test_a_true_message_with_a_word_changed_is_refused_or_can_be_used(seed: int) -> None:
    for dice in dices(seed):
        said = changed(dice, dice.choice(TRUE_MESSAGES), TAGS)
        passes(lambda said=said: [messages.read(said, TASKS)])  # type: ignore[misc]


@given(SEEDS)
def test_a_true_frame_with_some_bytes_changed_is_refused_or_can_be_used(seed: int) -> None:
    for dice in dices(seed):
        true = frame(frames.MESSAGES, json.dumps([dice.choice(TRUE_MESSAGES)]).encode())
        data = damaged(dice, true)
        passes(lambda data=data: hear(data))  # type: ignore[misc]


def test_every_field_of_a_record_is_tried() -> None:
    assert Ended._fields == FIELDS


def test_every_fact_of_a_hello_has_a_check() -> None:
    assert messages._FACTS.keys() == Facts.__annotations__.keys() - {"socket", "ahead"}
