"""A room is comfortable up to a size. What is larger stands here, with its reason."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import ROOT, python_files

FILE_LINES: Final = 400
FUNCTION_LINES: Final = 60
FOLDERS: Final = ("src/", "tui/", "tests/", "docs/", "examples/", "benchmarks/")

LARGER_FILES: Final = {
    # One suite of faults over one server; its fixtures would be torn apart.
    "tests/contracts/test_transport_ssh.py": 440,
}
LARGER_FUNCTIONS: Final[dict[str, int]] = {}

_NAMES: Final = [str(path.relative_to(ROOT)) for path in python_files(*FOLDERS)]


def _functions(path: Path) -> dict[str, int]:
    """Lines of each function, by name."""
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    }


@pytest.mark.parametrize("name", _NAMES)
def test_a_file_is_a_comfortable_room(name: str) -> None:
    lines = len((ROOT / name).read_text().splitlines())
    assert lines <= LARGER_FILES.get(name, FILE_LINES)


@pytest.mark.parametrize("name", _NAMES)
def test_a_function_fits_on_a_screen(name: str) -> None:
    larger = {
        f"{name}::{function}": lines
        for function, lines in _functions(ROOT / name).items()
        if lines > LARGER_FUNCTIONS.get(f"{name}::{function}", FUNCTION_LINES)
    }
    assert larger == {}


def test_every_exception_is_still_needed() -> None:
    functions = {
        f"{name}::{function}": lines
        for name in _NAMES
        for function, lines in _functions(ROOT / name).items()
    }
    idle = [
        name
        for name in LARGER_FILES
        if not (ROOT / name).is_file() or len((ROOT / name).read_text().splitlines()) <= FILE_LINES
    ]
    idle += [name for name in LARGER_FUNCTIONS if functions.get(name, 0) <= FUNCTION_LINES]
    assert idle == []


CLOUD = Path("providers/aws")
"""A cloud is a provider of more than one file."""


def test_rooms_are_not_nested() -> None:
    package = ROOT / "src" / "batchio"
    depths = {p: len(p.relative_to(package).parts) for p in python_files("src/batchio/")}
    nested = [path for path, depth in depths.items() if depth > 2]
    assert [str(path) for path in nested if path.parent.relative_to(package) != CLOUD] == []
