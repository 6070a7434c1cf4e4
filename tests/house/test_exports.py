"""The front door: every public name is there, explained, and in the reference."""

import ast
import inspect
from typing import Any

import pytest

import batchio
from batchio import api, sync
from tests.house.source import ROOT

_NAMES = sorted(set(batchio.__all__) - {"__version__"})
_FRONT = ROOT / "src" / "batchio" / "__init__.py"
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


def test_type_checkers_see_the_names_that_are_loaded_from_where_they_are_loaded() -> None:
    block = next(step for step in ast.parse(_FRONT.read_text()).body if isinstance(step, ast.If))
    seen = {
        name.asname: (step.module or "").removeprefix("batchio").lstrip(".")
        for step in block.body
        if isinstance(step, ast.ImportFrom)
        for name in step.names
    }

    assert seen == batchio._HOMES


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing_like_it'"):
        _ = batchio.nothing_like_it


def _signatures(thing: Any) -> dict[str, list[inspect.Parameter]]:
    """The parameters of each public function, method and property: names, kinds, types, defaults.

    What it returns is another thing where nobody awaits it.
    """
    bases = thing.__mro__[:-1] if isinstance(thing, type) else (thing,)
    members = {name: member for base in reversed(bases) for name, member in vars(base).items()}
    found = {
        name: member.fget if isinstance(member, property) else member
        for name, member in members.items()
        if not name.startswith("_")
    }
    return {
        name: list(inspect.signature(member).parameters.values())
        for name, member in found.items()
        if inspect.isfunction(member)
    }


def test_the_blocking_verbs_have_the_signatures_of_those_to_await() -> None:
    verbs = {name for name in _NAMES if inspect.isfunction(getattr(api, name, None))}
    awaited = {name: call for name, call in _signatures(api).items() if name in verbs}
    blocking = {name: call for name, call in _signatures(sync).items() if name in verbs}

    assert len(verbs) > 6
    assert blocking == awaited


def test_the_blocking_job_has_the_methods_of_the_one_to_await() -> None:
    awaited = _signatures(api.Job)
    own = _signatures(sync.Job)
    own.pop("id")

    assert own == awaited
