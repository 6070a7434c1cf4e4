"""What is true of a workspace that is a folder, and of no other."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from batchio.errors import JournalCorrupt, UsageError, WorkspaceError
from batchio.ports import Holder
from batchio.stores.folder import FolderWorkspace, default_root, parse_root
from batchio.stores.lease import holder
from batchio.stores.log_sink import SMALL, FolderSink
from tests.making import make

FIRST = ['["first"]']
A = "2b7l9lg7dl"


@pytest.fixture
def workspace(tmp_path: Path) -> FolderWorkspace:
    return FolderWorkspace(tmp_path / "workspace")


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


def test_a_folder_of_another_host_is_refused() -> None:
    with pytest.raises(UsageError, match="is not on this computer"):
        parse_root("file://elsewhere/data")


# --- making ------------------------------------------------------------------------------


def test_a_new_job_has_all_its_rooms(workspace: FolderWorkspace) -> None:
    make(workspace, A, FIRST, name="hello", made_by="0.1.0")

    assert sorted(os.listdir(workspace.job(A).folder)) == [
        "inbox", "journal.sqlite", "logs", "name", "outputs", "reserve",
    ]  # fmt: skip
    with closing(workspace.job(A).reader()) as reader:
        assert reader.meta["batchio"] == "0.1.0"


def test_old_drafts_of_dead_processes_are_swept_and_young_ones_kept(
    workspace: FolderWorkspace,
) -> None:
    old, young = workspace.draft(0.0), workspace.draft(0.0)
    drafts = workspace.root / "drafts"
    os.utime(drafts / old.id, (1.0, 1.0))

    last = workspace.draft(0.0)

    assert sorted(os.listdir(drafts)) == sorted([young.id, last.id])


def test_a_workspace_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WorkspaceError, match=r"^cannot use .*file.*: ") as err:
        FolderWorkspace(tmp_path / "file").draft(0.0)

    assert err.value.hint == "to use another folder: --workspace, or BATCHIO_WORKSPACE"


# --- reading -----------------------------------------------------------------------------


def test_what_is_no_job_is_not_listed(workspace: FolderWorkspace) -> None:
    make(workspace, A, FIRST)
    (workspace.root / "jobs" / "notes.txt").write_text("mine")

    assert workspace.jobs() == [A]


def test_listing_opens_no_journal(workspace: FolderWorkspace) -> None:
    make(workspace, A, FIRST, name="broken")
    (workspace.job(A).folder / "journal.sqlite").write_bytes(b"garbage")

    assert list(workspace.names()) == [(A, "broken")]
    with pytest.raises(JournalCorrupt):
        workspace.job(A).reader()


def test_what_is_shown_is_never_seen_half_written(workspace: FolderWorkspace) -> None:
    make(workspace, A, FIRST)
    (workspace.job(A).folder / "loads.json").write_text('{"1": {"lo')

    assert workspace.job(A).shown("loads") == {}


@pytest.mark.parametrize(
    ("line", "who"),
    [
        ("7 here\n", Holder(7, "here")),
        ("7 here inline\n", Holder(7, "here", "inline")),
        ("", Holder(0, "")),
        ("7", Holder(7, "")),
    ],
    ids=["an older batchio", "this one", "on a full disk", "torn"],
)
def test_whoever_wrote_the_lease_is_understood(
    workspace: FolderWorkspace, line: str, who: Holder
) -> None:
    make(workspace, A, FIRST)
    folder = workspace.job(A).folder
    with (folder / "head.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(line)
        lock.flush()

        assert holder(folder) == who


# --- bytes of nodes ----------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [3, SMALL + 1], ids=["small", "large"])
async def test_a_write_whose_connection_broke_is_there_once_with_the_next(
    tmp_path: Path, size: int
) -> None:
    sink, data = FolderSink(tmp_path / "0", local=False), os.urandom(2 * size)
    first = asyncio.create_task(sink.write(0, memoryview(data)[:size]))
    await asyncio.sleep(0)  # it has begun
    first.cancel()

    await sink.write(0, memoryview(data))
    await sink.write(10 * size, memoryview(b"not the next"))

    assert (tmp_path / "0" / f"{0:020d}").read_bytes() == data
    assert sink.size() == FolderSink(tmp_path / "0", local=False).size() == 2 * size


@pytest.mark.asyncio
async def test_much_that_is_printed_is_not_written_on_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, threads = FolderSink(tmp_path / "0", local=False), list[int]()
    real = FolderSink._append

    def append(self: FolderSink, offset: int, data: memoryview) -> None:
        threads.append(threading.get_ident())
        real(self, offset, data)

    monkeypatch.setattr(FolderSink, "_append", append)
    await sink.write(0, memoryview(bytes(1 << 20)))

    assert threads != [threading.get_ident()]
    assert sink.size() == 1 << 20
