"""The keyword arguments of a Python call are typed, by the table that settles them."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

import batchio.options.keywords as keywords
from batchio.errors import UsageError
from batchio.options.layers import call_layer
from batchio.options.table import OPTIONS
from tests.house.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_RIGHT: Final = """
import io
from datetime import timedelta
from pathlib import Path
from typing import Unpack

import batchio
import batchio.sync
from batchio.options.keywords import RunOptions

async def submit(**options: Unpack[RunOptions]) -> batchio.Job:
    return await batchio.run(["true"], **options)

async def main() -> None:
    await submit(ntasks=10, memory="8GiB", cpu=(2, 4), upload=[Path("data"), "more"])
    plan = await batchio.plan("hello.sh", map_over_values=range(3), tag={"a": "b"}, gpu=True)
    name: str = plan.name
    batchio.sync.run(
        "hello.sh", job_timeout=timedelta(hours=1), retry_on=[1, (130, 140)], head="inline",
        hosts=["a", "b"], env={"N": 3}, wait_for_ready_cluster=None, workspace=Path("w"),
        buffers_to_upload=[{"relative_path": "a", "buffer": io.BytesIO()}],
    ).wait(timeout=3)
    batchio.sync.plan(["true"], array="0-9%3", local_upload_path="x", slots=2)
    job = await batchio.open_job()
    async for line in job.logs(task="2,4-6", tail=3):
        line.text.upper()
    for blocking in batchio.sync.open_job().logs(stream="stderr"):
        blocking.text.upper()
"""
_WRONG: Final = {
    "a typo": 'batchio.sync.run("true", ntask=3)',
    "a typo in the async verb": 'batchio.run("true", max_worker=3)',
    "a typo in a plan": 'batchio.plan("true", memroy="8GiB")',
    "a typo in a blocking plan": 'batchio.sync.plan("true", memroy="8GiB")',
    "a wrong type": 'batchio.sync.run("true", ntasks=[3])',
    "a wrong type in the async verb": 'batchio.run("true", memory=object())',
    "a word that is no choice": 'batchio.run("true", spot_policy="elsewhere")',
    "an option of another verb": 'batchio.run("true", tail=3)',
    "a typo of a method": "batchio.sync.open_job().logs(tial=3)",
}


def _mypy(folder: Path, text: str) -> dict[int, str]:
    """What a strict mypy says of this program: line to message."""
    (folder / "program.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'keywords'}"
    done = subprocess.run(
        [*command, cache, "program.py"], cwd=folder, text=True, capture_output=True, check=False
    )
    found = re.findall(r"^program\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return {int(line): said for line, said in found}


def test_a_type_checker_accepts_what_run_accepts(tmp_path: Path) -> None:
    assert _mypy(tmp_path, _RIGHT) == {}


def test_a_type_checker_refuses_typos_and_wrong_types(tmp_path: Path) -> None:
    wrong = [f"_{number} = {call}" for number, call in enumerate(_WRONG.values())]
    lines = ["import batchio, batchio.sync", *wrong]

    said = _mypy(tmp_path, "\n".join(lines))

    assert sorted(said) == [*range(2, len(lines) + 1)]
    assert all(re.search("call-arg|arg-type", message) for message in said.values()), said


_SAMPLES: Final[dict[str, list[Any]]] = {
    "flag": [True, False],
    "tri": [True, None],
    "integer": [3],
    "text": ["text"],
    "variable": ["NAME"],
    "size": ["8GiB", 1 << 30, ("1GiB", "2GiB"), [1 << 30, 2 << 30]],
    "disk": ["10GiB", 10, 1.5],
    "cpu": ["2", 2, 0.5, (2, "4")],
    "duration": ["10m", 600, 90.5, timedelta(hours=1)],
    "dollars": ["$5", 5, 2.5],
    "path": ["a"],
    "paths": ["a", ["a", "b"]],
    "words": ["a b", ["a", "b"]],
    "pairs": [{"A": 1}, ["A=1"], "A=1"],
    "array": [3, "0-3", [1, 2], range(3)],
    "codes": [1, "1,3", [1, "2", (3, 4)]],
    "values": ["a,b", [1, 2], range(3)],
    "delimiter": [";"],
    "object": [[]],
}
"""Values of the types that `keywords` promises, by kind."""


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.for_calls], ids=lambda o: o.name)
def test_every_type_that_is_promised_is_understood(option: Any) -> None:
    for value in option.choices or _SAMPLES[option.kind]:
        for word in option.keywords:
            call_layer({word: value})


def test_the_typed_keywords_are_those_that_a_call_takes() -> None:
    taken = {word for option in OPTIONS if option.for_calls for word in option.keywords}

    assert set(keywords.RunOptions.__annotations__) == taken


def test_an_option_of_another_verb_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r'run\(\) has no argument "tail"'):
        call_layer({"tail": 3})
