"""Credentials of AWS from files and programs. Run by test_bucket.py, in a sealed process only."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from batchio.buckets import aws, check, open_bucket, open_streaming
from batchio.errors import NotAuthorised
from tests.contracts import sealed
from tests.contracts.filestore_kinds import s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchio.buckets.blocking import Bucket

sealed.enter()  # before anything loads obstore or moto

CONFIG = """
[profile keys]
region = us-east-1
aws_access_key_id = one
aws_secret_access_key = two
[profile program]
region = us-east-1
credential_process = sh {place}/program
"""
PROGRAM = "cat {place}/says 2>/dev/null || {{ echo your login has expired >&2; exit 1; }}"
SAYS = '{{"Version": 1, "AccessKeyId": "k", "SecretAccessKey": "s", "Expiration": "{}"}}'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3(tmp_path_factory.mktemp("store")) as kind:
        yield kind.url


@pytest.fixture(autouse=True)
def place(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the files; nothing of it is in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(CONFIG.format(place=tmp_path))
    (tmp_path / "program").write_text(PROGRAM.format(place=tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return tmp_path


def opened(url: str) -> Bucket:
    return open_bucket(check(url), patience=1.0)


def says(place: Path, seconds: float) -> None:
    """Let the program give credentials that live so long."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    (place / "says").write_text(SAYS.format(until.isoformat(timespec="seconds")))


def test_a_profile_gives_keys_and_region(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "keys")
    opened(url).put("a", b"x")
    assert asyncio.run(open_streaming(check(url), patience=1.0).get("a")) == b"x"

    assert "one%2F" in opened(url).sign("a", 60)


def test_keys_in_the_environment_come_first(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "keys")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "too")
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    assert "mine%2F" in opened(url).sign("a", 60)


def test_what_ends_soon_is_renewed_and_no_url_outlives_it(
    url: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "program")
    says(place, 50)
    bucket = opened(url)
    bucket.put("a", b"x")
    [life] = parse_qs(urlsplit(bucket.sign("a", 3600)).query)["X-Amz-Expires"]
    assert int(life) <= 50

    (place / "says").unlink()
    with pytest.raises(NotAuthorised, match="your login has expired") as err:
        _put_again_and_again(bucket)
    assert err.value.hint == aws.HINT
    says(place, 3600)
    bucket.put("a", b"y")
    [life] = parse_qs(urlsplit(bucket.sign("a", 3600)).query)["X-Amz-Expires"]
    assert 3500 < int(life) <= 3600


def _put_again_and_again(bucket: Bucket) -> None:
    """Until obstore asks for other credentials, a tenth of a second after the last time."""
    while True:
        bucket.put("a", b"y")


@pytest.mark.parametrize(
    ("profile", "said"), [("nobody", "nobody"), ("program", "your login has expired")]
)
def test_a_profile_that_gives_nothing_is_said_in_a_line(
    url: str, profile: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(NotAuthorised, match=said) as err:
        opened(url)

    assert (err.value.where, err.value.hint) == (url, aws.HINT)
    assert len(err.value.message.splitlines()) == 1


def test_without_botocore_what_to_do_is_said(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_PROFILE", "keys")
    monkeypatch.setattr(aws, "find_spec", lambda _: None)
    with pytest.raises(NotAuthorised, match="no credentials") as err:
        opened(url).put("a", b"x")

    assert "aws configure export-credentials" in (err.value.hint or "")
