"""The reference pages are what the code says today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_reference_is_not_stale() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_exit_code_is_on_its_page() -> None:
    from batchio.cli.diagnostics import ExitCode

    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text("utf-8")

    assert [f"| {code.value} |" in page for code in ExitCode] == [True] * len(ExitCode)
