"""No test judges by how long something took: on a busy computer that is chance.

A test says what must be true whatever the time, gives a made-up clock, or counts steps. That
something ends at all is held by the limit each test has.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.house.source import ROOT, python_files

_STOPWATCHES = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"}
_NAMES = [
    str(path.relative_to(ROOT)) for path in python_files("tests/") if path.name.startswith("test_")
]
_LAB = "tests/testbed/test_testbed.py"
"""Measures: that its network is slow, and its hosts' clocks wrong, is what the lab promises."""


def _reads(node: ast.AST, clocks: set[str]) -> bool:
    """Whether it is a call of a clock of the module `time`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "time"
        and node.func.attr in clocks
    )


def timings(text: str) -> Iterator[int]:
    """Yield the lines that read a stopwatch, or judge by a difference of times of day."""
    for function in ast.walk(ast.parse(text)):
        if _reads(function, _STOPWATCHES):
            yield function.lineno  # type: ignore[attr-defined]
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        moments = {
            target.id
            for step in ast.walk(function)
            if isinstance(step, ast.Assign) and _reads(step.value, {"time"})
            for target in step.targets
            if isinstance(target, ast.Name)
        }
        for step in ast.walk(function):
            if isinstance(step, ast.BinOp) and isinstance(step.op, ast.Sub):
                sides = (step.left, step.right)
                if not any(isinstance(side, ast.Constant) for side in sides) and any(
                    _reads(side, {"time"}) or (isinstance(side, ast.Name) and side.id in moments)
                    for side in sides
                ):
                    yield step.lineno


@pytest.mark.parametrize("name", sorted({*_NAMES} - {_LAB}))
def test_no_test_judges_by_elapsed_time(name: str) -> None:
    assert list(timings((ROOT / name).read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "def test(): begun = time.monotonic(); work(); assert time.monotonic() - begun < 3",
        "def test(): begun = time.time(); work(); assert time.time() - begun < 3",
        "def test(): begun = time.time(); assert seen['at'] - begun < 15.5",
        "def test(): took = time.perf_counter()",
    ],
)
def test_a_timed_test_is_found(text: str) -> None:
    assert list(timings(text))


def test_a_stamp_that_is_compared_is_no_timing() -> None:
    text = "def test(): begun = time.time(); work(); assert begun - 1 < row.started < time.time()"

    assert list(timings(text)) == []
