"""A list of a bucket's jobs costs a few requests, and is right whatever became of its parts."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from batchio.buckets import check, open_bucket
from batchio.core.cards import TOPIC, first_card
from batchio.core.ids import job_id
from batchio.errors import JournalDown
from batchio.runtime.cards import list_cards
from batchio.stores.bucket import BucketWorkspace
from batchio.stores.bucket_index import GATHERED, MOST_READ, BucketIndex, card_key, pack, unpack
from batchio.testing import FakeClock
from tests.core.machines import spec
from tests.damage import damaged, flipped
from tests.stores.moody import MOODS, MoodyBucket

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

BEGAN = 1_795_000_000.0


def job(number: int) -> str:
    return job_id(BEGAN + number, bytes(4))


def card(number: int, **changes: Any) -> dict[str, Any]:
    """The card of a job that is done."""
    made = first_card(job(number), spec(3), BEGAN + number)
    return made | {"state": "done", "outcome": "succeeded", "finished": BEGAN + 99.0} | changes


def put(bucket: Bucket, number: int, **changes: Any) -> None:
    facts = json.dumps(card(number, **changes)).encode()
    bucket.put(card_key(job(number), f"n {number}"), facts)


def bucket_of(jobs: int) -> Bucket:
    bucket = open_bucket(check("memory:///"), patience=1.0)
    for number in range(jobs):
        put(bucket, number)
    return bucket


def cards(bucket: object) -> dict[str, Any]:
    return dict(BucketIndex(cast("Bucket", bucket)).cards())


def gathered(bucket: Bucket) -> Mapping[str, object]:
    found = bucket.get(GATHERED)
    return unpack(found.data) if found else {}


def gather(bucket: object) -> None:
    BucketIndex(cast("Bucket", bucket)).gather()


# --- what it costs -------------------------------------------------------------------------


def test_a_list_of_a_thousand_jobs_costs_two_requests(tmp_path: Path) -> None:
    moody = MoodyBucket(bucket_of(1000))
    for _ in range(0, 1000, MOST_READ):
        gather(moody)
    workspace = BucketWorkspace("memory:///", tmp_path)
    workspace._index = BucketIndex(cast("Bucket", moody))
    moody.requests.clear()

    rows = list_cards(workspace, None, FakeClock())

    assert [row.id for row in rows] == [job(number) for number in reversed(range(1000))]
    assert {row.standing for row in rows} == {"succeeded"}
    assert moody.requests == [("listed", "index/"), ("get", GATHERED)]


def test_only_what_is_not_gathered_is_read_by_itself() -> None:
    moody = MoodyBucket(bucket_of(10))
    gather(moody)
    for number, changes in ((3, {"open": True}), (10, {}), (11, {"finished": None})):
        put(moody._real, number, **changes)
    moody.requests.clear()

    assert len(cards(moody)) == 12
    alone = {job(3), job(10), job(11)}
    assert {key.split("/")[1] for verb, key in moody.requests[2:]} == alone
    gather(moody)
    assert set(gathered(moody._real)) == {job(number) for number in range(11)} - {job(3)}


def test_a_head_that_has_nothing_to_add_writes_nothing() -> None:
    moody = MoodyBucket(bucket_of(3))
    gather(moody)
    moody.requests.clear()

    gather(moody)

    assert [verb for verb, _ in moody.requests] == ["listed", "get"]


# --- whatever becomes of it ------------------------------------------------------------------


def test_a_workspace_in_which_nothing_was_gathered_lists_as_any_other() -> None:
    bucket = bucket_of(MOST_READ + 5)
    truth = {job(number): card(number) for number in range(MOST_READ + 5)}

    assert cards(bucket) == truth
    gather(bucket)
    assert len(gathered(bucket)) == MOST_READ
    assert cards(bucket) == truth
    gather(bucket)
    assert gathered(bucket).keys() == truth.keys()


def test_a_job_that_goes_on_or_is_removed_is_listed_as_it_is_now() -> None:
    bucket = bucket_of(3)
    gather(bucket)
    put(bucket, 1, open=True, state="running", finished=None)
    bucket.delete([card_key(job(2), "n 2")])

    assert cards(bucket) == {
        job(1): card(1, open=True, state="running", finished=None),
        job(0): card(0),
    }


@pytest.mark.parametrize("mood", MOODS)
def test_wherever_a_head_fails_while_it_gathers_the_list_is_right(mood: Any) -> None:
    fatal = 0
    while True:
        bucket = bucket_of(2)
        gather(bucket)
        put(bucket, 2)
        truth = {job(number): card(number) for number in range(3)}
        moody = MoodyBucket(bucket)
        moody.mood = lambda *_, moody=moody, fatal=fatal: (
            mood if len(moody.requests) == fatal + 1 else "well"
        )
        with suppress(JournalDown):
            gather(moody)

        assert cards(bucket) == truth
        gather(bucket)
        assert gathered(bucket).keys() == truth.keys()
        if len(moody.requests) <= fatal:
            return
        fatal += 1


def test_what_many_heads_gather_at_once_is_right() -> None:
    bucket = bucket_of(20)
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: gather(bucket), range(10)))
    truth = {job(number): card(number) for number in range(20)}

    assert cards(bucket) == truth
    assert gathered(bucket).keys() == truth.keys()


def test_damage_to_what_is_gathered_hides_no_job() -> None:
    bucket, dice = bucket_of(5), Random(5)
    gather(bucket)
    whole = bucket.get(GATHERED)
    assert whole is not None
    truth = {job(number): card(number) for number in range(5)}
    for harm in [damaged] * 100 + [flipped] * 100:
        bucket.put(GATHERED, harm(dice, whole.data))
        assert cards(bucket) == truth
    for size in range(len(whole.data)):
        assert unpack(whole.data[:size]) == {}
    gather(bucket)
    assert gathered(bucket).keys() == truth.keys()


@pytest.mark.parametrize("inside", [[], 3, {"x": 1}, {"x": [1, 2, 3]}, {"x": [1, {}]}, {"x": "ab"}])
def test_what_somebody_else_wrote_there_hides_no_job(inside: Any) -> None:
    bucket = bucket_of(2)
    bucket.put(GATHERED, pack(inside))

    assert cards(bucket) == {job(number): card(number) for number in range(2)}


def test_the_head_of_a_bucket_job_gathers_its_card_when_it_is_final(tmp_path: Path) -> None:
    workspace = BucketWorkspace("memory:///", tmp_path)
    with workspace.draft(0.0) as draft:
        draft.show(TOPIC, card(0, finished=None))
        draft.commit(['["first"]'])
    store = workspace.job(draft.id)
    bucket = workspace._bucket

    store.show(TOPIC, card(0, open=True))
    assert gathered(bucket) == {}
    store.show(TOPIC, card(0))
    assert gathered(bucket).keys() == {draft.id}
    assert list(workspace.cards()) == [(draft.id, card(0))]
