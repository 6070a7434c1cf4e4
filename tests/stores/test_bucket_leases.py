"""Who leads a job in a bucket, when several want to, and answers are lost."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.buckets.blocking import Dated
from batchio.errors import JobMoved, JournalDown, LeaseHeld
from batchio.stores import bucket_reader, segments
from batchio.stores.bucket_lease import LIMIT_S, BucketLease, holder
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
    from collections.abc import Callable

    from batchio.buckets.blocking import Bucket


@pytest.fixture
def real() -> Bucket:
    return bucket_with_job()


@pytest.fixture
def moody(real: Bucket) -> MoodyBucket:
    return MoodyBucket(real)


class Old(MoodyBucket):
    """A bucket whose leases look as if nobody held them."""

    def dated(self, key: str) -> Dated | None:
        found = self._real.dated(key)
        return None if found is None else Dated(found.data, LIMIT_S + 1)


@pytest.mark.asyncio
async def test_a_head_that_was_taken_over_writes_nothing_more(real: Bucket) -> None:
    old = journal_in(real)
    await old.append(["a"])
    new = journal_in(Old(real))

    for _ in range(2):
        with pytest.raises(LeaseHeld, match="another head has taken over"):
            await old.append(["b"])
    await new.append(["c"])
    await old.close()

    assert bodies(real) == [FIRST, "a", "c"]
    assert (old.epoch, new.epoch) == (1, 2)
    assert holder(real, JOB) is not None, "whoever was robbed does not release what is not his"
    await new.close()
    assert holder(real, JOB) is None


def test_a_lease_that_is_lost_is_told_and_not_taken_back(real: Bucket) -> None:
    old = BucketLease(real, JOB, "local", "a")
    old.take(1)
    old.renew()
    new = BucketLease(cast("Bucket", Old(real)), JOB, "local", "b")
    new.take(2)

    with pytest.raises(LeaseHeld):
        old.renew()
    new.renew()
    old.release()
    assert holder(real, JOB) is not None


def test_a_lease_of_an_earlier_head_is_taken_from_it_and_a_later_ones_is_not(real: Bucket) -> None:
    slow = BucketLease(real, JOB, "local", "a")
    fast = BucketLease(real, JOB, "local", "b")
    fast.take(2)

    with pytest.raises(LeaseHeld):
        slow.take(1)
    slow = BucketLease(cast("Bucket", Old(real)), JOB, "local", "c")
    slow.take(3)
    with pytest.raises(LeaseHeld):
        fast.renew()


@pytest.mark.parametrize("mood", MOODS)
def test_a_sign_of_life_whose_answer_was_lost_is_no_rivals(
    real: Bucket, moody: MoodyBucket, mood: Mood
) -> None:
    lease = BucketLease(cast("Bucket", moody), JOB, "local", "a")
    lease.take(1)
    asked: list[str] = []

    def first(verb: str, key: str) -> Mood:
        asked.append(verb)
        return mood if asked.count("swap") == 1 and verb == "swap" else "well"

    moody.mood = first
    for _ in range(2):
        try:
            lease.renew()
        except JournalDown:
            assert mood in ("lost", "down")

    lease.renew()
    assert holder(real, JOB) is not None


def test_no_two_signs_of_life_have_the_same_bytes(real: Bucket) -> None:
    lease = BucketLease(real, JOB, "local", "a")
    lease.take(1)
    seen = set()
    for _ in range(5):
        lease.renew()
        found = real.get(f"jobs/{JOB}/lease")
        assert found is not None
        seen.add(found.data)

    assert len(seen) == 5


def test_a_job_that_was_removed_is_said_to_its_head(real: Bucket) -> None:
    lease = BucketLease(real, JOB, "local", "a")
    lease.take(1)
    real.delete(real.keys(f"jobs/{JOB}/"))

    with pytest.raises(JobMoved, match=f"job {JOB} was removed"):
        lease.renew()
    assert real.keys("jobs/") == []


class Gate:
    """Lets one thread go on at a time, from one request to its next, in a chosen order."""

    def __init__(self, choices: list[int]) -> None:
        self._choices = iter(choices)
        self._news = threading.Condition()
        self._waiting = set[int]()
        self._passing: int | None = None
        self._alive = set[int]()

    def join(self, who: int) -> None:
        self._alive.add(who)

    def leave(self, who: int) -> None:
        with self._news:
            self._alive.discard(who)
            self._choose()

    def pass_(self, who: int) -> None:
        with self._news:
            self._waiting.add(who)
            self._choose()
            self._news.wait_for(lambda: self._passing == who)
            self._passing = None
            self._waiting.discard(who)

    def _choose(self) -> None:
        """Once everybody who lives waits, let one of them pass."""
        if self._alive and self._waiting == self._alive and self._passing is None:
            number = next(self._choices, 0)
            self._passing = sorted(self._waiting)[number % len(self._waiting)]
            self._news.notify_all()


class Rival(threading.Thread):
    """A head that takes the lease, and appends three batches if it may."""

    def __init__(self, who: int, gate: Gate, real: Bucket, moods: list[Mood]) -> None:
        super().__init__()
        self._who, self._gate, self._moods = who, gate, iter(moods)
        self._bucket = Old(real, self._mood)
        self.acknowledged: list[str] = []
        self.tried: list[str] = []
        self.ended: object = None
        gate.join(who)

    def _mood(self, verb: str, key: str) -> Mood:
        self._gate.pass_(self._who)
        return next(self._moods, "well")

    def run(self) -> None:
        try:
            asyncio.run(self._lead())
        except BaseException as err:
            self.ended = err
        finally:
            self._gate.leave(self._who)

    async def _lead(self) -> None:
        journal = await self._again(lambda: asyncio.to_thread(journal_in, self._bucket))
        for number in range(3):
            batch = [f"{self._who}-{number}-{part}" for part in (0, 1)]
            self.tried += batch
            await self._again(partial(journal.append, batch))
            self.acknowledged += batch

    async def _again(self, ask: Callable[[], Any]) -> Any:
        while True:
            try:
                return await ask()
            except JournalDown:
                continue


@given(
    order=st.lists(st.integers(0, 5), max_size=120),
    moods=st.lists(
        st.lists(st.sampled_from(["well"] * 8 + list(MOODS)), max_size=40), min_size=3, max_size=3
    ),
)
def test_of_three_heads_at_once_one_goes_on_and_nothing_is_lost_or_told_twice(
    order: list[int], moods: list[list[Mood]]
) -> None:
    real = bucket_with_job()
    gate = Gate(order)
    rivals = [Rival(who, gate, real, moods[who]) for who in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket_reader, "AT_ONCE", 1)  # a rival passes the gate once at a time
        for rival in rivals:
            rival.start()
        for rival in rivals:
            rival.join()

    assert {type(rival.ended) for rival in rivals} <= {LeaseHeld, type(None)}
    told = bodies(real)
    for rival in rivals:
        mine = [body for body in told if body.startswith(f"{rival._who}-")]
        assert mine[: len(rival.acknowledged)] == rival.acknowledged
        assert mine in (rival.tried, rival.tried[: len(rival.acknowledged)])
    epochs = []
    for key in real.keys(f"jobs/{JOB}/journal/"):
        found = real.get(key)
        assert found is not None
        epochs += [part.epoch for part in segments.unpack(found.data)]
    assert epochs == sorted(epochs)
    winners = [rival for rival in rivals if rival.ended is None]
    assert len({epoch for epoch in epochs if epoch}) >= len(winners) >= 1
    assert journal_in(Old(real)).epoch == epochs[-1] + 1
