"""Every command has a manual page, which man shows without a complaint."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from batchio.cli.main import COMMANDS
from docs import man_pages
from tests.house.skips import OPTIONAL

FOLDER = Path(man_pages.__file__).parent / "man"
WITH_BACKSLASH = ("batchio-run.1", "batchio-setup.1")
"""Pages whose examples have one; on any other it is groff's own that was not understood."""


def test_every_command_has_a_page_and_nothing_else_has() -> None:
    names = {"batchio.1", *(f"batchio-{name}.1" for name in COMMANDS)}

    assert {path.name for path in FOLDER.iterdir()} == names


@pytest.mark.skipif(not shutil.which("groff"), reason=f"{OPTIONAL}groff is not installed")
@pytest.mark.parametrize("name", man_pages.files())
def test_a_page_is_set_without_a_warning(name: str) -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(FOLDER / name)],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "\\" not in done.stdout or name in WITH_BACKSLASH
    assert re.search(r"^NAME$", done.stdout, re.MULTILINE)
