"""What a client leaves that dies while it makes a job is deleted, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from batchio.stores import bucket_drafts
from batchio.stores.bucket import BucketWorkspace
from batchio.stores.bucket_drafts import STALE_S, Drafts
from tests.stores.moody import MoodyBucket

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.buckets.blocking import Bucket, Listed


class Place:
    """A workspace in a bucket, and how long ago things there were written."""

    def __init__(self, root: Path) -> None:
        self.workspace = BucketWorkspace("memory:///", root)
        self.bucket = MoodyBucket(self.workspace._bucket)
        self.workspace._bucket = cast("Bucket", self.bucket)
        self.workspace._drafts = Drafts(cast("Bucket", self.bucket))
        self.old: set[str] = set()
        """Ids of jobs whose marks are old."""
        real = self.bucket._real
        self.bucket.listed = lambda folder: [self._aged(one) for one in real.listed(folder)]  # type: ignore[attr-defined]

    def _aged(self, one: Listed) -> Listed:
        old = one.key.removeprefix("drafts/") in self.old
        return one._replace(changed=one.changed - STALE_S - 1.0) if old else one

    def begin(self) -> str:
        """Make half a job, as a client does that is killed; return its id."""
        draft = self.workspace.draft(0.0)
        draft.put_inputs([b"a"], "a list")
        draft.bundle().write_bytes(b"tar")
        draft.send()
        return draft.id

    def make(self) -> str:
        with self.workspace.draft(0.0) as draft:
            draft.commit(['["first"]'])
        return draft.id

    def kept(self) -> list[str]:
        return self.bucket._real.keys("")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def of(job: str, keys: list[str]) -> list[str]:
    return [key for key in keys if job in key]


def test_what_a_killed_client_left_is_deleted_by_a_later_one_when_it_is_old(place: Place) -> None:
    killed, busy = place.begin(), place.begin()
    place.make()
    assert of(killed, place.kept()) == [
        f"drafts/{killed}",
        *(f"jobs/{killed}/{name}" for name in ("bundle.tar", "claim", "inputs", "inputs.index")),
    ]

    place.old = {killed}
    made = place.make()
    assert of(killed, place.kept()) == []
    assert len(of(busy, place.kept())) == 5
    assert of(made, place.kept())


def test_a_job_whose_client_died_after_it_was_made_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(bucket_drafts.Drafts, "unmark", lambda *_: None)
        jobs = [place.make() for _ in range(2)]
    place.bucket.delete([f"jobs/{jobs[1]}/journal/0000000001"])  # by a rule of the bucket's
    place.old = set(jobs)

    place.make()

    assert set(jobs) < set(place.workspace.jobs())
    assert [key for key in place.kept() if key.startswith("drafts/")] == []


def test_what_is_made_or_given_up_leaves_no_mark(place: Place) -> None:
    place.make()
    with place.workspace.draft(0.0):
        pass

    assert [key for key in place.kept() if key.startswith("drafts/")] == []


def test_a_sweep_that_fails_keeps_nobody_from_making_a_job(place: Place) -> None:
    killed = place.begin()
    place.old = {killed}
    moods: dict[str, Any] = {"keys": "down"}
    place.bucket.mood = lambda verb, key: moods.get(verb, "well")

    assert place.make()
    assert f"drafts/{killed}" in place.kept()
