"""Inputs of tasks in two files: written in chunks, read by position."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import JournalCorrupt, JournalFull, NoSuchJob, UsageError
from batchio.stores.inputs import FolderInputs, write_inputs
from batchio.submit.records import from_records

if TYPE_CHECKING:
    from pathlib import Path


# --- on disk -------------------------------------------------------------------------


@given(values=st.lists(st.binary(max_size=6), min_size=1, max_size=20))
def test_what_was_written_is_read_back_by_position(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("inputs")
    assert write_inputs(folder, values, "a list") == len(values)

    inputs = FolderInputs(folder)
    assert [inputs.raw(n) for n in range(inputs.count)] == values
    assert [os.fsencode(text) for text in map(inputs.value, range(inputs.count))] == values
    inputs.close()
    inputs.close()


def test_many_inputs_are_written_in_chunks(tmp_path: Path) -> None:
    assert write_inputs(tmp_path, (b"%d" % n for n in range(200_000)), "numbers") == 200_000

    inputs = FolderInputs(tmp_path)
    assert [inputs.value(n) for n in (0, 65_535, 65_536, 199_999)] == [
        "0", "65535", "65536", "199999",
    ]  # fmt: skip
    with pytest.raises(IndexError, match="input 200000 of 200000"):
        inputs.value(200_000)
    inputs.close()


def test_a_record_is_read_as_its_variables(tmp_path: Path) -> None:
    write_inputs(tmp_path, from_records([{"A": "ä"}, {}]), "records")

    inputs = FolderInputs(tmp_path)
    assert [inputs.record(0), inputs.record(1)] == [{"A": "ä"}, {}]
    inputs.close()


def test_no_values_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^no values in inputs\.txt$"):
        write_inputs(tmp_path, [], "inputs.txt")


@pytest.mark.parametrize("file", ["inputs", "inputs.index"])
def test_damaged_inputs_are_named(tmp_path: Path, file: str) -> None:
    write_inputs(tmp_path, [b"a", b"bc"], "a list")
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:-1])

    with pytest.raises(JournalCorrupt, match=f"^the inputs in {tmp_path} are damaged$"):
        FolderInputs(tmp_path)


def test_a_job_without_inputs_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoSuchJob, match="there are no inputs in"):
        FolderInputs(tmp_path)


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("NOT TESTED, there is no /dev/full here")
    (tmp_path / "inputs").symlink_to("/dev/full")

    with pytest.raises(JournalFull, match=f"^no space left in {tmp_path}$"):
        write_inputs(tmp_path, [b"a"], "a list")
