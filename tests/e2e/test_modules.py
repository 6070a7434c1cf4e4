"""Programs find beside them on their nodes what they find beside them here; whole jobs."""

from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import nothing_left
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

FILES = {
    "work/process.py": "import sys\nfrom helper import greet\nprint(greet(sys.argv[1]))\n",
    "work/helper.py": "from words import text\ndef greet(name): return f'{text()} {name}'\n",
    "work/words/__init__.py": (
        "import os\ndef text():\n"
        "    with open(os.path.join(os.path.dirname(__file__), 'hello.txt')) as file:\n"
        "        return file.read().strip()\n"
    ),
    "work/words/hello.txt": "good morning\n",
    "app/__main__.py": "from app.inner import say\nsay()\n",
    "app/inner.py": "import beside\ndef say(): print('app', beside.WORD)\n",
    "beside.py": "WORD = 'and its neighbour'\n",
    "all.sh": "#!/bin/sh\nset -e\npython3 work/process.py you < note.txt\npython3 -m app\n",
    "note.txt": "a note\n",
}

COMMANDS = {
    ("work/process.py", "you"): ["good morning you"],
    ("python3", "-m", "app"): ["app and its neighbour"],
    ("all.sh",): ["good morning you", "app and its neighbour"],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder: a script with modules, an application, and a shell script for both."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("project")
async def test_modules_beside_a_script_are_found_on_this_computer() -> None:
    for words, expected in COMMANDS.items():
        job = await batchio.run(list(words))
        await job.wait(timeout=60, check=True)
        assert [line.text async for line in job.logs()] == expected
    job = await batchio.run(["work/process.py", "you"], implicit_upload=False)
    result = await job.wait(timeout=60)
    assert result.outcome == "failed"
    assert "No module named 'helper'" in [line.text async for line in job.logs()][-1]


@pytest.mark.usefixtures("project")
async def test_modules_beside_a_script_are_found_on_hosts(hosts: MakeHosts, lab: Lab) -> None:
    machines = hosts(2)
    for words, expected in COMMANDS.items():
        job = await batchio.run(list(words), ntasks=2, slots=1, hosts=names(machines))
        await job.wait(timeout=60, check=True)
        for task in range(2):
            assert [line.text async for line in job.logs(task=task)] == expected
    assert nothing_left(lab, *machines)
