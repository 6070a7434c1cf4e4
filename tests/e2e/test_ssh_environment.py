"""What a task finds on hosts is what its author's Python finds."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

import batchio
from batchio import api
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import kill_head
from tests.software.environments import MadeEnvironment, compiled, place
from tests.software.pythons import make_conda, noted
from tests.testbed.client import Lab, Vm

pytestmark = pytest.mark.asyncio

PROGRAM = """
import json, os, subprocess, sys
from importlib.metadata import version
import beside, edited, plain, pkg._json
from edited import table
print("prefix", sys.prefix == os.environ["VIRTUAL_ENV"] != "")
print("beside", beside.WORD)
print("edited", edited.WORD, table(), version("edited"))
print("plain", plain.WORD, version("plain"))
print("compiled", pkg._json.scanstring('a"', 0)[0])
def said(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, text=True).stdout.strip()
print("script", said("plain-tool", "x"))
print("python", said("python", "-c", "import plain; print(plain.WORD)"))
"""


@pytest.fixture(autouse=True)
def sending(hosts: MakeHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages travel, as they do for everybody."""
    monkeypatch.delenv("BATCHIO_PACKAGE_SYNC")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeEnvironment:
    """A folder with a program, a module beside it, and an environment that is active."""
    made = MadeEnvironment(tmp_path / "venv")
    tool = "import sys\ndef main():\n    print('tool', sys.argv[1])\nWORD = 'plain one'\n"
    made.install("plain", {"plain.py": tool}, "2.5", scripts="plain-tool = plain:main")
    place(tmp_path / "work/edited/src/edited/__init__.py", EDITED)
    place(tmp_path / "work/edited/src/edited/table.txt", "a table")
    made.install_editable("edited", tmp_path / "work/edited")
    for path, content in compiled("pkg").items():
        place(tmp_path / "work/compiled/src" / path, content)
    made.install_editable("pkg", tmp_path / "work/compiled")
    place(tmp_path / "work/process.py", PROGRAM)
    place(tmp_path / "work/beside.py", "WORD = 'beside it'\n")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("VIRTUAL_ENV", str(made.root))
    return made


EDITED = (
    "import os\nWORD = 'first'\n"
    "def table():\n    with open(os.path.dirname(__file__) + '/table.txt') as f: return f.read()\n"
)


async def printed(job: batchio.Job) -> list[str]:
    lines = [line.text async for line in job.logs()]
    return sorted(set(lines))


def stored(lab: Lab, vm: Vm) -> set[str]:
    """The pieces that a host keeps."""
    folder = lab.disk(vm) / "var/tmp/batchio-0/software/pieces"
    return {path.name for path in folder.glob("*.list")}


EXPECTED = sorted(
    [
        "prefix True",
        "beside beside it",
        "edited first a table 1.0",
        "plain plain one 2.5",
        "compiled a",
        "script tool x",
        "python plain one",
    ]
)


async def test_a_program_finds_on_hosts_without_packages_what_it_finds_here(
    hosts: MakeHosts, workspace: Path, lab: Lab, project: MadeEnvironment
) -> None:
    machines = hosts(2)
    job = await batchio.run("process.py", ntasks=4, hosts=names(machines))
    result = await job.wait(timeout=60)
    assert (result.outcome, await printed(job)) == ("succeeded", EXPECTED)
    assert (await job.status()).packages.startswith(
        f"Python {sys.version.split()[0]}, 5 packages ("
    )
    before = [stored(lab, vm) for vm in machines]

    source = Path("edited/src/edited/__init__.py")
    source.write_text(source.read_text().replace("first", "second"))
    job = await batchio.run("process.py", ntasks=4, hosts=names(machines))
    result = await job.wait(timeout=60)

    changed = [line.replace("first", "second") for line in EXPECTED]
    assert (result.outcome, await printed(job)) == ("succeeded", sorted(changed))
    for vm, pieces in zip(machines, before, strict=True):
        assert len(stored(lab, vm) - pieces) == 1
        homes = [path.name for path in (lab.disk(vm) / "var/tmp/batchio-0").iterdir()]
        assert homes == ["software"]

    cleaned = await batchio_clean(names(machines))
    assert all(size > 0 for size in cleaned)
    assert [stored(lab, vm) for vm in machines] == [set(), set()]


