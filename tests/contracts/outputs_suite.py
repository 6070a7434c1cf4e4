"""Outputs go from nodes to every kind of bucket. Run by test_outputs_in_buckets.py, sealed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

import batchio
from batchio.buckets import check, open_bucket
from tests.contracts import sealed
from tests.contracts.filestore_kinds import Kind, azure, gcs, s3
from tests.contracts.front import Front

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contracts.front import Mood

sealed.enter()  # before anything loads obstore or moto

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore::batchio.BatchioWarning"),
]

LEAVE = """
echo $BATCHIO_TASK_ID > 'a b+c%20é.txt'; mkdir -p deep/er; head -c 300000 /dev/zero > deep/er/zeros
touch empty; ln -s empty link; mkdir hollow
"""
FILES = {"a b+c%20é.txt": b"0\n", "deep/er/zeros": bytes(300000), "empty": b""}
LINKS = "links and empty folders are not stored, such as {!r} of task 0: a store has files"


@pytest.fixture(scope="module", params=[s3, gcs, azure], ids=lambda f: f.__name__)
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kind]:
    make: Callable[[Path], Any] = request.param
    with make(tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture
def url(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BATCHIO_WORKSPACE", str(tmp_path / "workspace"))
    return f"{kind.url}/{tmp_path.name}"


async def ran(url: str, script: str = LEAVE, **options: Any) -> tuple[batchio.Job, list[str]]:
    """A job of one task, once it has succeeded, and the notes about it."""
    job = await batchio.run(script, shell=True, output_filestore=url, **options)
    result = await job.wait(timeout=60, check=True)
    return job, [text for _, text in result.job.notes]


def stored(url: str) -> dict[str, bytes]:
    """All objects below a URL, by key."""
    bucket = open_bucket(check(url), patience=5.0)
    found = {key: bucket.get(key) for key in bucket.keys("")}
    return {key: one.data for key, one in found.items() if one}


async def test_every_file_of_a_task_becomes_an_object(url: str) -> None:
    job, notes = await ran(url)

    assert stored(url) == {f"{job.id}/0/{path}": data for path, data in FILES.items()}
    assert notes == [LINKS.format("link")]
    assert (await job.status()).outputs == f"{url}/{job.id}"


# --- what goes wrong on the way ----------------------------------------------


def moody(*moods: Mood) -> Callable[[str, str], Mood]:
    """Take the first requests to write in these moods, and all others well."""
    left = iter(moods)
    return lambda verb, path: next(left, "well") if verb == "PUT" else "well"


only_s3 = pytest.mark.parametrize("kind", [s3], indirect=True, ids=["s3"])


@pytest.fixture
def front(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """A front before the store; only of S3, whose signed URLs name whatever server is said."""
    front = Front(os.environ["AWS_ENDPOINT_URL"])
    with front as at:
        monkeypatch.setenv("AWS_ENDPOINT_URL", at)
        yield front


@only_s3
async def test_what_is_interrupted_on_the_way_is_sent_again(url: str, front: Front) -> None:
    front.mood = moody("lost", "503", "broken")
    job, notes = await ran(url, "echo one > file")

    assert stored(url) == {f"{job.id}/0/file": b"one\n"}
    assert notes == []


@only_s3
async def test_what_a_node_may_not_store_comes_through_the_head(
    url: str, front: Front, tmp_path: Path
) -> None:
    front.mood = moody("409")
    job, notes = await ran(url, name="refused")

    assert stored(url) == {f"{job.id}/0/{path}": data for path, data in FILES.items()}
    [node] = (await job.status()).nodes
    why = "HTTP Error 409: Conflict"
    assert notes == [
        f"{node.name}: outputs come through the head instead: {why}",
        LINKS.format("hollow"),
    ]
    assert list((tmp_path / "workspace").glob("jobs/*/outputs/*")) == []


@only_s3
async def test_more_than_a_task_may_leave_is_stored_nowhere(url: str, front: Front) -> None:
    job = await batchio.run(LEAVE, shell=True, output_filestore=url, max_output="100kB")
    result = await job.wait(timeout=60)

    assert result.outcome == "failed"
    assert "larger than --max-output 100 KB" in result.tasks[0].reason
    assert stored(url) == {}


# --- a workspace in a bucket -------------------------------------------------


@pytest.fixture
def in_bucket(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a workspace in a bucket; all that is this computer's is below `tmp_path`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    url = f"{kind.url}/{tmp_path.name}"
    monkeypatch.setenv("BATCHIO_WORKSPACE", url)
    return url


def below(folder: Path) -> dict[str, bytes]:
    """Every file and link below a folder, by path; a link has the bytes of where it leads."""
    return {
        str(path.relative_to(folder)): os.fsencode(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


async def test_outputs_stay_in_the_bucket_until_somebody_brings_them(
    in_bucket: str, tmp_path: Path
) -> None:
    job = await batchio.run(LEAVE, shell=True, ntasks=2, download=tmp_path / "out")
    result = await job.wait(timeout=60, check=True)

    assert result.job.outputs == f"{in_bucket}/jobs/{job.id}/outputs"
    assert not (tmp_path / "out").exists()
    done = await job.download(tmp_path / "out")
    expected = {
        f"{task}/{path}": data
        for task in range(2)
        for path, data in (FILES | {"link": b"empty", "a b+c%20é.txt": b"%d\n" % task}).items()
    }
    assert (done.tasks, done.kept) == (2, ())
    assert below(tmp_path / "out") == expected
    assert (tmp_path / "out/0/hollow").is_dir()
    assert below(await job.outputs()) == expected
    assert result.job.notes == ()
