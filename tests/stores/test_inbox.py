"""Requests to a head arrive whole, in order, and also when no head lives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from batchio.errors import WorkspaceError
from batchio.stores.inbox import Inbox

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def test_requests_are_read_in_the_order_in_which_they_were_posted(inbox: Inbox) -> None:
    posted = [{"kind": "cancel", "tasks": [n], "why": "naïve"} for n in range(20)]
    for request in posted:
        inbox.post(request)

    assert [request for _, request in inbox.requests()] == posted


def test_a_request_is_there_until_it_is_dropped(inbox: Inbox) -> None:
    name = inbox.post({"kind": "retry"})
    assert inbox.requests() == inbox.requests() == [(name, {"kind": "retry"})]

    inbox.drop(name)
    inbox.drop(name)

    assert inbox.requests() == []


def test_a_request_that_is_being_written_is_not_seen(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / ".00000000000000000001-aaaaaaaa.json").write_text('{"kind": "can')

    assert inbox.requests() == []


@pytest.mark.parametrize("content", [b"{", b"", b"[1]", b"\xff\xfe"])
def test_what_is_no_request_is_set_aside_and_named(
    inbox: Inbox, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1.json").write_bytes(content)
    name = inbox.post({"kind": "cancel"})

    with caplog.at_level(logging.WARNING):
        assert inbox.requests() == [(name, {"kind": "cancel"})]

    assert caplog.messages == [f"not a request, set aside: {tmp_path}/unreadable/1.json"]
    assert (tmp_path / "unreadable" / "1.json").read_bytes() == content
    assert inbox.requests() == [(name, {"kind": "cancel"})]


def test_an_inbox_that_is_not_there_holds_nothing_and_takes_nothing(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "gone")

    assert inbox.requests() == []
    with pytest.raises(WorkspaceError, match=r"cannot use .*gone"):
        inbox.post({})
