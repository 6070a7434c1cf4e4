"""Whatever bytes an object of a job in a bucket has: it hides nothing but itself."""

from __future__ import annotations

import json
import zlib
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given

from batchio.core.cards import TOPIC
from batchio.errors import LeaseHeld
from batchio.runtime.live_status import LOADS, read_live_status
from batchio.stores import segments
from batchio.stores.bucket import BucketWorkspace
from batchio.stores.bucket_lease import BucketLease, holder
from batchio.stores.bucket_logs import BucketLogs
from batchio.stores.bucket_mirror import Mirror
from batchio.stores.log_packs import contents
from batchio.stores.log_records import HEADER, STDOUT
from batchio.stores.logs import LINES, all_printed
from batchio.stores.summed_line import write_line
from tests.damage import SEEDS, anything, changed, damaged, flipped
from tests.effort import examples
from tests.stores.moody import JOB, bucket_with_job, journal_in

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.buckets.blocking import Bucket, Dated

DEEP = b"[" * 100_000
JUNK = [b"", b"{", b"\n", b"\xff" * 40, DEEP, b"9" * 5000, b"0\n", b'{"a": 1}', b"[]\n", b"null"]


# --- logs --------------------------------------------------------------------------------


def printed(folder: Path) -> tuple[Bucket, dict[str, list[str]]]:
    """A bucket with logs of three nodes, and the lines that each of its objects holds."""
    bucket = bucket_with_job()
    mirror = Mirror(bucket, JOB, folder, 1)
    held: dict[str, list[str]] = {}
    for turn in range(6):
        lines = []
        for node in range(3):
            place = folder / "logs" / str(node)
            place.mkdir(parents=True, exist_ok=True)
            line = f"turn {turn} node {node}"
            lines.append(line)
            text = f"{line}\n".encode()
            record = HEADER.pack(len(text), node, 1, STDOUT, 0, 18 * 10**14 + turn) + text
            with (place / f"{0:020d}").open("ab") as segment:
                segment.write(record)
        mirror.flush()
        held[f"jobs/{JOB}/live/{turn + 1:010d}"] = lines
        if turn == 3:
            mirror.seal()
            sealed = [line for lines in held.values() for line in lines]
            held = {f"jobs/{JOB}/logs/{1:010d}-{4:010d}": sealed}
    there = [key for place in ("live", "logs") for key in bucket.keys(f"jobs/{JOB}/{place}/")]
    assert sorted(held) == sorted(there)
    return bucket, held


def lines_of(bucket: Bucket, folder: Path) -> list[str]:
    logs = BucketLogs(bucket, JOB, folder)
    logs.catch_up(over=True)
    return [line.text for line in all_printed(logs, LINES)]


