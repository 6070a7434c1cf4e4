"""What every store of parts must do, whatever it is kept in."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from batchio.buckets import check, open_bucket
from batchio.errors import JournalCorrupt, NoAccess, WorkspaceError
from batchio.ports import THROUGH_HEAD, KeptOutputs, Part
from batchio.stores.bucket_outputs import BucketOutputs
from batchio.testing import MemoryParts

if TYPE_CHECKING:
    from batchio.ports import PartStore

JOB = "2b7l9lg7dl"
HEADERS = {"Content-Type": "application/octet-stream", "x-ms-blob-type": "BlockBlob"}


@pytest.fixture(params=["memory", "bucket in memory"])
def parts(request: pytest.FixtureRequest) -> PartStore:
    if request.param == "memory":
        return MemoryParts()
    return BucketOutputs(open_bucket(check("memory:///"), patience=1.0), JOB)


@pytest.fixture
def direct(parts: PartStore) -> PartStore:
    """One to which nodes have URLs."""
    return parts if parts.direct else MemoryParts(direct=True)


def kept(attempt: int, *sizes: int) -> KeptOutputs:
    return KeptOutputs(attempt, tuple(Part(size, 0xFFFF_FFFF) for size in sizes))


def read(parts: PartStore, task: int, attempt: int, part: int, start: int = 0) -> bytes:
    return b"".join(parts.read(task, attempt, part, start))


def test_what_was_recorded_is_kept_by_rising_task(parts: PartStore) -> None:
    assert parts.kept() == {}
    for task in (12, -3, 0, 2):
        parts.keep(task, kept(1))
    parts.keep(2, kept(3, 5, 1))

    assert list(parts.kept().items()) == [
        (-3, kept(1)), (0, kept(1)), (2, kept(3, 5, 1)), (12, kept(1)),
    ]  # fmt: skip
    assert parts.where


def test_a_part_is_read_from_anywhere(parts: PartStore) -> None:
    data = bytes(range(256)) * 1000
    parts.put(7, 2, 10, data)
    parts.put(7, 2, 1, b"another")

    assert read(parts, 7, 2, 10) == data
    assert read(parts, 7, 2, 10, 255_999) == b"\xff"
    assert read(parts, 7, 2, 10, len(data)) == b""
    parts.put(7, 2, 10, b"anew")
    assert read(parts, 7, 2, 10) == b"anew"
    with pytest.raises(WorkspaceError):
        read(parts, 7, 3, 10)


def test_only_the_parts_that_a_record_names_outlive_a_sweep(parts: PartStore) -> None:
    for task, attempt in ((0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (-4, 11), (-4, 1)):
        for part in range(2):
            parts.put(task, attempt, part, b"%d" % task)
    for task, attempt in ((0, 1), (1, 2), (2, 1), (-4, 11)):
        parts.keep(task, kept(attempt, 1, 1))
    before = parts.kept()

    parts.sweep()
    parts.sweep()

    assert parts.kept() == before
    for task, attempt in ((0, 1), (1, 2), (2, 1), (-4, 11)):
        assert read(parts, task, attempt, 1) == b"%d" % task
    for task, attempt in ((1, 1), (2, 2), (3, 1), (-4, 1)):
        with pytest.raises(WorkspaceError):
            read(parts, task, attempt, 0)


def test_a_part_that_a_node_sends_late_takes_no_place_and_is_swept(parts: PartStore) -> None:
    parts.put(0, 1, THROUGH_HEAD, b"through the head")
    parts.keep(0, KeptOutputs(1, (Part(16, 0),), THROUGH_HEAD))
    parts.put(0, 1, 0, b"late")

    [one] = parts.kept().values()
    assert read(parts, 0, one.attempt, one.first) == b"through the head"
    parts.sweep()
    assert read(parts, 0, 1, THROUGH_HEAD) == b"through the head"
    with pytest.raises(WorkspaceError):
        read(parts, 0, 1, 0)


def test_where_nodes_have_no_urls_none_is_signed(parts: PartStore) -> None:
    if not parts.direct:
        with pytest.raises(NoAccess):
            parts.sign(0, 1, 0, 60.0)


def test_what_a_node_puts_to_its_url_is_that_part(direct: PartStore) -> None:
    url = direct.sign(-2, 3, 11, 60.0)
    if isinstance(direct, MemoryParts):
        direct.take(url, b"from a node")
    else:
        asked = urllib.request.Request(url, b"from a node", HEADERS, method="PUT")
        urllib.request.urlopen(asked).close()

    assert read(direct, -2, 3, 11) == b"from a node"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"[]", b'{"attempt": 1}', b'{"attempt": 0, "parts": []}',
     b'{"attempt": 1, "parts": [[1]]}', b'{"attempt": 1, "parts": [[-1, 0]]}', b"\xff",
     b'{"attempt": 1, "parts": [], "first": -1}'],
)  # fmt: skip
def test_a_damaged_record_is_named_and_costs_no_part(damaged: bytes) -> None:
    bucket = open_bucket(check("memory:///"), patience=1.0)
    parts = BucketOutputs(bucket, JOB)
    for attempt in (1, 2):
        parts.put(0, attempt, 0, b"a part")
    bucket.put(f"jobs/{JOB}/outputs/0", damaged)

    for verb in (parts.kept, parts.sweep):
        with pytest.raises(JournalCorrupt, match=r"record of outputs memory:.*/outputs/0 is dama"):
            verb()
    assert read(parts, 0, 1, 0) == read(parts, 0, 2, 0) == b"a part"
