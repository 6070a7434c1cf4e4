"""The front door: every public name is there, explained, and in the reference."""

import inspect
from typing import Any

import pytest

import batchio
from batchio import api, sync
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


def _public_calls(thing: Any) -> dict[str, list[str]]:
    """The parameters of each public function or method."""
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in vars(thing).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_the_blocking_verbs_are_the_same() -> None:
    verbs = {name for name in batchio.__all__ if getattr(api, name, None) is getattr(batchio, name)}
    awaited = {name: call for name, call in _public_calls(api).items() if name in verbs}
    blocking = {name: call for name, call in _public_calls(sync).items() if name in verbs}
    assert blocking == awaited


def test_the_blocking_job_has_the_same_methods() -> None:
    blocking, awaited = _public_calls(sync.Job), _public_calls(api.Job)
    assert blocking.keys() | {"machine"} == awaited.keys() | {"machine"}
