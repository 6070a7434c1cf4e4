"""Every benchmark still runs: each once, at its smallest size. What it measures is not judged."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, Benchmark
from tests.house.source import ROOT
from tests.testbed.client import missing

_SHARED = {"__init__", "__main__", "hosts", "side_by_side"}
"""Modules that measure nothing themselves."""

_COMPILED = {"agent_spawn", "local"}
"""Those that compare with a program in C."""


@pytest.mark.parametrize(
    "benchmark",
    [
        pytest.param(one, marks=[pytest.mark.testbed] if one.root else [], id=one.name)
        for one in BENCHMARKS
    ],
)
def test_a_benchmark_runs_at_its_smallest_size(benchmark: Benchmark, workspace: Path) -> None:
    if benchmark.root and (reason := missing()):
        pytest.skip(f"no test bed: {reason}")
    if benchmark.name in _COMPILED and not shutil.which("cc"):
        pytest.skip("no C compiler for the floors: apt-get install gcc libc6-dev")
    command = [sys.executable, "-m", f"benchmarks.{benchmark.name}", *benchmark.tiny.split()]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_benchmark_is_run_by_all_and_by_these_tests() -> None:
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - _SHARED

    assert {one.name for one in BENCHMARKS} == modules
