"""What every bucket must do. Run by test_bucket.py, in a sealed process only."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from batchio.buckets import check, open_bucket
from batchio.buckets.azure import signed_by_name
from batchio.errors import NotAuthorised, ProviderDown, ProviderError, UsageError
from tests.contracts import sealed
from tests.contracts.filestore_kinds import AZURE_KEY, KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

sealed.enter()  # before anything loads obstore or moto


@pytest.fixture(scope="module", params=KINDS, ids=lambda f: f.__name__)
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kind]:
    make: Callable[[Path], Any] = request.param
    with make(tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture
def bucket(kind: Kind, tmp_path: Path) -> Bucket:
    """A bucket with nothing in it."""
    url = kind.url if kind.name == "memory" else f"{kind.url}/{tmp_path.name}"
    return open_bucket(check(url), patience=5.0)


# --- writing and reading -----------------------------------------------------


def test_what_was_put_last_is_read(bucket: Bucket) -> None:
    assert bucket.get("jobs/1/a") is None
    bucket.put("jobs/1/a", b"one")
    mark = bucket.put("jobs/1/a", b"")

    assert bucket.get("jobs/1/a") == (b"", mark)


def test_a_key_may_hold_what_people_call_their_jobs(bucket: Bucket) -> None:
    keys = ["index/2b7~a%20name", "index/2b7~n~%C3%A4", "index/2b7~"]
    for key in keys:
        bucket.put(key, key.encode())

    assert bucket.keys("index/") == sorted(keys)
    assert [bucket.get(key) for key in keys if bucket.get(key) is None] == []


def test_what_is_there_is_not_written_anew(bucket: Bucket) -> None:
    mark = bucket.put_new("a", b"first")

    assert mark is not None
    assert bucket.put_new("a", b"second") is None
    assert bucket.get("a") == (b"first", mark)


def test_of_many_who_write_one_key_anew_one_wins(bucket: Bucket) -> None:
    with ThreadPoolExecutor(10) as threads:
        won = list(threads.map(lambda n: bucket.put_new("a", str(n).encode()), range(20)))

    [winner] = [n for n, mark in enumerate(won) if mark is not None]
    found = bucket.get("a")
    assert found is not None
    assert found.data == str(winner).encode()


def test_only_the_object_that_is_known_is_swapped(kind: Kind, bucket: Bucket) -> None:
    first = bucket.put("a", b"first")
    if kind.name == "folder":
        with pytest.raises(UsageError, match="swaps nothing"):
            bucket.swap("a", b"second", first)
        return
    second = bucket.swap("a", b"second", first)

    assert second is not None
    assert bucket.swap("a", b"third", first) is None
    assert bucket.swap("missing", b"x", first) is None
    assert bucket.get("a") == (b"second", second)


def test_of_many_who_swap_one_object_one_wins(kind: Kind, bucket: Bucket) -> None:
    if kind.name == "folder":
        return
    first = bucket.put("a", b"first")
    with ThreadPoolExecutor(10) as threads:
        won = list(threads.map(lambda n: bucket.swap("a", str(n).encode(), first), range(20)))

    [winner] = [n for n, mark in enumerate(won) if mark is not None]
    found = bucket.get("a")
    assert found is not None
    assert found.data == str(winner).encode()


def test_an_object_is_read_again_only_when_it_is_another(bucket: Bucket) -> None:
    assert bucket.get_other("a", None) is None
    first = bucket.put("a", b"first")
    assert bucket.get_other("a", None) == (b"first", first)
    assert bucket.get_other("a", first) is None
    second = bucket.put("a", b"second")

    assert bucket.get_other("a", first) == (b"second", second)
    bucket.delete(["a"])
    assert bucket.get_other("a", second) is None


def test_a_listing_begins_behind_a_key_and_leaves_out_others(bucket: Bucket) -> None:
    for key in ("j/1", "j/2", "j/3", "j/deep/4", "jj/5", "i/6"):
        bucket.put(key, b"some")

    assert bucket.keys("j/") == ["j/1", "j/2", "j/3", "j/deep/4"]
    assert bucket.keys("j/", "j/2") == ["j/3", "j/deep/4"]
    assert bucket.keys("none/") == []
    assert bucket.sizes("j/") == 16


def test_a_listing_marks_each_object_as_whoever_wrote_it_does(bucket: Bucket) -> None:
    marks = {key: bucket.put(key, key.encode()).e_tag for key in ("i/1", "i/2")}
    marks["i/1"] = bucket.put("i/1", b"another").e_tag

    listed = bucket.listed("i/")
    assert {one.key: one.e_tag.strip('"') for one in listed} == {
        key: e_tag.strip('"') for key, e_tag in marks.items()
    }
    assert [one.size for one in listed] == [7, 3]


def test_the_beginning_of_an_object_comes_with_its_size(bucket: Bucket) -> None:
    bucket.put("a", b"0123456789")

    assert bucket.get_beginning("a", 4) == (b"0123", 10)
    assert bucket.get_beginning("a", 40) == bucket.get_beginning("a") == (b"0123456789", 10)
    assert bucket.get_beginning("none", 4) is bucket.get_beginning("none") is None


def test_deleting_may_be_repeated(bucket: Bucket) -> None:
    bucket.put("a", b"x")
    bucket.put("b", b"x")
    bucket.delete(["a", "never"])
    bucket.delete(["a"])
    bucket.delete([])

    assert bucket.keys("") == ["b"]


# --- by the store's clock ----------------------------------------------------


def test_an_age_is_the_stores_own(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bucket.dated("a") is None
    bucket.put("a", b"x")

    if bucket.signs_writes:  # else the store is this computer
        monkeypatch.setattr(time, "time", lambda: 0.0)
    found = bucket.dated("a")
    assert found is not None
    assert found.data == b"x"
    assert 0 <= found.age < 60


# --- without credentials -----------------------------------------------------


def test_whoever_knows_a_signed_url_may_write_there(kind: Kind, bucket: Bucket) -> None:
    if kind.name in ("folder", "memory"):
        with pytest.raises(UsageError, match="has no URLs for PUT"):
            bucket.sign("a", 60, "PUT")
        return
    typed = {"Content-Type": "application/octet-stream", "x-ms-blob-type": "BlockBlob"}
    url = bucket.sign("a", 60, "PUT")
    asked = urllib.request.Request(url, b"from a node", typed, method="PUT")
    with urllib.request.urlopen(asked) as answer:
        assert answer.status in (200, 201)

    found = bucket.get("a")
    assert found is not None
    assert found.data == b"from a node"
    with pytest.raises(UsageError, match="a week is the most"):
        bucket.sign("a", 8 * 86400)


# --- trouble -----------------------------------------------------------------


def test_a_bucket_that_is_not_there_is_said_by_every_verb(kind: Kind) -> None:
    if not kind.bucketless:
        return
    bucket = open_bucket(check(kind.bucketless), patience=0.1)
    known = open_bucket(check(kind.url), patience=5.0).put("a", b"x")
    asking: list[Callable[[], object]] = [
        lambda: bucket.put("a", b"x"),
        lambda: bucket.put_new("a", b"x"),
        lambda: bucket.swap("a", b"x", known),
        lambda: bucket.get("a"),
        lambda: bucket.keys("a/"),
    ]
    for ask in asking:
        with pytest.raises(UsageError, match="there is no such bucket"):
            ask()


def test_nobody_answering_is_no_answer(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind.name != "s3":
        return
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    bucket = open_bucket(check("s3://bucket/x"), patience=0.1)
    asking: list[Callable[[], object]] = [
        lambda: bucket.put_new("a", b"x"),
        lambda: bucket.get("a"),
        lambda: bucket.dated("a"),
    ]
    for ask in asking:
        with pytest.raises(ProviderDown):
            ask()


def test_a_url_is_signed_for_no_longer_than_the_credentials_live(
    kind: Kind, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind.name != "s3":
        return
    soon = datetime.now(UTC) + timedelta(seconds=100)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", soon.isoformat())
    [life] = parse_qs(urlsplit(bucket.sign("a", 3600, "PUT")).query)["X-Amz-Expires"]
    assert 90 <= int(life) <= 100

    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00+00:00")
    with pytest.raises(NotAuthorised, match="the credentials expired at 2020"):
        bucket.sign("a", 3600, "PUT")


def test_a_large_object_is_read_from_anywhere_and_a_url_names_just_its_object(
    kind: Kind, bucket: Bucket
) -> None:
    key, data = "odd/a b%20c?d#é", bytes(range(256)) * 10000
    bucket.put(key, data)

    assert b"".join(bucket.read(key)) == data
    assert b"".join(bucket.read(key, 2_000_000)) == data[2_000_000:]
    assert b"".join(bucket.read(key, len(data))) == b""
    with pytest.raises(ProviderError, match="there is no"):
        b"".join(bucket.read("missing"))
    if bucket.signs_writes:
        with urllib.request.urlopen(bucket.sign(key, 60)) as answer:
            assert answer.read() == data


def test_a_name_that_is_no_plain_path_is_signed_as_its_store_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:9/devstoreaccount1")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)
    monkeypatch.setattr("batchio.buckets.connection.signed_by_name", lambda url, _: url)
    bucket = open_bucket(check("az://container/x"), patience=0.1)
    plain, odd = bucket.sign("a-b", 60), bucket.sign("a b", 60)

    assert signed_by_name(plain, os.environ) == plain
    assert signature(signed_by_name(odd, os.environ)) != signature(odd)
    # obstore signs the path as it is written; so a name that is written so is signed alike
    written = odd.replace("a%20b", "a%2520b")
    assert signature(signed_by_name(written, os.environ)) == signature(odd)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    assert signed_by_name(odd, os.environ) == odd


def signature(url: str) -> str:
    [found] = parse_qs(urlsplit(url).query)["sig"]
    return found
