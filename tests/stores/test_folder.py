"""The workspace folder: how jobs are made, found, reached and removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchio.errors import JournalCorrupt, LeaseHeld, NoSuchJob, UsageError, WorkspaceError
from batchio.ports import Holder
from batchio.stores.folder import Workspace, default_root, parse_root

FIRST = ['["first"]']
A, B, C = "2b7l9lg7dl", "2b7l9lhbbb", "2b7m222222"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def message(err: pytest.ExceptionInfo[WorkspaceError]) -> tuple[str, str | None]:
    return str(err.value), err.value.hint


# --- where it is ---------------------------------------------------------------------


def test_the_default_is_the_data_folder_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setattr("sys.platform", "linux")

    assert default_root({}) == Path("/home/ann/.local/share/batchio")
    assert default_root({"XDG_DATA_HOME": "/data"}) == Path("/data/batchio")
    assert default_root({"XDG_DATA_HOME": "data"}) == Path("/home/ann/.local/share/batchio")


def test_on_macos_the_default_is_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/Users/ann")
    monkeypatch.setattr("sys.platform", "darwin")

    assert default_root({}) == Path("/Users/ann/Library/Application Support/batchio")


def test_a_folder_is_given_as_a_path_or_as_a_file_url() -> None:
    assert parse_root("/some/where") == Path("/some/where")
    assert parse_root("file:///some/wh%20ere") == Path("/some/wh ere")
    assert parse_root("file://localhost/some") == Path("/some")
    assert parse_root("here") == Path.cwd() / "here"


def test_a_bucket_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r'^workspace "s3://bucket/x": only folders yet$') as err:
        parse_root("s3://bucket/x")

    assert err.value.hint == "give a path, or file:///some/folder"


def test_a_folder_of_another_host_is_refused() -> None:
    with pytest.raises(UsageError, match="is not on this computer"):
        parse_root("file://elsewhere/data")


# --- making and removing -------------------------------------------------------------


def test_a_new_job_has_all_its_rooms_and_its_first_event(workspace: Workspace) -> None:
    folder = workspace.create(A, FIRST, name="hello", made_by="0.1.0")

    assert sorted(os.listdir(folder)) == [
        "inbox", "journal.sqlite", "logs", "name", "outputs", "reserve",
    ]  # fmt: skip
    assert workspace.name(A) == "hello"
    with workspace.reader(A) as reader:
        assert reader.read() == [(1, FIRST[0])]
        assert reader.meta["batchio"] == "0.1.0"


def test_what_stands_in_the_draft_becomes_part_of_the_job(workspace: Workspace) -> None:
    draft = workspace.draft(A)
    (draft / "outputs" / "bundle").write_bytes(b"bytes")
    assert workspace.jobs() == []

    folder = workspace.create(A, FIRST)

    assert (folder / "outputs" / "bundle").read_bytes() == b"bytes"
    assert not draft.exists()


def test_a_job_is_never_made_twice(workspace: Workspace) -> None:
    workspace.create(A, FIRST)

    with pytest.raises(WorkspaceError):
        workspace.create(A, ['["other"]'])

    with workspace.reader(A) as reader:
        assert reader.read() == [(1, FIRST[0])]


def test_old_drafts_of_dead_processes_are_swept_and_young_ones_kept(workspace: Workspace) -> None:
    old, young = workspace.draft(A), workspace.draft(B)
    os.utime(old, (1.0, 1.0))

    workspace.draft(C)

    assert not old.exists()
    assert young.exists()


def test_a_workspace_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WorkspaceError, match=r"^cannot use .*file.*: ") as err:
        Workspace(tmp_path / "file").create(A, FIRST)

    assert err.value.hint == "--workspace, or BATCHIO_WORKSPACE, names another folder"


@pytest.mark.asyncio
async def test_a_job_is_removed_only_when_no_head_runs_it(workspace: Workspace) -> None:
    workspace.create(A, FIRST)
    journal = workspace.take(A)
    with pytest.raises(LeaseHeld):
        workspace.remove(A)
    await journal.close()

    workspace.remove(A)

    assert workspace.jobs() == []
    assert list((workspace.root / "drafts").iterdir()) == []
    with pytest.raises(NoSuchJob):
        workspace.remove(A)


# --- finding -------------------------------------------------------------------------


@pytest.fixture
def three(workspace: Workspace) -> Workspace:
    workspace.create(B, FIRST, name="train")
    workspace.create(A, FIRST, name="train")
    workspace.create(C, FIRST)
    return workspace


def test_jobs_are_listed_newest_first_without_what_is_no_job(three: Workspace) -> None:
    (three.root / "jobs" / "notes.txt").write_text("mine")

    assert three.jobs() == [C, B, A]


def test_listing_opens_no_journal(three: Workspace) -> None:
    (three.folder(B) / "journal.sqlite").write_bytes(b"garbage")

    assert three.jobs() == [C, B, A]
    with pytest.raises(JournalCorrupt):
        three.reader(B)


@pytest.mark.parametrize(
    ("text", "job"),
    [(None, C), (A, A), ("2b7m", C), ("2b7l9lg", A), ("train", B)],
    ids=["the newest", "whole id", "unique beginning", "longer beginning", "newest of a name"],
)
def test_a_job_is_found_by(three: Workspace, text: str | None, job: str) -> None:
    assert three.find(text) == job


def test_an_ambiguous_beginning_lists_the_candidates(three: Workspace) -> None:
    with pytest.raises(NoSuchJob) as err:
        three.find("2b7l")

    assert message(err) == ('2 jobs begin with "2b7l"', f"{B} train, {A} train")


@pytest.mark.parametrize("text", ["nobody", "22222", "", "../jobs"])
def test_a_job_that_is_not_there_is_named(three: Workspace, text: str) -> None:
    with pytest.raises(NoSuchJob) as err:
        three.find(text)

    assert message(err) == (f'no job has the id or name "{text}"', "see: batchio list")


def test_in_an_empty_workspace_the_newest_job_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(NoSuchJob) as err:
        workspace.find()

    assert message(err) == ("there are no jobs yet", "start one: batchio run SCRIPT")


def test_a_new_id_fits_this_workspace(workspace: Workspace) -> None:
    job = workspace.new_id(1_795_000_000.0)
    workspace.create(job, FIRST)

    assert workspace.find() == job


# --- the head ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_who_holds_the_lease_is_told_without_taking_it(workspace: Workspace) -> None:
    workspace.create(A, FIRST)
    assert workspace.lease_holder(A) is None

    journal = workspace.take(A)
    assert workspace.lease_holder(A) == Holder(os.getpid(), os.uname().nodename)
    await journal.append(["held all the same"])

    await journal.close()
    assert workspace.lease_holder(A) is None
    assert workspace.lease_holder(B) is None


def test_an_id_that_somebody_has_is_not_given_again(tmp_path: Path) -> None:
    ids = iter([A, A, B, A, B, C])

    class Unlucky(Workspace):
        def new_id(self, now: float, randomness: bytes | None = None) -> str:
            return next(ids)

    workspace = Unlucky(tmp_path)
    first, _ = workspace.new_draft(0.0)
    second, _ = workspace.new_draft(0.0)
    workspace.create(A, FIRST)
    third, _ = workspace.new_draft(0.0)

    assert [first, second, third] == [A, B, C]
