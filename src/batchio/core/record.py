"""Base classes of the many small dataclasses: equality, `repr`, and JSON for views. Pure.

Written once here, not compiled for each class when it is made: that would be a fifth of the
time a command needs to start.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Final, cast

SCHEMA: Final = 2
"""Version of the JSON that programs read; rises when a field changes its meaning or goes away."""


class Record:
    """Base of `@dataclass(slots=True, eq=False, repr=False)`: equal when all fields are equal."""

    __slots__ = ()
    __hash__: ClassVar[None]  # type: ignore[assignment]  # what has __eq__ alone has no hash

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, item.name) == getattr(other, item.name)
            for item in fields(cast("Any", self))
            if item.compare
        )

    def __repr__(self) -> str:
        shown = (item.name for item in fields(cast("Any", self)) if item.repr)
        values = (f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({', '.join(values)})"


@dataclass(slots=True, eq=False, repr=False)
class Event(Record):
    """Something that happened, or was decided, at `at`."""

    tag: ClassVar[str]
    at: float


LATER: Final = {"later": True}
"""Metadata of a field that an event gained after it was first released.

Such a field is journaled only when it differs from its default, so old events stay unchanged.
"""


def default_of(item: Field[Any]) -> Any:
    """Return the default value of a dataclass field."""
    return item.default if item.default_factory is MISSING else item.default_factory()


def one_line(text: str) -> str:
    """Return a text, such as a job's name, with a blank for each run of white space."""
    return " ".join(text.split())


class View(Record):
    """A record that people and programs are shown; its values never change, so it has a hash."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        shown = (item.name for item in fields(cast("Any", self)) if item.compare)
        return hash((type(self), *(getattr(self, name) for name in shown)))

    def to_json(self) -> dict[str, Any]:
        """Return this view as a dict of plain JSON values, one for each field."""
        names = (item.name for item in fields(cast("Any", self)))
        return {name: _json(getattr(self, name)) for name in names if name[0] != "_"}


def _json(value: Any) -> Any:
    if isinstance(value, View):
        return value.to_json()
    return [_json(item) for item in value] if isinstance(value, tuple) else value
