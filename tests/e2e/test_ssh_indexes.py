"""Hosts get from a package index what is installed here, or what suits them, and no password."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchio
from batchio.software.uv import find_uv
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.test_ssh_environment import PLAYED
from tests.software.environments import MadeEnvironment, compiled, place
from tests.software.indexes import Index, make_wheel, serving
from tests.testbed.client import Lab

pytestmark = pytest.mark.asyncio

HERE = "10.77.0.1"
"""This computer, as hosts of the lab see it."""

PASSWORD = "s3cret-of-alice"

PROGRAM = """
import beside, hidden, mine, pkg._json, shared
from importlib.metadata import version
print(beside.WORD, mine.table(), pkg._json.scanstring('a"', 0)[0], hidden.WORD, shared.WORD)
print(version("shared"))
"""


@pytest.fixture
def index(hosts: MakeHosts) -> Iterator[Index]:
    """An index for everybody."""
    with serving(HERE) as made:
        for number in ("1.0", "2.0"):
            made.add(make_wheel("shared", number, {"shared.py": f"WORD = 'shared {number}'"}))
        yield made


@pytest.fixture
def private(hosts: MakeHosts) -> Iterator[Index]:
    """An index with a password."""
    with serving(HERE) as made:
        made.add(make_wheel("hidden", "1.0", {"hidden.py": "WORD = 'hidden'"}))
        made.login = f"alice:{PASSWORD}"
        yield made


@pytest.fixture
def project(
    index: Index, private: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MadeEnvironment:
    """A program whose packages are of two indexes, and two editable projects."""
    monkeypatch.delenv("BATCHIO_PACKAGE_SYNC")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_INDEX", private.private_url)
    made = MadeEnvironment(tmp_path / "venv")
    found = find_uv(os.environ, str(tmp_path))
    assert found
    argv = [found.path, "pip", "install", "-q", "--python", str(made.python)]
    subprocess.run([*argv, "shared==1.0", "hidden"], check=True)
    code = "import os\ndef table():\n    return open(os.path.dirname(__file__) + '/t.txt').read()\n"
    place(tmp_path / "work/mine/src/mine/__init__.py", code)
    place(tmp_path / "work/mine/src/mine/t.txt", "a table")
    made.install_editable("mine", tmp_path / "work/mine")
    for path, content in compiled("pkg").items():
        place(tmp_path / "work/compiled/src" / path, content)
    made.install_editable("pkg", tmp_path / "work/compiled")
    place(tmp_path / "work/process.py", PROGRAM)
    place(tmp_path / "work/beside.py", "WORD = 'beside'\n")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("VIRTUAL_ENV", str(made.root))
    return made


async def printed(job: batchio.Job) -> list[str]:
    return sorted({line.text async for line in job.logs()})


async def test_what_works_here_works_on_three_hosts_and_no_password_leaves(
    hosts: MakeHosts,
    workspace: Path,
    lab: Lab,
    project: MadeEnvironment,
    index: Index,
    private: Index,
    tmp_path: Path,
) -> None:
    expected = ["1.0", "beside a table a hidden shared 1.0"]
    machines = hosts(3)
    for vm in machines:
        sites = lab.disk(vm) / "usr/local/lib/python3.11/dist-packages"
        place(sites / "shared.py", "WORD = 'the host has another one'")
    here = await batchio.run("process.py", ntasks=2)
    assert (await here.wait(timeout=60)).outcome == "succeeded"
    assert await printed(here) == expected
    index.asked.clear()
    private.asked.clear()

    job = await batchio.run("process.py", ntasks=6, hosts=names(machines))
    result = await job.wait(timeout=60)
    assert (result.outcome, await printed(job)) == ("succeeded", expected)
    assert index.files().count("shared-1.0-py3-none-any.whl") == len(machines)
    assert private.files() == []  # it travelled as it is installed

    places = [lab.disk(vm) / folder for vm in machines for folder in ("var/tmp", "tmp", "root")]
    looked = 0
    for folder in (*places, workspace, tmp_path / "cache"):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                looked += 1
                assert PASSWORD.encode() not in path.read_bytes(), path
    assert looked > 30


async def test_hosts_with_another_python_get_what_suits_them(
    hosts: MakeHosts,
    workspace: Path,
    project: MadeEnvironment,
    tmp_path: Path,
) -> None:
    played = place(tmp_path / "python", f"#!/bin/sh\n{PLAYED.format(project.python)}")
    played.chmod(0o755)
    program = "import hidden, mine, shared; print(mine.table(), hidden.WORD, shared.WORD)"
    place(tmp_path / "work/process.py", program)
    machines = hosts(2)
    options = {
        "ntasks": 4,
        "hosts": names(machines),
        "python": str(played),
        "package_sync": True,
        "package_sync_ignore": ["pkg"],
    }
    job = await batchio.run("process.py", **options)  # type: ignore[arg-type]
    result = await job.wait(timeout=60)
    assert result.outcome == "succeeded"
    assert await printed(job) == ["a table hidden shared 1.0"]
    told = [str(event) async for event in job.events()]
    assert len([line for line in told if "packages for Python 3" in line]) == 1

    strict = await batchio.run("process.py", package_sync_strict=True, **options)  # type: ignore[arg-type]
    assert (await strict.wait(timeout=60)).outcome == "lost"
    said = " ".join(await strict.explain())
    assert "instead of 3.99" in said
