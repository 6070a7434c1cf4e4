"""A job in S3 behind a front with moods. Run by test_bucket.py, in a sealed process only."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio import submit
from batchio.buckets import blocking, check, open_bucket
from batchio.core.task import Outcome
from batchio.errors import JournalDown, LeaseHeld
from batchio.providers.local import LocalProvider
from batchio.runtime.head import lead
from batchio.runtime.replay import Fold
from batchio.stores import bucket
from batchio.stores.bucket import BucketWorkspace
from batchio.stores.bucket_journal import BucketJournal, create_journal
from batchio.stores.bucket_lease import BucketLease, holder
from batchio.stores.bucket_reader import BucketReader
from tests.contracts import sealed
from tests.contracts.filestore_kinds import s3
from tests.contracts.front import MOODS, Front, Mood, well

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

sealed.enter()  # before anything loads obstore or moto

JOB = "2b7l9lg7dl"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with s3(tmp_path_factory.mktemp("store")):
        made = Front(os.environ["AWS_ENDPOINT_URL"])
        with made as url:
            os.environ["AWS_ENDPOINT_URL"] = url
            yield made


@pytest.fixture
def url(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of an empty folder in a bucket, whose users give up soon."""
    monkeypatch.setattr(blocking, "SMALL_LIMIT", "1s")
    monkeypatch.setattr(bucket, "PATIENCE_S", 1.0)
    front.mood = well
    front.requests.clear()
    return f"s3://bucket/{tmp_path.name}"


def nth(mood: Mood, wanted: int, fits: Callable[[str, str], bool]) -> Callable[[str, str], Mood]:
    """A mood for one request alone: that of this number, of those that fit."""
    seen = 0

    def choose(verb: str, path: str) -> Mood:
        nonlocal seen
        seen += fits(verb, path)
        return mood if fits(verb, path) and seen == wanted else "well"

    return choose


async def again(ask: Callable[[], Any]) -> Any:
    """Ask until there is an answer, as the engine does."""
    while True:
        try:
            return await ask()
        except JournalDown:
            await asyncio.sleep(0.05)


@pytest.mark.asyncio
@pytest.mark.parametrize("mood", MOODS)
async def test_a_batch_stands_once_whatever_became_of_its_answer(
    front: Front, url: str, mood: Mood
) -> None:
    place = open_bucket(check(url), patience=1.0)
    create_journal(place, JOB, ["first"])
    journal = BucketJournal(place, JOB)
    front.mood = nth(mood, 1, lambda verb, path: verb == "PUT" and "/journal/" in path)
    await again(lambda: journal.append(["a", "b"]))
    await again(lambda: journal.append(["c"]))
    front.mood = well
    await journal.close()

    assert [body for _, body in BucketReader(place, JOB).read()] == ["first", "a", "b", "c"]


@pytest.mark.parametrize("mood", MOODS)
def test_a_sign_of_life_whose_answer_was_lost_is_no_rivals(
    front: Front, url: str, mood: Mood
) -> None:
    place = open_bucket(check(url), patience=1.0)
    lease = BucketLease(place, JOB, "local", "a")
    lease.take(1)
    front.mood = nth(mood, 1, lambda verb, path: verb == "PUT" and path.endswith("/lease"))
    for _ in range(3):
        try:
            lease.renew()
        except JournalDown:
            continue

    assert holder(place, JOB) is not None
    rival = BucketLease.__new__(BucketLease)
    rival.__dict__ |= {**vars(lease), "_said": {**lease._said, "by": "b"}}
    rival.take(2)
    with pytest.raises(LeaseHeld):
        lease.renew()


@pytest.mark.asyncio
@pytest.mark.parametrize("mood", ["lost", "409", "503"])
async def test_a_real_job_ends_well_while_every_third_write_goes_wrong(
    front: Front, url: str, mood: Mood, tmp_path: Path
) -> None:
    script = tmp_path / "task.sh"
    script.write_text(f"#!/bin/sh\necho $BATCHIO_TASK_ID >> {tmp_path}/diary\n")
    options = {"ntasks": 5, "slots": 2, "workspace": str(tmp_path / "unused")}
    prepared = submit.prepare([str(script)], options, folder=tmp_path)
    prepared.workspace = BucketWorkspace(url, tmp_path / "files")
    written = 0

    def every_third(verb: str, path: str) -> Mood:
        nonlocal written
        written += verb == "PUT"
        return mood if verb == "PUT" and written % 3 == 2 else "well"

    front.mood = every_third
    job = prepared.create()
    async with asyncio.timeout(60):
        outcome = await lead(prepared.workspace.job(job), LocalProvider)
    front.mood = well

    assert outcome is Outcome.SUCCEEDED
    assert sorted((tmp_path / "diary").read_text().split()) == ["0", "1", "2", "3", "4"]
    elsewhere = BucketWorkspace(url, tmp_path / "elsewhere")
    assert elsewhere.jobs() == [job]
    fold = Fold(elsewhere.job(job).reader())
    fold.catch_up()
    assert list(fold.machine.tasks.attempt) == [1] * 5
    assert elsewhere.job(job).leader() is None
    assert written > 9
