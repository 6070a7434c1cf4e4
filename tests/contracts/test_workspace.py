"""What every workspace must do, whatever it is kept in: jobs are made, found and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.core.cards import TOPIC
from batchio.errors import LeaseHeld, NoSuchJob, UsageError
from batchio.ports import Brought
from batchio.stores.bucket import BucketWorkspace
from batchio.stores.finding import find
from batchio.stores.folder import FolderWorkspace
from tests.contracts.store_kinds import AnyWorkspace, left_in, workspace
from tests.making import bodies, make, texts

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.ports import Workspace

__all__ = ["workspace"]

FIRST = ['["first"]']
A, B, C = "2b7l9lg7dl", "2b7l9lhbbb", "2b7m222222"


def message(err: pytest.ExceptionInfo[NoSuchJob]) -> tuple[str, str | None]:
    return str(err.value), err.value.hint


# --- making --------------------------------------------------------------------------


def test_a_new_job_has_its_name_and_its_first_events(workspace: AnyWorkspace) -> None:
    make(workspace, A, [*FIRST, '["second"]'], name="hello", made_by="0.1.0")

    store = workspace.job(A)
    assert (store.id, store.name()) == (A, "hello")
    assert bodies(store) == [*FIRST, '["second"]']


def test_nobody_sees_a_job_before_it_is_made_and_all_of_it_then(workspace: AnyWorkspace) -> None:
    with workspace.draft(0.0) as draft:
        assert draft.put_inputs([b"a", b"b"], "a list") == 2
        draft.bundle().write_bytes(b"tar")
        draft.send()
        assert workspace.jobs() == []
        draft.commit(FIRST)
        assert workspace.jobs() == [draft.id]

    store = workspace.job(draft.id)
    assert texts(store) == ["a", "b"]
    assert store.bundle().read_bytes() == b"tar"


def test_packages_are_kept_for_heads_on_other_computers_where_there_can_be_any(
    workspace: AnyWorkspace, tmp_path: Path
) -> None:
    pieces = workspace.job(A).pieces()
    assert (pieces is not None) == isinstance(workspace, BucketWorkspace)
    if pieces is None:
        return
    one, other, got = tmp_path / "one", tmp_path / "other", tmp_path / "got"
    one.write_bytes(b"1" * 6_000_000)
    other.write_bytes(b"22")
    pieces.put({"a1": one})
    one.write_bytes(b"it is not sent again")
    pieces.put({"a1": one, "b2": other})
    of_other = workspace.job(B).pieces()
    assert of_other is not None
    assert of_other.fetch("a1", got)
    assert got.read_bytes() == b"1" * 6_000_000
    assert of_other.fetch("b2", got)
    assert got.read_bytes() == b"22"
    assert not of_other.fetch("c3", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_was_not_committed_leaves_nothing(workspace: AnyWorkspace, tmp_path: Path) -> None:
    with workspace.draft(0.0) as draft:
        draft.bundle().write_bytes(b"tar")
    with pytest.raises(UsageError, match=r"^no values in a list$"):
        make(workspace, A, FIRST, inputs=[])

    assert workspace.jobs() == []
    assert left_in(workspace, tmp_path) == []


def test_an_id_that_somebody_has_is_not_given_again(workspace: AnyWorkspace) -> None:
    ids = iter([A, A, B, A, B, C])
    workspace.new_id = lambda now: next(ids)

    first, second = workspace.draft(0.0), workspace.draft(0.0)
    with first:
        first.commit(FIRST)
    third = workspace.draft(0.0)

    assert [first.id, second.id, third.id] == [A, B, C]


def test_a_new_job_is_the_newest(workspace: AnyWorkspace) -> None:
    for now in (1_795_000_000.0, 1_795_000_001.0):
        with workspace.draft(now) as draft:
            draft.commit(FIRST)

        assert find(workspace) == draft.id


# --- removing ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_job_is_removed_only_when_no_head_runs_it(
    workspace: AnyWorkspace, tmp_path: Path
) -> None:
    make(workspace, A, FIRST)
    make(workspace, B, FIRST)
    workspace.job(A).bundle().write_bytes(b"tar")
    journal = workspace.job(A).lead()
    with pytest.raises(LeaseHeld, match=f"another process runs job {A}"):
        workspace.remove(A)
    await journal.close()

    workspace.remove(A)

    assert workspace.jobs() == [B]
    assert [path for path in left_in(workspace, tmp_path) if A in path] == []
    with pytest.raises(NoSuchJob):
        workspace.remove(A)


# --- finding -------------------------------------------------------------------------


@pytest.fixture
def three(workspace: AnyWorkspace) -> Workspace:
    make(workspace, B, FIRST, name="train")
    make(workspace, A, FIRST, name="train")
    make(workspace, C, FIRST)
    return workspace


def test_jobs_are_listed_newest_first_with_their_names(three: Workspace) -> None:
    assert three.jobs() == [C, B, A]
    assert list(three.names()) == [(C, ""), (B, "train"), (A, "train")]


def test_cards_come_newest_first_as_each_job_shows_it(three: Workspace) -> None:
    three.job(B).show(TOPIC, {"state": "done", "ä": [1]})
    three.job(A).show("another topic", {"state": "done"})

    assert list(three.cards()) == [(C, {}), (B, {"state": "done", "ä": [1]}), (A, {})]


@pytest.mark.parametrize(
    ("text", "job"),
    [(None, C), (A, A), ("2b7m", C), ("2b7l9lg", A), ("train", B)],
    ids=["the newest", "whole id", "unique beginning", "longer beginning", "newest of a name"],
)
def test_a_job_is_found_by(three: Workspace, text: str | None, job: str) -> None:
    assert find(three, text) == job


def test_an_ambiguous_beginning_lists_the_candidates(three: Workspace) -> None:
    with pytest.raises(NoSuchJob) as err:
        find(three, "2b7l")

    assert message(err) == ('2 jobs start with "2b7l"', f"{B} train, {A} train")


@pytest.mark.parametrize("text", ["nobody", "22222", "", "../jobs"])
def test_a_job_that_is_not_there_is_named(three: Workspace, text: str) -> None:
    with pytest.raises(NoSuchJob) as err:
        find(three, text)

    assert message(err) == (f'no job has the id or name "{text}"', "see: batchio list")


def test_in_an_empty_workspace_the_newest_job_is_an_error(workspace: AnyWorkspace) -> None:
    assert (workspace.jobs(), list(workspace.names()), list(workspace.cards())) == ([], [], [])
    with pytest.raises(NoSuchJob) as err:
        find(workspace)

    assert message(err) == ("there are no jobs yet", "start one: batchio run SCRIPT")


# --- what was brought to folders of the user's -----------------------------------------


def test_what_jobs_brought_to_a_folder_is_known_when_they_are_gone(
    workspace: AnyWorkspace, tmp_path: Path
) -> None:
    here, link, elsewhere = (tmp_path / name for name in ("here", "link", "elsewhere"))
    here.mkdir()
    link.symlink_to(here)
    stamp, other = (0o100000, 3, 1_700_000_000_000_000_001), (0o040000, 0, 0)
    for job in (A, B):
        make(workspace, job, FIRST)
    workspace.job(A).brought(here).add(A, [("0/a", stamp), ("0/b\n\u0301", stamp)])
    workspace.job(B).brought(link).add(B, [("0/a", other)], inputs=True)
    workspace.job(B).brought(elsewhere).add(B, [])
    workspace.remove(A)
    workspace.remove(B)

    expected = {"0/a": Brought(B, other, True), "0/b\n\u0301": Brought(A, stamp, False)}
    assert workspace.brought(link).read() == workspace.brought(here).read() == expected
    assert workspace.brought(elsewhere).read() == {}
    workspace.brought(here).forget()
    workspace.brought(here).forget()
    assert workspace.brought(here).read() == {}


def test_damaged_lines_of_the_record_are_skipped_and_none_leads_elsewhere(tmp_path: Path) -> None:
    workspace = FolderWorkspace(tmp_path / "ws")
    record = workspace.brought(tmp_path)
    for path in ("a", "../b", "/c", "d/../../e", "f//g", "."):
        record.add(A, [(path, (1, 2, 3))])
    [file] = (tmp_path / "ws/brought").iterdir()
    damage = (
        b"\xff",
        b"[",
        b"3",
        b"null",
        b'["x"]',
        b'["x", 1, [], 3, "j", true]',
        b"[1,2,3,4,5,6]",
    )
    file.write_bytes(b"\n".join(damage) + b"\n" + file.read_bytes() + b'["half", 1')

    assert record.read() == {"a": Brought(A, (1, 2, 3), False)}
