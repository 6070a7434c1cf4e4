"""What every job's store must do, whatever it is kept in. The journal: test_journal.py."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from batchio.errors import NoSuchJob, WorkspaceError
from batchio.ports import Holder
from tests.contracts.store_kinds import AnyWorkspace, workspace
from tests.effort import examples
from tests.making import make

if TYPE_CHECKING:
    from batchio.ports import JobStore

__all__ = ["workspace"]

FIRST = ['["first"]']
A, B = "2b7l9lg7dl", "2b7l9lhbbb"


@pytest.fixture
def store(workspace: AnyWorkspace) -> JobStore:
    return workspace.job(make(workspace, A, FIRST))


@pytest.fixture
def missing(workspace: AnyWorkspace) -> JobStore:
    make(workspace, A, FIRST)
    return workspace.job(B)


def test_a_job_that_is_not_there_is_said_so(missing: JobStore) -> None:
    for verb in (missing.reader, missing.lead, missing.inputs):
        with pytest.raises(NoSuchJob):
            verb()
    with pytest.raises(WorkspaceError):
        missing.ask({"kind": "cancel"})
    missing.show("loads", {"1": 1})
    missing.say_last_words("why")

    assert (missing.name(), missing.leader(), missing.asked()) == ("", None, [])
    assert (missing.shown("loads"), missing.last_words(), missing.head_words()) == ({}, None, "")


# --- the head ------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["local", "inline"])
async def test_who_leads_is_told_without_taking_the_lease(store: JobStore, kind: str) -> None:
    assert store.leader() is None

    journal = store.lead(kind)
    for _ in range(2):
        holder = store.leader()
        assert holder is not None
        assert holder.left >= 0.0
        assert holder._replace(left=0.0) == Holder(os.getpid(), os.uname().nodename, kind)
    await journal.append(["held all the same"])

    await journal.close()
    assert store.leader() is None


def test_a_job_has_a_secret_of_its_own_that_stays_the_same(
    workspace: AnyWorkspace, store: JobStore
) -> None:
    seed = store.seed()

    assert len(seed) == 32
    assert workspace.job(A).seed() == store.seed() == seed
    assert workspace.job(make(workspace, B, FIRST)).seed() != seed


@pytest.mark.asyncio
async def test_last_words_stand_until_the_next_head_takes_over(store: JobStore) -> None:
    assert store.last_words() is None
    store.say_last_words("the disk is full\nmake room")
    assert store.last_words() == "the disk is full\nmake room"

    await store.lead().close()

    assert store.last_words() is None


def test_what_a_head_writes_to_its_stderr_is_read(store: JobStore) -> None:
    assert store.head_words() == ""
    with store.head_log().open("a") as log:
        log.write("odd\n")

    assert store.head_words() == "odd\n"


# --- requests ------------------------------------------------------------------------


def test_requests_are_read_in_the_order_in_which_they_were_left(store: JobStore) -> None:
    left = [{"kind": "cancel", "tasks": [n], "why": "naïve"} for n in range(20)]
    for request in left:
        store.ask(request)

    assert [request for _, request in store.asked()] == left


def test_a_request_is_there_until_it_is_answered(store: JobStore) -> None:
    assert store.asked() == []
    name, other = store.ask({"kind": "retry"}), store.ask({"kind": "cancel"})
    assert (
        store.asked() == store.asked() == [(name, {"kind": "retry"}), (other, {"kind": "cancel"})]
    )

    store.answered(name)
    store.answered(name)

    assert store.asked() == [(other, {"kind": "cancel"})]


@pytest.mark.asyncio
async def test_a_request_waits_for_the_next_head(store: JobStore) -> None:
    await store.lead().close()
    name = store.ask({"kind": "retry"})
    await store.lead().close()

    assert store.asked() == [(name, {"kind": "retry"})]


# --- what travels --------------------------------------------------------------------


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.binary(max_size=6), min_size=1, max_size=20))
def test_inputs_are_read_back_by_position(workspace: AnyWorkspace, values: list[bytes]) -> None:
    with workspace.draft(0.0) as draft:
        assert draft.put_inputs(iter(values), "a list") == len(values)
        draft.commit(FIRST)

    inputs = workspace.job(draft.id).inputs()
    assert inputs.count == len(values)
    assert [inputs.raw(n) for n in range(inputs.count)] == values
    assert [os.fsencode(inputs.value(n)) for n in range(inputs.count)] == values
    for outside in (-1, len(values)):
        with pytest.raises(IndexError, match=f"input {outside} of {len(values)}"):
            inputs.raw(outside)
    inputs.close()
    inputs.close()


def test_a_record_is_read_as_its_variables(workspace: AnyWorkspace) -> None:
    store = workspace.job(make(workspace, A, FIRST, inputs=['{"A":"ä"}'.encode(), b"{}"]))

    inputs = store.inputs()
    assert [inputs.record(0), inputs.record(1)] == [{"A": "ä"}, {}]
    inputs.close()


def test_a_job_without_inputs_says_so(store: JobStore) -> None:
    with pytest.raises(NoSuchJob, match="there are no inputs in"):
        store.inputs()


# --- bytes of nodes ------------------------------------------------------------------


@pytest.mark.asyncio
async def test_log_bytes_go_on_where_they_stopped_and_overlaps_are_skipped(store: JobStore) -> None:
    sink = store.log_sink(3, local=False)
    assert (sink.spool, sink.size()) == (None, 0)
    await sink.write(0, memoryview(b"abc"))
    await sink.write(1, memoryview(b"bcde"))
    await sink.write(0, memoryview(b"ab"))
    await sink.write(9, memoryview(b"a gap is not the next"))

    assert sink.size() == 5
    assert store.log_sink(3, local=False).size() == 5
    assert store.log_sink(4, local=False).size() == 0


def test_the_agent_of_this_computer_gets_a_folder_to_write_to(store: JobStore) -> None:
    spool = store.log_sink(3, local=True).spool

    assert spool is not None
    assert os.path.isdir(spool)


# --- onlookers -----------------------------------------------------------------------


def test_what_was_shown_last_is_seen_topic_by_topic(store: JobStore) -> None:
    assert store.shown("loads") == {}
    store.show("loads", {"1": {"load": 0.5}})
    store.show("preparing", {"1": [1, 2]})
    store.show("loads", {"2": {"load": 0.7}})

    assert store.shown("loads") == {"2": {"load": 0.7}}
    assert store.shown("preparing") == {"1": [1, 2]}


def test_every_store_says_how_often_looking_is_reasonable(store: JobStore) -> None:
    soon, late = store.pace.news

    assert 0 < soon <= late
    assert store.pace.requests > 0
    assert store.pace.leader > 0
    assert store.pace.shown >= 0
