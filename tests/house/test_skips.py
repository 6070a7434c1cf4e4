"""A test that is skipped in CI for want of a package fails there, and says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

from tests.house.skips import OPTIONAL
from tests.house.source import ROOT

MODULE = f"""
import pytest

@pytest.fixture
def server():
    pytest.skip("no server: apt-get install it")

def test_fixture(server): ...

@pytest.mark.skipif(True, reason="no podman")
def test_mark(): ...

def test_optional():
    pytest.skip("{OPTIONAL}no such Python")

@pytest.mark.xfail
def test_known():
    assert False
"""


def summary(folder: Path, required: str) -> list[str]:
    """What pytest says of MODULE and of a module that is skipped as a whole."""
    (folder / "test_some.py").write_text(MODULE)
    (folder / "test_all.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    words = ["-q", "-rfEs", "--noconftest", "-p", "no:cacheprovider", "-p", "tests.house.skips"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--continue-on-collection-errors", folder],
        cwd=ROOT,
        env=os.environ | {"BATCHIO_REQUIRE_TESTBED": required, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()


def test_where_nothing_may_be_skipped_a_skip_is_a_failure(tmp_path: Path) -> None:
    said = "\n".join(summary(tmp_path, "1"))

    assert "skipped, where nothing may be: no server: apt-get install it" in said
    assert "skipped, where nothing may be: no podman" in said
    assert "skipped, where nothing may be: could not import 'no_such_module'" in said
    assert f"{OPTIONAL}no such Python" in said
    assert "\n1 skipped, 1 xfailed, 3 errors in " in said


def test_elsewhere_it_is_a_skip(tmp_path: Path) -> None:
    assert summary(tmp_path, "")[-1].startswith("4 skipped, 1 xfailed in ")
