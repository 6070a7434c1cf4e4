"""The how-to pages about heads elsewhere, followed word by word on hosts of those names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs.blocks import parse
from tests.e2e import elsewhere
from tests.e2e.elsewhere import head_host, left_on, on, until
from tests.house.source import ROOT
from tests.software.environments import MadeEnvironment, place
from tests.testbed import images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.testbed.client import Lab
    from tests.testbed.fixtures import MakeVms

PAGE: Final = ROOT / "docs/how-to/run-without-your-laptop.md"
PROGRAM: Final = """
import os, plain, time
while not os.path.exists("/root/go"):
    time.sleep(0.1)
print(plain.WORD, os.environ['BATCHIO_TASK_ID'])
"""


def lines_of(page: Path) -> list[str]:
    """The command lines of a page, in order."""
    return [line for block in parse(page.read_text()) for line in block.text.splitlines()]


@pytest.fixture
def laptop(inside_lab: Lab, tmp_path: Path) -> Iterator[elsewhere.Computer]:
    with elsewhere.store("bucket"):
        yield elsewhere.computer(inside_lab, tmp_path / "laptop")


def test_the_page_about_heads_elsewhere_is_true_word_by_word(
    lab: Lab, vms: MakeVms, laptop: elsewhere.Computer, tmp_path: Path
) -> None:
    [install, export, run, recover] = lines_of(PAGE)
    assert install.startswith("pip install '.[store]' ")
    told = dict(word.split("=") for word in export.removeprefix("export ").split())
    assert told.keys() <= laptop.environ.keys()
    nodes = [*vms(1, name="gpu1"), *vms(1, name="gpu2")]
    [host, other] = (
        head_host(lab, vms, nodes, image=images.SYSTEMD, name=name) for name in ("login", "OTHER")
    )
    made = MadeEnvironment(laptop.here / ".venv")
    made.install("plain", {"plain.py": "WORD = 'a package of mine'\n"})
    place(laptop.here / "process.py", PROGRAM)
    url = run.split("--workspace ")[1].split()[0]
    laptop.environ["BATCHIO_WORKSPACE"] = url  # for the commands that follow

    job = laptop.types(run)[0].strip()
    shutil.rmtree(laptop.top)  # you may close the lid
    second = elsewhere.computer(lab, tmp_path / "second")
    second.environ["BATCHIO_WORKSPACE"] = url
    until(lambda: second.status(job)["counts"]["running"], "tasks to run")
    host.kill()
    second.forget_lease(job)
    assert "`--head OTHER`" in PAGE.read_text()
    second.types(recover.replace("JOB", job) + " --head OTHER")
    for vm in nodes:
        on(lab, vm, "touch /root/go")
    second.run("wait", job)

    assert second.status(job)["epoch"] == 2
    printed = sorted(second.run("logs", job, "--raw")[0].splitlines())
    assert printed == sorted(f"a package of mine {task}" for task in range(100))
    until(lambda: not left_on(lab, other), "the head's host to be as it was")
