"""No test fixes how many examples hypothesis looks at: CI's profile would change nothing then."""

import pytest
from hypothesis import settings

from tests.effort import THOROUGH, USUAL, examples
from tests.house.source import ROOT, python_files

_NAMES = [
    str(path.relative_to(ROOT))
    for path in python_files("tests/")
    if path.name not in ("effort.py", "test_effort.py")
]


@pytest.mark.parametrize("name", _NAMES)
def test_how_hard_to_look_is_left_to_the_profile(name: str) -> None:
    text = (ROOT / name).read_text()

    assert "max_examples" not in text
    assert "deadline=None" not in text


def test_a_test_that_looks_at_few_looks_at_more_in_ci() -> None:
    before = settings.get_current_profile_name()
    try:
        settings.load_profile("dev")
        assert (examples(15).max_examples, settings().max_examples) == (15, USUAL)
        settings.load_profile("ci")
        assert (examples(15).max_examples, settings().max_examples) == (
            15 * THOROUGH,
            USUAL * THOROUGH,
        )
    finally:
        settings.load_profile(before)
