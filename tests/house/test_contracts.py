"""Floors know only the floors below them, and what is light stays light.

Checked twice: by reading the imports, and by looking at what a fresh process loads.
"""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from batchio import sync
from tests.house.heavy import HEAVY
from tests.house.source import PACKAGE, ROOT, python_files

_LOADED: Final = """
import json, sys
try:
    {statement}
finally:
    json.dump(sorted({{name.partition(".")[0] for name in sys.modules}}), sys.stderr)
"""


def _loaded(statement: str) -> set[str]:
    """Top-level modules in memory after a fresh interpreter ran `statement`."""
    command = [sys.executable, "-c", _LOADED.format(statement=statement)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    try:
        return set(json.loads(done.stderr))
    except ValueError:
        pytest.fail(f"{statement} failed:\n{done.stderr}")


def test_no_floor_knows_a_higher_one() -> None:
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(lint, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(HEAVY))
def test_what_must_not_be_loaded_could_be(name: str) -> None:
    assert find_spec(name)


def test_import_batchio_loads_nothing_heavy() -> None:
    assert _loaded("import batchio") & (HEAVY | {"click", "asyncio"}) == set()


def test_help_loads_nothing_heavy() -> None:
    statement = "from batchio.cli.main import call; call(['--help'])"
    assert _loaded(statement) & HEAVY == set()


def test_a_job_in_a_folder_is_submitted_without_what_reaches_buckets(tmp_path: Path) -> None:
    words = f"['run', '--workspace', '{tmp_path}', '--wait', '--quiet', 'true']"

    assert "obstore" not in _loaded(f"from batchio.cli.main import call; call({words})")


@pytest.mark.parametrize("verb", ["status", "list", "explain", "nodes", "logs"])
def test_looking_at_a_job_loads_no_loop(verb: str, tmp_path: Path) -> None:
    job = sync.run("true", workspace=str(tmp_path), head="inline")
    job.wait()
    statement = f"from batchio.cli.main import call; call(['{verb}', '--workspace', '{tmp_path}'])"

    assert _loaded(statement) & ((HEAVY | {"asyncio", "anyio"}) - {"sqlite3"}) == set()


def _imports(path: Path) -> Iterator[str]:
    """The modules that a file names, also those that only type checkers see."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _forbidden(contract: str) -> tuple[list[str], list[str], set[str]]:
    """Where this contract of pyproject.toml holds, what it forbids, and what it lets pass."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [found] = [one for one in table["contracts"] if one["name"].startswith(contract)]
    return found["source_modules"], found["forbidden_modules"], set(found.get("ignore_imports", ()))


@pytest.mark.parametrize("contract", ["the runtime imports", "front ends import"])
def test_what_a_floor_must_not_import_it_does_not_name_in_types_either(contract: str) -> None:
    sources, forbidden, passing = _forbidden(contract)
    broken = set()
    for path in python_files("src/batchio"):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if any(f"{module}.".startswith(f"{source}.") for source in sources):
            broken |= {
                f"{module} -> {bad}"
                for name in _imports(path)
                for bad in forbidden
                if f"{name}.".startswith(f"{bad}.")
            }

    assert broken - passing == set()
