"""What the cheat sheet tells to type is there to be typed."""

import re
from typing import Final

import pytest

from batchio.cli.main import COMMANDS, cli
from docs.__main__ import ROOT
from docs.reference_pages import help_context

PAGE: Final = (ROOT / "docs/reference/cheat-sheet.md").read_text("utf-8")
TYPED: Final = re.findall(r"`batchio ([a-z]+)([^`]*)`", PAGE)


def options_of(name: str) -> set[str]:
    root = help_context(cli, "batchio", None)
    command = cli.get_command(root, name)
    assert command is not None
    return {word for param in command.params for word in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize(("name", "rest"), TYPED)
def test_each_command_of_the_sheet_has_the_options_that_stand_there(name: str, rest: str) -> None:
    assert name in COMMANDS
    ours = rest.partition(" -- ")[0]
    assert set(re.findall(r"(?<=\s)--?[A-Za-z][a-z-]*", ours)) <= options_of(name)


def test_what_may_be_added_to_run_are_its_options() -> None:
    cells = re.findall(r"^\| [^|]*\| (`-[^|]*)\|$", PAGE, re.MULTILINE)
    words = {word for cell in cells for word in re.findall(r"(?<=`)--?[A-Za-z][a-z-]*", cell)}

    assert len(words) > 10
    assert words <= options_of("run")
