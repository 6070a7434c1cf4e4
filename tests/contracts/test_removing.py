"""Jobs are removed when they are done, and never what they still hold; in any workspace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from batchio.core import events as ev
from batchio.core.cards import Removed
from batchio.errors import NoSuchJob, UsageError
from batchio.runtime.removing import prune, remove
from batchio.testing import FakeClock
from tests.contracts.store_kinds import AnyWorkspace, workspace
from tests.core.machines import spec
from tests.core.stories import T0, Story, mixed
from tests.making import make

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["workspace"]

A, B, C, D = "2b7l9lg7dl", "2b7l9lhbbb", "2b7m222222", "2b7m222244"


def keep(workspace: AnyWorkspace, job: str, events: Sequence[ev.Event], name: str = "") -> str:
    return make(workspace, job, [ev.encode(event) for event in events], name=name)


def done(job: str, at: float) -> list[ev.Event]:
    story = mixed(job).close()
    closed = next(event for event in story.events if isinstance(event, ev.JobClosed))
    closed.at = at
    return story.events


def test_a_done_job_is_removed_and_said_with_its_room(workspace: AnyWorkspace) -> None:
    keep(workspace, A, done(A, 1000.0), name="train")
    outputs = workspace.job(A).outputs()
    outputs.mkdir(parents=True, exist_ok=True)
    (outputs / "model").write_bytes(b"x" * 100_000)

    removed = remove(workspace, A, FakeClock())

    assert (removed.id, removed.name, removed.finished) == (A, "train", 1000.0)
    assert 100_000 <= removed.bytes < 300_000
    assert workspace.jobs() == []
    assert not outputs.exists()
    with pytest.raises(NoSuchJob):
        remove(workspace, A, FakeClock())


@pytest.mark.asyncio
async def test_a_running_job_is_refused_by_name(workspace: AnyWorkspace) -> None:
    keep(workspace, A, mixed(A).events)
    journal = workspace.job(A).lead()

    with pytest.raises(UsageError, match=f"^job {A} is running$") as err:
        remove(workspace, A, FakeClock())

    assert err.value.hint == f"cancel it first: batchio cancel {A}"
    assert workspace.jobs() == [A]
    await journal.close()


@pytest.mark.asyncio
async def test_a_done_job_whose_head_still_tidies_up_is_removed_once_it_has_ended(
    workspace: AnyWorkspace,
) -> None:
    """`run --wait` returns when the job is done, which its head outlives by an instant."""
    keep(workspace, A, done(A, 1000.0))
    journal = workspace.job(A).lead()

    removing = asyncio.create_task(asyncio.to_thread(remove, workspace, A, FakeClock()))
    refused = await asyncio.wait([removing], timeout=0.1)
    await journal.close()

    assert not refused[0]
    assert (await removing).id == A
    assert workspace.jobs() == []


def test_a_job_whose_head_died_may_hold_nodes_and_is_refused(workspace: AnyWorkspace) -> None:
    keep(workspace, A, mixed(A).events)

    with pytest.raises(UsageError, match=f"^job {A} is not done and may still use nodes$"):
        remove(workspace, A, FakeClock())

    assert workspace.jobs() == [A]


def test_a_job_that_nobody_ever_led_is_removed(workspace: AnyWorkspace) -> None:
    keep(workspace, A, [ev.JobSubmitted(T0, A, spec(1).to_json())])

    assert remove(workspace, A, FakeClock()).finished is None
    assert workspace.jobs() == []


@pytest.mark.asyncio
async def test_prune_takes_what_was_done_long_ago_and_nothing_else(
    workspace: AnyWorkspace,
) -> None:
    keep(workspace, A, done(A, 1000.0))
    keep(workspace, B, done(B, 2000.0))
    keep(workspace, C, Story(job=C).events)
    keep(workspace, D, done(D, 1000.0))
    journal = workspace.job(D).lead()  # somebody has just asked for a retry

    told = prune(workspace, 1500.0, dry_run=True)
    assert workspace.jobs() == [D, C, B, A]
    removed = prune(workspace, 1500.0)

    assert [one.id for one in told] == [one.id for one in removed] == [A]
    assert isinstance(removed[0], Removed)
    assert removed[0].bytes > 0
    assert workspace.jobs() == [D, C, B]
    await journal.close()


def test_a_job_whose_first_head_is_on_its_way_is_refused(workspace: AnyWorkspace) -> None:
    clock = FakeClock()
    story = mixed(A).events[:1]
    story[0].at = clock.now()
    keep(workspace, A, story)

    with pytest.raises(UsageError, match="is not done"):
        remove(workspace, A, clock)
    clock.advance(60)  # none came

    remove(workspace, A, clock)
    assert workspace.jobs() == []
