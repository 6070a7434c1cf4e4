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
EVERY: Final = (*agent.ROOMS, *agent.ALONE)
TREES: Final = {room: ast.parse((FOLDER / f"{room}.py").read_text()) for room in EVERY}


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

    assert sorted(EVERY) == sorted(here)


def test_what_travels_is_every_statement_but_the_imports_of_ours() -> None:
    whole = ast.parse(agent.source())
    rooms = [TREES[room] for room in agent.ROOMS]
    kept = [node for tree in rooms for node in tree.body if not _is_dropped(node)]

    assert [ast.dump(node) for node in whole.body[2:]] == [ast.dump(node) for node in kept]


@pytest.mark.parametrize("program", ["agent", *agent.ALONE])
def test_it_speaks_python_3_8(program: str) -> None:
    ast.parse(agent.source(program), feature_version=(3, 8))


def test_no_name_means_two_things() -> None:
    meanings = defaultdict(set)
    for room in agent.ROOMS:
        for name, how in _bound(TREES[room]):
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


def _imported(tree: ast.Module) -> Iterator[str]:
    """The dotted name of each module and each member that is imported anywhere in there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


PROGRAMS: Final = {program: ast.parse(agent.source(program)) for program in agent.ALONE} | {
    "agent": ast.parse(agent.source()),
    "loader": ast.parse((FOLDER / "loader.py").read_text()),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_import_is_of_the_standard_library(program: str) -> None:
    names = {name.partition(".")[0] for name in _imported(PROGRAMS[program])}

    assert names - sys.stdlib_module_names == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_private_of_pythons_is_used(program: str) -> None:
    tree = PROGRAMS[program]
    imported = {name for name in _imported(tree) if not name.startswith("__future__.")}
    private = {name for name in imported if any(p.startswith("_") for p in name.split("."))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[1] != "_":
            private.add(ast.unparse(node))

    assert private - {"os._exit"} == set()  # which is public in spite of its name


def test_what_starts_slowly_is_not_imported_at_the_start(tmp_path: Path) -> None:
    program = tmp_path / "agent.py"
    program.write_bytes(agent.source())
    run = f"exec(open({str(program)!r}).read(), {{'__name__': 'agent'}})"
    code = f"import sys; {run}; print(*sys.modules)"
    words = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    slow = {
        "asyncio",
        "ctypes",
        "logging",
        "shutil",
        "subprocess",
        "tarfile",
        "threading",
        "urllib",
    }

    assert slow & set(loaded) == set()


def test_it_can_be_read() -> None:
    words = [sys.executable, "-m", "batchio.agent"]
    printed = subprocess.run(words, check=True, capture_output=True).stdout

    assert printed == agent.source()
