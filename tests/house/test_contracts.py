"""Floors know only the floors below them, and what is light stays light.

Checked twice: by reading the imports, and by looking at what a fresh process loads.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from batchio import sync
from tests.house.heavy import HEAVY
from tests.house.source import ROOT

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


@pytest.mark.parametrize("verb", ["status", "list", "explain", "nodes", "logs"])
def test_looking_at_a_job_loads_no_loop(verb: str, tmp_path: Path) -> None:
    job = sync.run("true", workspace=str(tmp_path), head="inline")
    job.wait()
    statement = f"from batchio.cli.main import call; call(['{verb}', '--workspace', '{tmp_path}'])"

    assert _loaded(statement) & ((HEAVY | {"asyncio", "anyio"}) - {"sqlite3"}) == set()
