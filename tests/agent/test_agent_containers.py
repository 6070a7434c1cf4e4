"""Attempts in containers, with podman and an image made here from busybox.

Needs root, podman with runc, and a static busybox; skipped, loudly, where one is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchio.agent import containers
from batchio.agent.members import Members
from batchio.agent.setup import Setup
from tests.agent.client import Client, strays, text, until, up

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "localhost/batchio-test:1"
CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
"""


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which podman has the image."""
    busybox = Path("/bin/busybox")
    missing = [name for name in ("podman", "runc") if not shutil.which(name)]
    if os.geteuid() or missing or not busybox.exists():
        pytest.skip(f"NOT TESTED: needs root, busybox and podman; missing: {missing}")
    folder = tmp_path_factory.mktemp("image")
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "echo", "cat", "sleep", "env", "id", "ls", "touch", "pwd"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    (folder / "containers.conf").write_text(CONF)
    env = {**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")}
    words = ["podman", "import", "--change", 'ENTRYPOINT ["/bin/echo", "entry"]']
    done = subprocess.run(
        [*words, folder / "image.tar", IMAGE], env=env, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"NOT TESTED: podman cannot import an image: {done.stderr}")
    yield env
    subprocess.run(["podman", "rmi", "-f", IMAGE], env=env, capture_output=True)


@pytest.fixture
def head(home: Path, podman: dict[str, str]) -> Iterator[Client]:
    up(home, env=podman)
    with Client(home) as connection:
        connection.hello()
        yield connection


def setup(head: Client, *argv: str, **more: object) -> None:
    container = {"image": IMAGE, "engine": "podman", **more.pop("container", {})}  # type: ignore[dict-item]
    head.setup(*argv, container=container, job_id="j1", **more)


def out(head: Client, task: int) -> bytes:
    done = head.done(task)
    return text(head.log(done.log_to, done.log_from), task)


def test_a_container_sees_what_a_task_sees(head: Client) -> None:
    words = "$BATCHIO_TASK_ID $BATCHIO_JOB_ID|$MINE|$KEY|$HOME|$TMPDIR"
    script = f'echo "{words}"; pwd; touch "$TMPDIR/x"; echo "$1" > made'
    env = {"MINE": "é 1", "HOME": "/work"}
    setup(head, "/bin/sh", "-c", script, "sh", "$BATCHIO_TASK_ID", env=env, secrets={"KEY": "k"})
    head.start(3)
    work = head.home / "work/3.1"
    first, second = out(head, 3).decode().splitlines()
    assert first.startswith("3 j1|é 1|k|/work|" + str(head.home / "tmp"))
    assert second == str(work)
    assert (head.done(3).files, (work / "made").read_text()) == (1, "3\n")


def test_exit_codes_come_through(head: Client) -> None:
    setup(head, "/bin/sh", "-c", "echo why >&2; exit $BATCHIO_TASK_ID")
    head.start(0, 7)
    assert [(head.done(t).exit, head.done(t).tail) for t in (0, 7)] == [(0, ""), (7, "why")]


def test_the_entrypoint_is_kept_when_asked(head: Client) -> None:
    setup(head, "word", container={"entrypoint": True})
    head.start(0)
    assert out(head, 0) == b"entry word\n"


def test_secrets_show_in_no_command_line(head: Client, tmp_path: Path) -> None:
    setup(head, "/bin/sh", "-c", "touch on; sleep 100", secrets={"KEY": "s3cret-value"}, grace=1)
    head.start(0)
    until(head.home / "work/0.1/on")
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"s3cret-value" not in entry.read_bytes()
        except OSError:
            continue
    head.send(["stop", [[0, 1]], "cancelled"])
    assert head.done(0).reason == "cancelled"


def test_a_container_that_ignores_term_is_removed_after_the_grace(
    head: Client, podman: dict[str, str]
) -> None:
    setup(head, "/bin/sh", "-c", "trap '' TERM; touch on; while :; do sleep 1; done", grace=0.3)
    head.start(0)
    until(head.home / "work/0.1/on")
    head.send(["stop", [[0, 1]], "cancelled"])
    assert head.done(0).reason == "cancelled"
    head.send(["bye", False])
    head.wait("bye")
    listing = ["podman", "ps", "-aq", "--filter", f"label=batchio.home={head.home}"]
    left = subprocess.run(listing, env=podman, capture_output=True, check=True).stdout
    assert left == b""
    assert strays(head.home) == []


def test_an_image_that_cannot_be_had_is_explained(head: Client) -> None:
    setup(head, "true", container={"image": "localhost/no-such:1", "pull": "never"})
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason) == (125, "unstartable")
    assert done.tail.startswith("batchio: the container could not be started: ")
    head.send(["image", IMAGE])
    assert head.wait("imaged")[:3] == ["imaged", IMAGE, True]


def test_a_program_that_exits_with_the_engines_code_is_not_taken_for_it(head: Client) -> None:
    setup(head, "sh", "-c", "exit 125")
    head.start(0)
    assert (head.done(0).exit, head.done(0).reason) == (125, "")


def test_a_program_that_the_image_lacks_is_named(head: Client) -> None:
    setup(head, "no-such-program")
    head.start(0)
    assert head.done(0).exit == 127
    assert "no-such-program" in head.done(0).tail


@pytest.mark.parametrize(
    ("said", "tries", "code"), [("503 Service Unavailable", 3, 0), ("manifest unknown", 1, 1)]
)
def test_an_image_that_a_registry_refuses_for_a_moment_is_asked_for_again(
    tmp_path: Path, said: str, tries: int, code: int
) -> None:
    engine = tmp_path / "engine"
    count = tmp_path / "count"
    engine.write_text(
        f"#!/bin/sh\n[ $1 = image ] && exit 1\necho x >> {count}\n"
        f'[ "$(wc -l < {count})" = 3 ] && exit 0\necho "Error: {said}" >&2; exit 1\n'
    )
    engine.chmod(0o755)
    nap = tmp_path / "sleep"  # found before the real one
    nap.write_text("#!/bin/sh\n")
    nap.chmod(0o755)
    words = ["/bin/sh", "-c", containers.PULL.decode(), str(engine), "an/image"]
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(words, check=False, env=env, capture_output=True, text=True)
    assert (done.returncode, count.read_text().count("x")) == (code, tries)
    assert done.stdout == (f"Error: {said}\n" if code else "")


def test_a_node_without_an_engine_says_so(head: Client) -> None:
    setup(head, "true", container={"engine": None}, env={"PATH": "/nowhere"})
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason) == (127, "unstartable")
    assert done.tail == "batchio: no docker or podman on this node"


def test_podman_gets_a_first_process_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian only recommends catatonit; where it lacks, `--init` is refused with 125."""
    bare, here = tmp_path / "bare", tmp_path / "here"
    for folder in (bare, here):
        folder.mkdir()
    (here / "tini").write_text("#!/bin/sh\n")
    (here / "tini").chmod(0o755)
    missing = tuple(name for name in containers.INITS if not name.startswith(b"/"))
    monkeypatch.setattr(containers, "INITS", (b"/nonexistent/catatonit", *missing))

    def found(path: Path) -> bytes | None:
        return containers.find_init(Setup({"env": {"PATH": str(path)}}, "/home", Members()))

    assert found(bare) is None
    assert found(here) == bytes(here / "tini")
