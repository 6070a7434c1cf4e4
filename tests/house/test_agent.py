"""The agent's rooms become one file that runs on a bare Python 3.8 and needs nobody."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from batchio import agent
from tests.house.source import PACKAGE

FOLDER: Final = PACKAGE / "agent"
TREES: Final = {room: ast.parse((FOLDER / f"{room}.py").read_text()) for room in agent.ROOMS}


def _is_ours(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("batchio")


def _is_dropped(node: ast.stmt) -> bool:
    """What the one file does without, as a parser sees it."""
    if isinstance(node, ast.ImportFrom) and node.module in ("__future__", "typing"):
        return True
    type_checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    return _is_ours(node) or type_checking


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, by what) of each name that a room defines or imports, besides from other rooms."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, "definition"
            case ast.Import() | ast.ImportFrom() if not _is_dropped(node):
                for alias in node.names:
                    yield alias.asname or alias.name, f"import of {ast.unparse(node)}"
            case ast.Assign() | ast.AnnAssign() | ast.Try():
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                        yield inner.id, "assignment"


def test_every_room_travels() -> None:
    here = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "__main__", "loader"}

    assert sorted(agent.ROOMS) == sorted(here)


def test_what_travels_is_every_statement_but_the_imports_of_ours() -> None:
    whole = ast.parse(agent.source())
    kept = [node for tree in TREES.values() for node in tree.body if not _is_dropped(node)]

    assert [ast.dump(node) for node in whole.body[2:]] == [ast.dump(node) for node in kept]


def test_it_speaks_python_3_8() -> None:
    ast.parse(agent.source(), feature_version=(3, 8))


def test_no_name_means_two_things() -> None:
    meanings = defaultdict(set)
    for room, tree in TREES.items():
        for name, how in _bound(tree):
            meanings[name].add(how if how.startswith("import") else f"{how} in {room}")

    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


@pytest.mark.parametrize("room", agent.ROOMS)
def test_a_room_uses_only_those_before_it_under_their_own_names(room: str) -> None:
    before = agent.ROOMS[: agent.ROOMS.index(room)]
    for node in TREES[room].body:
        if isinstance(node, ast.ImportFrom) and _is_ours(node):
            assert (node.module or "").removeprefix("batchio.agent.") in before
            assert not any(alias.asname for alias in node.names)
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("batchio") for alias in node.names)


def test_late_imports_are_of_the_standard_library() -> None:
    whole = ast.parse(agent.source())
    names = set()
    for node in ast.walk(whole):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)

    assert names - sys.stdlib_module_names == set()


def test_what_starts_slowly_is_not_imported_at_the_start(tmp_path: Path) -> None:
    program = tmp_path / "agent.py"
    program.write_bytes(agent.source())
    run = f"exec(open({str(program)!r}).read(), {{'__name__': 'agent'}})"
    code = f"import sys; {run}; print(*sys.modules)"
    words = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    slow = {"collections", "contextlib", "ctypes", "enum", "json", "re", "signal", "socket"}

    assert slow & set(loaded) == set()


def test_it_can_be_read() -> None:
    words = [sys.executable, "-m", "batchio.agent"]
    printed = subprocess.run(words, check=True, capture_output=True).stdout

    assert printed == agent.source()