async def batchio_clean(machines: list[str]) -> list[int]:
    """What `batchio env clean` removes from each host, in bytes."""
    found = await api.clean_packages({"hosts": ",".join(machines)})
    assert [each.ok for each, _ in found] == [True] * len(machines)
    return [size for _, size in found]


async def test_an_environment_of_conda_travels_with_its_python(
    hosts: MakeHosts,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machines = hosts(2)
    site = make_conda(tmp_path / "conda", "/usr/bin/python3")
    # Debian's Python calls it dist-packages, so the module lies beside Python's own.
    module = place(site.parent / "plain.py", "WORD = 'plain'\n")
    noted(tmp_path / "conda", "plain", [str(module.relative_to(tmp_path / "conda"))], [])
    program = "import os, plain, sys; print(plain.WORD, os.environ['CONDA_PREFIX'] == sys.prefix)\n"
    place(tmp_path / "process.py", f"{program}print(sys.prefix == sys.base_prefix)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    job = await batchio.run("process.py", ntasks=2, hosts=names(machines))
    result = await job.wait(timeout=60)
    assert "\n".join(await printed(job)) == "True\nplain True"
    assert result.outcome == "succeeded"


async def test_after_a_head_was_killed_while_packages_were_sent_the_next_one_sends_the_rest(
    hosts: MakeHosts, workspace: Path, lab: Lab, project: MadeEnvironment
) -> None:
    """Many large pieces; the head dies when some of them are there."""
    for number in range(40):
        place(project.site / f"plain{number}.bin", os.urandom(2_000_000))
    [vm] = hosts(1)
    job = await batchio.run("process.py", hosts=[vm.name])
    kept: set[str] = set()
    while len(kept) < 3:
        kept = await asyncio.to_thread(stored, lab, vm)
    await kill_head(job)
    await job.recover()
    result = await job.wait(timeout=60)

    assert (result.outcome, await printed(job)) == ("succeeded", EXPECTED)
    assert kept < stored(lab, vm)
    pieces = lab.disk(vm) / "var/tmp/batchio-0/software/pieces"
    assert not list(pieces.glob("*.part-*"))


async def test_two_jobs_at_once_share_one_environment(
    hosts: MakeHosts, workspace: Path, lab: Lab, project: MadeEnvironment
) -> None:
    [vm] = hosts(1)
    jobs = await asyncio.gather(*(batchio.run("process.py", hosts=[vm.name]) for _ in range(2)))
    results = await asyncio.gather(*(job.wait(timeout=60) for job in jobs))
    assert [result.outcome for result in results] == ["succeeded", "succeeded"]
    assert [await printed(job) for job in jobs] == [EXPECTED, EXPECTED]
    made = list((lab.disk(vm) / "var/tmp/batchio-0/software/envs").glob("*.list"))
    assert len(made) == 1


async def test_nothing_is_kept_where_nothing_shall_be(
    hosts: MakeHosts, workspace: Path, lab: Lab, project: MadeEnvironment
) -> None:
    [vm] = hosts(1)
    job = await batchio.run("process.py", hosts=[vm.name], keep_software=False)
    result = await job.wait(timeout=60)
    assert (result.outcome, await printed(job)) == ("succeeded", EXPECTED)
    assert not (lab.disk(vm) / "var/tmp/batchio-0").exists()


async def test_a_host_without_the_same_python_is_left_out_and_told_apart(
    hosts: MakeHosts,
    workspace: Path,
    project: MadeEnvironment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [vm] = hosts(1)
    other = place(tmp_path / "python", f"#!/bin/sh\n{PLAYED.format(project.python)}")
    other.chmod(0o755)
    job = await batchio.run("process.py", hosts=[vm.name], python=str(other), package_sync=True)
    result = await job.wait(timeout=60)
    assert result.outcome == "lost"
    said = " ".join(await job.explain())
    assert "it has no Python 3.99 (cpython-399-x86_64-linux-gnu), but cpython-3" in said
    assert "or use what the nodes have: package_sync=False" in said


PLAYED = (
    """{} "$@" | sed 's/cpython-3[0-9]*-[a-z0-9_]*-linux/cpython-399-x86_64-linux/; """
    """s/python3[.][0-9]*"/python3.99"/; s/"version": "3[0-9.]*"/"version": "3.99.1"/'\n"""
)
"""A Python that says that it is of a version which no host has."""
