"""Nothing in the project knows the computer on which it was written."""

import re
import tempfile
from typing import Final

import pytest

from tests.house.source import ROOT, files

_INVENTED: Final = ("alice", "ann", "me", "out", "you")
"""Users of examples."""
_HOMES: Final = re.compile(rf"/(?:home|Users)/(?!(?:{'|'.join(_INVENTED)})\b)\w+|/\.pyenv/")


def _here() -> list[str]:
    """The checkout and what lies beside it; a checkout in /tmp says nothing."""
    if ROOT.is_relative_to(tempfile.gettempdir()) or len(ROOT.parts) < 3:
        return []
    return [str(path) for path in ROOT.parent.iterdir()]


@pytest.mark.parametrize("name", files())
def test_a_file_names_no_place_of_one_computer(name: str) -> None:
    text = (ROOT / name).read_text(errors="replace")
    homes = [] if name == "tests/house/test_no_paths.py" else _HOMES.findall(text)
    assert homes + [place for place in _here() if place in text] == []
