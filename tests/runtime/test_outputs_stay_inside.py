"""Whatever tasks leave, and whatever stands in the folder already: nothing outside changes."""

import asyncio
import io
import os
import stat
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from batchio.runtime.landing import Landing
from batchio.runtime.outputs import Outputs
from batchio.runtime.placing import Refused, Unsaved
from batchio.runtime.untar import Archive, Garbled
from batchio.stores.placed import FolderPlacedFiles
from tests.effort import examples
from tests.runtime.test_outputs import sent, told

NAMES = st.sampled_from(["a", "b", "c", "0", "1"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TARGETS = st.sampled_from(
    [".", "..", "../..", "a", "b/c", "../1", "../../canary", "CANARY", "CANARY/a", "CANARY/b", "/"]
)
"""Where links lead; CANARY stands for an absolute path to what must not change."""


class Thing(NamedTuple):
    """What a task leaves at a path: a file (None), or a link to somewhere."""

    path: str
    link: str | None


class Attempt(NamedTuple):
    """One attempt of a job and a task, and what it leaves."""

    job: str
    task: int
    things: list[Thing]


THINGS = st.lists(
    st.builds(Thing, PATHS, st.none() | TARGETS), max_size=6, unique_by=lambda thing: thing.path
)
ATTEMPTS = st.lists(
    st.builds(Attempt, st.sampled_from(["j", "k"]), st.integers(0, 1), THINGS), max_size=6
)
MANY = examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def archive(things: list[Thing], canary: str = "/nowhere") -> bytes:
    """A tar of these, in this order, hostile or not."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, link in things:
            info = tarfile.TarInfo(path)
            info.mtime = 4_000_000_000  # newer than any job
            if link is None:
                info.size = len(path)
                tar.addfile(info, io.BytesIO(path.encode()))
            else:
                info.type, info.linkname = tarfile.SYMTYPE, link.replace("CANARY", canary)
                tar.addfile(info)
    return stream.getvalue()


def state(top: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """All there is below a folder, links unfollowed."""
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return found


def make_canary(folder: Path) -> Path:
    canary = folder / "canary"
    (canary / "a").mkdir(parents=True)
    (canary / "b").write_text("precious")
    (canary / "a" / "c").write_text("precious too")
    return canary


async def land(folder: Path, root: Path, attempt: Attempt, number: int) -> None:
    """Bring what an attempt left, as a head does."""
    job = folder / attempt.job
    job.mkdir(exist_ok=True)
    landing = Landing(root, attempt.job, FolderPlacedFiles(job))
    outputs = Outputs(0, landing, attempt.task, (attempt.task, number))
    data = archive(attempt.things, str(folder / "canary"))
    try:
        assert await outputs.receive(await sent(data, told(data)))
        await outputs.place(100.0)
    except (Garbled, Refused, Unsaved):
        pass
    finally:
        await outputs.clear()


@MANY
@given(attempts=ATTEMPTS, there=THINGS)
def test_no_order_of_attempts_tasks_and_jobs_touches_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[Attempt], there: list[Thing]
) -> None:
    folder = tmp_path_factory.mktemp("inside")
    canary, root = make_canary(folder), folder / "out"
    before = state(canary)
    root.mkdir()
    plant(root, there, canary)

    async def all_of_them() -> None:
        for number, attempt in enumerate(attempts, 1):
            await land(folder, root, attempt, number)

    asyncio.run(all_of_them())

    assert state(canary) == before
    assert not list(root.glob(".batchio-*"))
    assert sorted(path.name for path in folder.iterdir() if path.name not in "jk") == [
        "canary",
        "out",
    ]


def plant(root: Path, things: list[Thing], canary: Path) -> None:
    """What an earlier run, or somebody else, has left in the folder of outputs."""
    for path, link in things:
        place = root / path
        try:
            if any(part.is_symlink() for part in place.parents if part != root):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if link is None:
                place.write_text("there")
            else:
                place.symlink_to(link.replace("CANARY", str(canary)))
        except OSError:
            continue


def test_two_tasks_at_once_and_two_jobs_share_a_folder(tmp_path: Path) -> None:
    attempts = [Attempt(job, task, [Thing("a", None)]) for job in "jk" for task in range(10)]

    async def at_once() -> None:
        await asyncio.gather(*(land(tmp_path, tmp_path / "out", each, 1) for each in attempts))

    asyncio.run(at_once())

    left = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("a*"))
    assert {path for path in left if not path.endswith("~")} == {f"{n}/a" for n in range(10)}
    assert not list((tmp_path / "out").glob(".batchio-*"))


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777, 0o6777, 0o7000])
def test_no_bit_travels_that_gives_rights_to_others(tmp_path: Path, mode: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo("tool")
        info.mode = mode
        tar.addfile(info)
    data = stream.getvalue()

    async def bring() -> None:
        (tmp_path / "job").mkdir()
        landing = Landing(tmp_path / "out", "job", FolderPlacedFiles(tmp_path / "job"))
        outputs = Outputs(0, landing, 0, (0, 1))
        await outputs.receive(await sent(data, told(data)))
        await outputs.place(100.0)

    asyncio.run(bring())

    assert stat.S_IMODE((tmp_path / "out/0/tool").stat().st_mode) == mode & 0o777


HOSTILE: dict[str, dict[str, Any]] = {
    "a device": dict(type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a pipe": dict(type=tarfile.FIFOTYPE),
    "a hard link": dict(type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "an absolute path": dict(name="/tmp/batchio-escaped"),
    "a path upwards": dict(name="../escaped"),
    "a path upwards in the midst": dict(name="a/../../escaped"),
    "a path with a dot": dict(name="a/./b"),
    "a NUL byte": dict(pax_headers={"path": "a\0b"}),
    "a path too long": dict(name="a/" * 3000 + "b"),
    "an empty name": dict(name=""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_file_of_the_task_is_refused(what: str) -> None:
    info = tarfile.TarInfo("thing")
    for name, value in HOSTILE[what].items():
        setattr(info, name, value)
    data = info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)

    with pytest.raises(Garbled):
        list(Archive(io.BytesIO(data)))


def test_a_link_and_then_a_file_below_it_are_refused(tmp_path: Path) -> None:
    canary = make_canary(tmp_path)
    before = state(canary)
    things = [Thing("d", "CANARY"), Thing("d/b", None)]

    asyncio.run(land(tmp_path, tmp_path / "out", Attempt("j", 0, things), 1))

    assert state(canary) == before
    assert not (tmp_path / "out/0").exists()


@MANY
@given(
    things=THINGS,
    flips=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 9000),
)
def test_a_garbled_archive_is_refused_in_words_or_is_read(
    things: list[Thing], flips: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(archive(things))
    for at, value in flips:
        data[at % len(data)] = value

    coming = Archive(io.BytesIO(bytes(data[: cut % len(data)] if cut % 2 else data)))
    with suppress(Garbled):
        for _ in coming:
            for _ in coming.content():
                pass


@MANY
@given(data=st.binary(max_size=3000))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(Garbled):
        list(Archive(io.BytesIO(data.ljust(1, b"x").replace(b"\0", b"y"))))


def test_a_tree_deeper_than_python_counts_arrives_and_is_cleared_away(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1500 + ["file"])
    attempts = [Attempt("j", 0, [Thing(deep, None)]), Attempt("j", 0, [Thing("d", "d")])]

    async def bring() -> None:
        await land(tmp_path, tmp_path / "out", attempts[0], 1)
        here = os.open(tmp_path / "out/0", os.O_RDONLY)
        for _ in range(1500):
            below = os.open("d", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        assert os.listdir(here) == ["file"]
        os.close(here)
        (tmp_path / "j").mkdir(exist_ok=True)
        landing = Landing(tmp_path / "out", "j", FolderPlacedFiles(tmp_path / "j"))
        with landing.enter() as waiting:
            os.rename(tmp_path / "out/0/d", tmp_path / "out/.batchio-j/left")
            assert os.listdir(waiting.fd) == ["left"]
        landing.sweep()

    asyncio.run(bring())

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0"]
