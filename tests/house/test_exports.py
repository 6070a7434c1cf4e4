"""The front door: every public name is there, explained, and in the reference."""

from typing import Any

import pytest

import batchio
from tests.house.source import ROOT

_NAMES = sorted(set(batchio.__all__) - {"__version__"})
_REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", _NAMES)
def test_a_public_name_resolves_and_is_explained(name: str) -> None:
    thing: Any = getattr(batchio, name)
    assert (thing.__doc__ or "").strip()


@pytest.mark.parametrize("name", _NAMES)
def test_a_public_name_is_in_the_reference(name: str) -> None:
    pages = "\n".join(page.read_text() for page in _REFERENCE.glob("*.md"))
    assert name in pages


def test_dir_shows_the_public_names() -> None:
    assert set(batchio.__all__) <= set(dir(batchio))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing_like_it'"):
        _ = batchio.nothing_like_it
