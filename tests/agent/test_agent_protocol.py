"""The page of the protocol, the head's types and what the agent says name the same fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchio.core.reports import Ended, Facts
from batchio.runtime import agent_messages as messages
from batchio.runtime import frames, head_messages
from tests.house.source import ROOT

if TYPE_CHECKING:
    from tests.agent.client import Client

PAGE = (ROOT / "docs" / "design" / "agent.md").read_text()
ADDED = {"socket", "ahead"}
"""What the head adds to a hello."""


def table(title: str) -> list[str]:
    """The fields of the table below this title."""
    rows = PAGE.partition(title)[2].partition("| --- | --- |\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in rows.splitlines()]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_the_setup_that_heads_send_has_the_fields_of_the_page() -> None:
    assert table("`setup` fields") == list(head_messages.Setup.__annotations__)


def test_the_members_that_heads_send_have_the_fields_of_the_page() -> None:
    assert table("`members` fields") == list(head_messages.Members.__annotations__)


def test_a_hello_has_the_fields_of_the_page(head: Client) -> None:
    said = head.hello()
    named = table("`hello` fields")

    assert set(said) == set(named)
    assert {*named, *ADDED} == set(Facts.__annotations__)


def test_a_record_has_the_fields_of_the_page(head: Client) -> None:
    head.setup("/bin/true")
    head.start(0)
    _, _, [record] = head.wait("done")
    listed = re.search(r"A `record` is `\[([\w, ]+)\]`", PAGE)

    assert listed is not None
    assert listed[1].split(", ") == list(Ended._fields)
    assert len(record) == len(Ended._fields)


def test_what_an_agent_says_is_what_a_head_can_hear(head: Client) -> None:
    said = re.findall(r'^\| `\["(\w+)"', PAGE.partition("## Agent to head")[2], re.MULTILINE)

    assert sorted(said) == sorted(messages._READERS)


def test_head_and_agent_speak_one_version(head: Client) -> None:
    assert head.hello()["v"] == frames.VERSION
