"""What a task finds on hosts is what its author's Python finds."""

from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.software.environments import MadeEnvironment, compiled, place
from tests.testbed.client import Lab

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
print("script", subprocess.run(["plain-tool", "x"], stdout=subprocess.PIPE, text=True).stdout.strip())
print("python", subprocess.run(["python", "-c", "import plain; print(plain.WORD)"], stdout=subprocess.PIPE, text=True).stdout.strip())
"""


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


async def test_a_program_finds_on_hosts_without_packages_what_it_finds_here(
    hosts: MakeHosts, workspace: Path, lab: Lab, project: MadeEnvironment
) -> None:
    machines = hosts(2)
    expected = sorted(
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
    job = await batchio.run("process.py", ntasks=4, hosts=names(machines))
    result = await job.wait(timeout=60)
    assert (result.outcome, await printed(job)) == ("succeeded", expected)
