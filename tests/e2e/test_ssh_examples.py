"""The scripts of the docs page give the same over SSH as on this computer."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.house.source import ROOT

pytestmark = pytest.mark.asyncio

SCRIPTS: list[tuple[list[str], dict[str, Any]]] = [
    (["hello.sh"], {"run_on_host": True, "memory": "1 GiB"}),
    (["hello.py"], {}),
    (["array.py"], {"array": "2,4-6,8-10"}),
    (
        ["process.py", "$COILED_BATCH_TASK_INPUT"],
        {"map_over_file": "inputs.txt", "upload": "texts"},
    ),
]


async def what_it_gives(words: list[str], folder: Path, **options: Any) -> tuple[Any, ...]:
    job = await batchio.run(words, download=str(folder), **options)
    result = await job.wait(timeout=90)
    printed = sorted([(line.task, line.stream, line.text) async for line in job.logs()])
    files = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return result.outcome, printed, files


@pytest.mark.filterwarnings("ignore::batchio.BatchioWarning")  # its scripts name a region
async def test_the_docs_page_gives_the_same_on_three_hosts_as_here(
    hosts: MakeHosts, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = names(hosts(3))
    monkeypatch.chdir(ROOT / "examples" / "2-coiled")

    for number, (words, options) in enumerate(SCRIPTS):
        here, there = await asyncio.gather(
            what_it_gives(words, tmp_path / f"here-{number}", **options),
            what_it_gives(words, tmp_path / f"there-{number}", hosts=machines, **options),
        )
        assert here == there
        assert here[0] == "succeeded"
        assert here[1]

    assert os.listdir(tmp_path / "there-3")
