"""The pages that are written from the code are as the code has them."""

import subprocess
import sys

import pytest

from tests.house.source import ROOT


@pytest.mark.parametrize("script", ["docs/generate.py", "docs/states.py", "docs/python_page.py"])
def test_generated_pages_are_fresh(script: str) -> None:
    command = [sys.executable, script, "--check"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
