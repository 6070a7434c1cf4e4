"""Every error is drawn in the tree, and has a code of its own and an exit code."""

import re

import pytest

from batchio import errors
from batchio.errors import BatchioError

_EXIT_CODES = {1, 2, 3, 4, 5}


def _all(base: type[BatchioError]) -> list[type[BatchioError]]:
    below = [found for child in base.__subclasses__() for found in _all(child)]
    return [base, *below]


_CLASSES = [cls for cls in _all(BatchioError) if cls.__module__ == errors.__name__]


@pytest.mark.parametrize("error", _CLASSES)
def test_an_error_has_a_code_an_exit_code_and_a_meaning(error: type[BatchioError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
    assert error.exit_code in _EXIT_CODES
    assert (error.__doc__ or "").strip()


def test_an_error_knows_what_may_be_done_about_it_and_a_stranger_may_pass() -> None:
    """The four that tell a caller that nothing was taken must never say "perhaps"."""
    certain = (errors.NoCapacity, errors.QuotaExceeded, errors.NotAuthorised, errors.UsageError)
    assert {kind.remedy for kind in certain} <= {errors.Remedy.OTHER, errors.Remedy.FIX}
    passing = (errors.Unreachable("x"), errors.ProviderDown("x"), TimeoutError(), KeyError("x"))
    assert {errors.remedy_of(error) for error in passing} == {errors.Remedy.AGAIN}


def test_codes_are_unique() -> None:
    codes = [error.code for error in _CLASSES]
    assert sorted(set(codes)) == sorted(codes)


def test_the_drawn_tree_is_the_real_one() -> None:
    assert _drawn(errors.__doc__ or "") == {
        error.__name__: error.__bases__[0].__name__
        for error in _CLASSES
        if error is not BatchioError
    }


def test_every_error_stands_in_the_one_module() -> None:
    elsewhere = [cls for cls in _all(BatchioError) if cls not in _CLASSES]
    assert [cls for cls in elsewhere if cls.__module__.startswith("batchio")] == []


def _drawn(text: str) -> dict[str, str]:
    """Child to parent, as the tree shows them."""
    parents: list[str] = ["BatchioError"]
    tree = {}
    for branch, name in re.findall(r"^([│ ]*[├└]── )(\w+)", text, re.MULTILINE):
        depth = len(branch) // 4
        tree[name] = parents[depth - 1]
        parents[depth:] = [name]
    return tree
