"""What a workspace in a bucket costs in time, beside one in a folder.

    python -m benchmarks.bucket [--tasks 2000] [--slots 20] [--long 10000] [--jobs 1000]
                                [--rounds 3]

The store is moto's S3 in a process of its own, which waits 50 or 30 ms before it answers.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from batchio.core.cards import first_card
from batchio.core.ids import job_id
from batchio.runtime.cards import list_cards
from batchio.runtime.host import HostClock
from batchio.stores import open_workspace
from batchio.stores.bucket_index import MOST_READ, BucketIndex, card_key
from batchio.testing import Ends
from benchmarks.side_by_side import (
    BATCHIO,
    ROOT,
    Spent,
    Table,
    in_turn,
    options,
    ratio,
    scratch,
    spent,
)
from tests.core.machines import spec
from tests.runtime.test_head_in_bucket import BucketJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

T = TypeVar("T")

TASK_S: Final = 0.2
AT_ONCE: Final = 32
"""Objects that are written at the same time, before anything is measured."""


def main() -> None:
    asked = options(__doc__, tasks=2000, slots=20, long=10_000, jobs=1000, rounds=3)
    table = Table("A workspace in a bucket")
    with scratch() as folder:
        os.environ |= {f"XDG_{kind}_HOME": str(folder / kind) for kind in ("CACHE", "DATA")}
        with store(0.05):
            took = in_turn(
                {
                    "folder": lambda: run(str(folder / "workspace"), asked.tasks, asked.slots),
                    "bucket": lambda: run("s3://bucket/run", asked.tasks, asked.slots),
                },
                asked.rounds,
            )
        with store(0.03):
            segments, looked = status(folder, asked.long)
            listed = [list_all(asked.jobs) for _ in range(asked.rounds)]
    table.add("seconds with a folder", f"{statistics.median(took['folder']):.3g}")
    what = f"{asked.tasks:,} x {TASK_S} s, {asked.slots} at a time; store of 50 ms / folder"
    table.most(what, ratio(took["bucket"], took["folder"]), 1.15, " x")
    what = f"status of {asked.long:,} tasks, {segments:,} segments, nothing here; store of 30 ms"
    table.most(what, looked, 2.0, " s")
    table.add(f"list of {asked.jobs:,} jobs; store of 30 ms", f"{statistics.median(listed):.3g} s")
    table.show()


@contextmanager
def store(wait: float) -> Iterator[None]:
    """An S3 that answers after so many seconds; the environment leads to it."""
    command = [sys.executable, "-m", "tests.contracts.s3", "127.0.0.1", "0", str(wait)]
    unseen = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=unseen) as server:
        assert server.stdout is not None
        os.environ |= {
            "AWS_ENDPOINT_URL": server.stdout.readline().decode().strip(),
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        try:
            yield
        finally:
            server.kill()


def run(workspace: str, tasks: int, slots: int) -> Spent:
    """The whole of a job on this computer."""
    words = ["run", "--wait", "--workspace", workspace, "--slots", str(slots)]
    return spent([BATCHIO, *words, "--ntasks", str(tasks), "--", "sleep", str(TASK_S)])


def status(folder: Path, tasks: int) -> tuple[int, float]:
    """The number of segments of a job that is done, and the seconds that a first look takes."""
    job = BucketJob(folder, spec(tasks), lambda at: Ends(seconds=60 + at.task % 97), nodes=100)
    job.lead(limit=1_000_000)
    source, target = job.moody._real, bucket_of("s3://bucket/status")
    keys = source.keys("")

    def copy(key: str) -> None:
        found = source.get(key)
        assert found is not None
        target.put(key, found.data)

    at_once(copy, keys)
    segments = sum("/journal/" in key for key in keys)
    return segments, spent(
        [BATCHIO, "status", job.id, "--workspace", "s3://bucket/status"],
        env=os.environ | {"XDG_CACHE_HOME": str(folder / "another")},
    )


def list_all(jobs: int) -> float:
    """Seconds to list jobs that are done."""
    place = open_workspace("s3://bucket/list")
    if not place.jobs():
        fill(jobs)
    began = time.perf_counter()
    rows = list_cards(place, None, HostClock())
    took = time.perf_counter() - began
    assert len(rows) == jobs
    return took


def fill(jobs: int) -> None:
    """Write the cards of jobs that are done."""
    bucket, now = bucket_of("s3://bucket/list"), time.time()

    def put(number: int) -> None:
        job = job_id(now - number, bytes(4))
        card = first_card(job, spec(3), now - number) | {"state": "done", "finished": now}
        bucket.put(card_key(job, "bench"), json.dumps(card).encode())

    at_once(put, range(jobs))
    for _ in range(0, jobs, MOST_READ):
        BucketIndex(bucket).gather()


def bucket_of(url: str) -> Bucket:
    from batchio.buckets import check, open_bucket

    return open_bucket(check(url), patience=10.0)


def at_once(work: Callable[[T], None], over: Iterable[T]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(work, over))


if __name__ == "__main__":
    main()
