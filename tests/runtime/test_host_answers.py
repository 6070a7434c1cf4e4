"""What a host answers to the start of an agent is an address, or the host is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from batchio.errors import NodeError
from batchio.ports import Completed
from batchio.runtime.bootstrap import LONGEST_PATH, PYTHONS, bootstrap
from tests.damage import SEEDS, changed, damaged, dices
from tests.effort import examples

TRUE = {"v": 2, "instance": "a1", "pid": 7, "socket": "/var/tmp/batchio-0/job.0/s"}


class Host:
    """A host that gives these answers, one after another, and the last one for ever."""

    where = "gpu1"
    python = ""
    work = ""
    local = False

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def run(self, *_: object, **__: object) -> Completed:
        self.asked += 1
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Completed(0, said, b"what it says on stderr\n")


def answer(said: bytes, python: str = PYTHONS[0]) -> bytes:
    return f"\n@batchio {python}\n@batchio agent ".encode() + said + b"\n"


def ask(host: Any) -> Any:
    """The address; this host waits for nothing, so no loop is needed."""
    try:
        bootstrap(host, home_name="job.0").send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def test_a_true_answer_is_the_address() -> None:
    found = ask(Host(b"Welcome!\n" + answer(json.dumps(TRUE).encode())))

    assert (found.socket, found.instance, found.pid) == (TRUE["socket"], "a1", 7)
    assert (found.python, found.home) == (PYTHONS[0], "/var/tmp/batchio-0/job.0")


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{", b"7", b"[]", b"null", b"{}", b"[" * 100_000, b"9" * 5000,
        *(json.dumps({**TRUE, name: odd}).encode() for name, odd in [
            ("socket", 7), ("socket", "s"), ("socket", "/a\0b"), ("socket", "/" * 9999),
            ("instance", None), ("pid", "7"), ("pid", -1), ("pid", 1e300),
        ]),
    ],
    ids=lambda said: ascii(said[:40]),
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_said_with_the_host(said: bytes) -> None:
    with pytest.raises(NodeError, match="the agent") as caught:
        ask(Host(answer(said)))
    assert "gpu1" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_python_that_nobody_asked_for_is_not_believed() -> None:
    with pytest.raises(NodeError, match="answered by what is none: '/tmp/mine'"):
        ask(Host(answer(json.dumps(TRUE).encode(), "/tmp/mine")))


def test_a_host_that_asks_for_the_text_for_ever_is_asked_only_so_often() -> None:
    host = Host(f"\n@batchio {PYTHONS[0]}\n@batchio other\n".encode())

    with pytest.raises(NodeError):
        ask(host)
    assert host.asked <= len(PYTHONS) + 1


@examples(50)
@given(seed=SEEDS)
def test_whatever_a_host_answers_is_an_address_or_an_error_in_our_words(seed: int) -> None:
    for dice in dices(seed):
        said = answer(json.dumps(changed(dice, TRUE)).encode("utf-8", "replace"))
        try:
            found = ask(Host(damaged(dice, said) if dice.randrange(2) else said))
        except NodeError as err:
            assert "gpu1" in str(err)  # noqa: PT017
        else:
            assert found.socket.startswith("/")
            assert "\0" not in found.socket
            assert len(found.socket) <= LONGEST_PATH
            assert found.pid >= 0
            assert found.python in PYTHONS
