"""How hard hypothesis looks: the profile of the run decides, and a test says only its share."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import settings

USUAL: Final = 100
"""Examples of a test that says nothing, on a developer's computer."""

THOROUGH: Final = 3
"""How many times as many CI looks at."""


def register() -> None:
    """Make the profiles: `dev`, and `ci`, which prints how to bring a failure back."""
    settings.register_profile("dev", max_examples=USUAL, deadline=None)
    settings.register_profile("ci", max_examples=USUAL * THOROUGH, deadline=None, print_blob=True)


def pytest_configure() -> None:
    """Load a developer's profile, as a plug-in where no conftest does; before tests are read."""
    register()
    settings.load_profile("dev")


def examples(count: int, **more: Any) -> settings:
    """Return settings for `count` examples on a developer's computer, and more where it counts."""
    share = settings().max_examples / USUAL
    return settings(max_examples=round(count * share), **more)
