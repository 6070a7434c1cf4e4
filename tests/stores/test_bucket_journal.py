"""The journal in a bucket: lost answers, damage, and what it costs."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import JournalCorrupt, JournalDown, NotAuthorised, WorkspaceError
from batchio.stores import segments
from batchio.stores.bucket_lease import holder
from batchio.stores.bucket_reader import BucketReader
from tests.stores.moody import (
    FIRST,
    JOB,
    MOODS,
    Mood,
    MoodyBucket,
    bodies,
    bucket_with_job,
    journal_in,
)

if TYPE_CHECKING:
    from batchio.buckets.blocking import Bucket
    from batchio.stores.bucket_journal import BucketJournal


@pytest.fixture
def real() -> Bucket:
    return bucket_with_job()


@pytest.fixture
def moody(real: Bucket) -> MoodyBucket:
    return MoodyBucket(real)


# --- answers that are lost ---------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("mood", MOODS)
async def test_a_batch_stands_once_whatever_became_of_its_answer(
    real: Bucket, moody: MoodyBucket, mood: Mood
) -> None:
    journal = journal_in(moody)
    moody.mood = lambda verb, key: mood if verb == "put_new" else "well"
    for _ in range(3):
        try:
            await journal.append(["a", "b"])
        except JournalDown:
            continue
        break
    moody.mood = lambda verb, key: "well"
    if mood != "repeated":
        await journal.append(["a", "b"])
    await journal.append(["c"])
    await journal.close()

    assert bodies(real) == [FIRST, "a", "b", "c"]


@pytest.mark.parametrize("mood", ["lost", "repeated", "conflict"])
def test_a_head_takes_over_whatever_became_of_its_answers(real: Bucket, mood: Mood) -> None:
    asked = set[tuple[str, str]]()

    def once(verb: str, key: str) -> Mood:
        first = (verb, key) not in asked
        asked.add((verb, key))
        return mood if first and verb in ("put_new", "swap") and mood != "lost" else "well"

    assert journal_in(MoodyBucket(real, once)).epoch == 1
    assert holder(real, JOB) is not None


@pytest.mark.asyncio
async def test_what_a_cancelled_call_had_written_is_kept_and_the_next_batch_follows(
    real: Bucket, moody: MoodyBucket
) -> None:
    journal = journal_in(moody)
    moody.mood = lambda verb, key: "lost" if verb == "put_new" else "well"
    with pytest.raises(JournalDown):
        await journal.append(["given up"])
    moody.mood = lambda verb, key: "well"

    await journal.append(["next"])
    await journal.append(["last"])

    assert bodies(real) == [FIRST, "given up", "next", "last"]
    await journal.close()


@pytest.mark.asyncio
async def test_credentials_that_are_refused_in_mid_job_are_waited_for(real: Bucket) -> None:
    class Refusing(MoodyBucket):
        def put_new(self, *_: object) -> None:
            raise NotAuthorised("the token has expired", where=self.url, hint="renew it")

    journal = journal_in(real)
    journal._bucket = cast("Bucket", Refusing(real))
    with pytest.raises(JournalDown, match="the token has expired"):
        await journal.append(["a"])
    journal._bucket = real
    await journal.append(["a"])

    assert bodies(real) == [FIRST, "a"]
    await journal.close()


# --- reading -----------------------------------------------------------------


async def written(real: Bucket, count: int, every: int) -> BucketJournal:
    """A journal of so many batches of two events, with a snapshot after each so many."""
    journal = journal_in(real)
    for number in range(count):
        await journal.append([f"{number}a", f"{number}b"])
        if (number + 1) % every == 0:
            await journal.snapshot(b"state %d" % number)
    return journal


@pytest.mark.asyncio
async def test_who_begins_at_the_snapshot_reads_only_what_follows(
    real: Bucket, moody: MoodyBucket
) -> None:
    journal = await written(real, 45, 20)
    reader = BucketReader(cast("Bucket", moody), JOB)
    found = reader.snapshot()
    assert found == (81, b"state 39")
    del moody.requests[:]

    assert [body for _, body in reader.read(81)] == [
        f"{number}{part}" for number in range(40, 45) for part in "ab"
    ]
    assert [verb for verb, _ in moody.requests] == ["keys"] + ["get"] * 6
    del moody.requests[:]
    assert reader.read(91) == []
    assert moody.requests == [("get", segments.key(JOB, 48))]
    await journal.close()


@pytest.mark.asyncio
async def test_who_wants_all_events_reads_few_objects(real: Bucket, moody: MoodyBucket) -> None:
    journal = await written(real, 45, 20)
    wanted = [FIRST] + [f"{number}{part}" for number in range(45) for part in "ab"]
    reader = BucketReader(cast("Bucket", moody), JOB)

    assert [body for _, body in reader.read()] == wanted
    assert len(moody.requests) <= 12
    assert [body for _, body in reader.read(limit=10)] == wanted[:10]
    await journal.close()


@pytest.mark.asyncio
async def test_a_torn_snapshot_or_rolled_object_is_no_matter(real: Bucket) -> None:
    await (await written(real, 45, 20)).close()
    wanted = bodies(real)
    for key in [segments.snapshot_key(JOB), *real.keys(f"jobs/{JOB}/journal.all/")]:
        found = real.get(key)
        assert found is not None
        real.put(key, found.data[: len(found.data) // 2])

    assert BucketReader(real, JOB).snapshot() is None
    assert bodies(real) == wanted


@pytest.mark.asyncio
async def test_a_snapshot_with_any_bit_flipped_is_not_used(real: Bucket) -> None:
    await (await written(real, 10, every=5)).close()
    place = segments.snapshot_key(JOB)
    found = real.get(place)
    assert found is not None
    for bit in range(0, len(found.data) * 8, 3):
        data = bytearray(found.data)
        data[bit // 8] ^= 1 << bit % 8
        real.put(place, bytes(data))

        assert BucketReader(real, JOB).snapshot() is None
    real.put(place, found.data)
    assert BucketReader(real, JOB).snapshot() is not None


@pytest.mark.asyncio
async def test_segments_before_the_snapshot_may_be_gone(real: Bucket) -> None:
    await (await written(real, 45, 20)).close()
    old = [segments.key(JOB, number) for number in range(1, 30)]
    real.delete([*old, *real.keys(f"jobs/{JOB}/journal.all/")])

    reader = BucketReader(real, JOB)
    assert reader.snapshot() == (81, b"state 39")
    assert len(reader.read(81)) == 10
    assert (await asyncio.to_thread(journal_in, real)).epoch == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("damage", ["missing", "header", "cut"])
async def test_a_segment_that_cannot_be_read_costs_its_own_events(
    real: Bucket, damage: str
) -> None:
    await (await written(real, 5, 100)).close()
    wanted = bodies(real)
    key = segments.key(JOB, 4)
    found = real.get(key)
    assert found is not None
    if damage == "missing":
        real.delete([key])
    else:
        bad = b"#" + found.data[1:] if damage == "header" else found.data[:-3]
        real.put(key, bad)

    wanted[3:5] = ["", ""]
    assert bodies(real) == wanted
    with pytest.raises(JournalCorrupt, match="event 4 is damaged, or missing"):
        BucketReader(real, JOB).events(3)


@pytest.mark.asyncio
async def test_a_flipped_bit_costs_one_event(real: Bucket) -> None:
    await (await written(real, 5, 100)).close()
    wanted = bodies(real)
    key = segments.key(JOB, 4)
    found = real.get(key)
    assert found is not None
    real.put(key, found.data[:-2] + b"#\n")

    wanted[4] = ""
    assert bodies(real) == wanted


@pytest.mark.asyncio
async def test_the_newest_segment_is_named_when_it_is_damaged(real: Bucket) -> None:
    await (await written(real, 5, 100)).close()
    real.put(segments.key(JOB, 7), b"garbage")

    with pytest.raises(JournalCorrupt, match=r"journal/0000000007 is damaged"):
        bodies(real)
    with pytest.raises(JournalCorrupt, match=r"journal/0000000007 is damaged"):
        journal_in(real)


def test_a_journal_of_a_newer_batchio_says_so(real: Bucket) -> None:
    data = segments.pack(1, "x", 2, []).replace(b'"v":1', b'"v":2')
    said, _, _ = data.rstrip(b"\n").rpartition(b',"sum":')
    real.put(segments.key(JOB, 2), b'%b,"sum":%d}\n' % (said, zlib.crc32(said)))

    with pytest.raises(WorkspaceError, match="written in layout 2; this batchio reads 1"):
        bodies(real)


@given(
    batches=st.lists(
        st.tuples(
            st.integers(0, 1 << 40), st.text(max_size=5), st.lists(st.text(max_size=20), max_size=4)
        ),
        max_size=5,
    )
)
def test_segments_are_read_back_as_they_were_packed(
    batches: list[tuple[int, str, list[str]]],
) -> None:
    wanted = [segments.Segment(1, by, first, events) for first, by, events in batches]
    data = b"".join(segments.pack(*part) for part in wanted)

    assert list(segments.unpack(data)) == wanted


@given(data=st.binary(max_size=60))
def test_bytes_of_anybody_are_no_segments(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of any kind
        list(segments.unpack(data + b"\n"))


# --- what it costs -----------------------------------------------------------


@pytest.mark.asyncio
async def test_a_batch_is_one_request(moody: MoodyBucket) -> None:
    journal = journal_in(moody)
    del moody.requests[:]
    for number in range(10):
        await journal.append([str(number)] * 50)

    assert [verb for verb, _ in moody.requests] == ["put_new"] * 10
    await journal.close()