@examples(20)
@given(seed=SEEDS)
def test_a_damaged_pack_hides_no_line_of_another_one(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder, dice = tmp_path_factory.mktemp("copy"), Random(seed)
    bucket, held = printed(folder)
    everything = sorted(line for lines in held.values() for line in lines)
    assert sorted(lines_of(bucket, folder)) == everything
    for key in held:
        found = bucket.get(key)
        assert found is not None
        cut = found.data[: dice.randrange(1, len(found.data))]
        for hurt in (damaged(dice, found.data), flipped(dice, found.data), cut):
            bucket.put(key, hurt or b"x")
            # As one text: a newline may be what is damaged.
            seen = "\n".join(lines_of(bucket, folder))
            others = {line for other, lines in held.items() if other != key for line in lines}
            assert [line for line in others if line not in seen] == []
            _need_another_head(bucket, folder)
        bucket.put(key, found.data)


def _need_another_head(bucket: Bucket, folder: Path) -> None:
    """A head that takes over begins, whatever it finds, and what it copies is read."""
    Mirror(bucket, JOB, folder / "another", 2)


@pytest.mark.parametrize("junk", JUNK)
def test_an_object_that_is_no_pack_at_all_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    bucket, held = printed(tmp_path)
    last = max(key for key in held if "/live/" in key)
    bucket.put(last, junk or b"x")
    seen = lines_of(bucket, tmp_path)

    assert set(held.pop(last)).isdisjoint(seen)
    assert sorted(seen) == sorted(line for lines in held.values() for line in lines)


@examples(20)
@given(seed=SEEDS)
def test_a_line_that_fits_its_checksum_and_makes_no_sense_is_refused(seed: int) -> None:
    dice = Random(seed)
    packs = {"v": 1, "pieces": [[0, 0, 4], [1, 7, 4]], "origins": {"0": ["an agent", 3]}}
    segment = {
        "v": 1,
        "epoch": 1,
        "by": "x",
        "first": 1,
        "sizes": [3],
        "sums": [zlib.crc32(b"abc")],
    }
    for _ in range(100):
        for sound, read in ((packs, contents), (segment, lambda data: list(segments.unpack(data)))):
            hurt = changed(dice, sound, [0, 1, "x", "pieces", "sizes"])
            said = hurt if isinstance(hurt, dict) else {"v": 1, "x": hurt}
            said = {"v": 1, **said} if said.get("v") == 1 else said | {"v": 1}
            try:
                cast("Any", read)(write_line(said) + b"abc\n")
            except ValueError:
                continue


# --- the lease ---------------------------------------------------------------------------


@examples(20)
@given(seed=SEEDS)
def test_whatever_a_lease_says_it_is_somebodys_or_nobodys_and_can_be_taken(seed: int) -> None:
    bucket, dice = bucket_with_job(), Random(seed)
    lease = BucketLease(bucket, JOB, "local", "me")
    lease.take(1)
    found = bucket.get(f"jobs/{JOB}/lease")
    assert found is not None
    true = json.loads(found.data)
    for _ in range(30):
        hurt = changed(dice, true, ["released", True, JOB])
        data = dice.choice([damaged(dice, found.data), json.dumps(hurt).encode(), b"x"])
        bucket.put(f"jobs/{JOB}/lease", data or b"x")
        who = holder(bucket, JOB)
        assert who is None or min(who.pid, who.left) >= 0
        try:
            lease.renew()  # ours, as nobody else says that it is his
        except LeaseHeld:
            lease = BucketLease(bucket, JOB, "local", "me") if who is None else lease
            bucket.delete([f"jobs/{JOB}/lease"])
            lease.take(1)


@pytest.mark.parametrize("junk", [*JUNK, json.dumps(anything(Random(1))).encode()])
def test_a_head_takes_over_when_the_lease_is_junk_and_old(junk: bytes) -> None:
    bucket = bucket_with_job()
    bucket.put(f"jobs/{JOB}/lease", junk or b"x")
    real = bucket.dated
    bucket.dated = lambda key: cast("Dated", real(key))._replace(age=61.0)  # type: ignore[method-assign]

    assert journal_in(bucket).epoch == 1


# --- what is shown -----------------------------------------------------------------------


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_shown_and_makes_no_sense_counts_as_nothing(tmp_path: Path, junk: bytes) -> None:
    workspace = BucketWorkspace("memory:///", tmp_path)
    with workspace.draft(0.0) as draft:
        draft.show(TOPIC, {"state": "pending"})
        draft.commit(['["first"]'], name="ä")
    store, bucket = workspace.job(draft.id), workspace._bucket
    store.show(LOADS, {"1": {"load": 1.0}})
    for key in (f"jobs/{draft.id}/shown/{LOADS}", f"index/{draft.id}/~%C3%A4"):
        assert bucket.get(key) is not None
        bucket.put(key, junk)
    told: dict[str, Any] = {"a": 1} if junk == b'{"a": 1}' else {}

    assert store.shown(LOADS) == store.shown(TOPIC) == dict(workspace.cards())[draft.id] == told
    assert read_live_status(store, LOADS) == {}
    assert store.name() == "ä"
