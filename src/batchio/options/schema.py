"""The type of an option. The options themselves stand in `options.table`.

Pure data types: nothing here reads, checks or prints a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from batchio.core.traits import Trait

Kind = Literal[
    "flag",  # bool: named or not
    "tri",  # bool or None: yes, no, or not said
    "integer",  # int
    "text",  # str
    "variable",  # str: the name of an environment variable
    "choice",  # str: one of `choices`
    "size",  # sizes.Span of bytes
    "disk",  # int: bytes; a plain number is GiB
    "cpu",  # sizes.Span of cores
    "duration",  # float: seconds
    "dollars",  # float: US dollars
    "path",  # str: a path on the computer of the caller
    "paths",  # tuple[str, ...]: may be given several times
    "words",  # tuple[str, ...]: several times, or split at commas and blanks
    "pairs",  # dict[str, str]: KEY=VAL, may be given several times
    "array",  # arrays.Array
    "codes",  # tuple[tuple[int, int], ...]: inclusive ranges of exit codes
    "values",  # str still to be split, or an iterable of the Python caller
    "delimiter",  # str: \n, \t, \0 and \\ are understood
    "object",  # whatever the Python caller passed
]
Group = Literal[
    "Tasks",
    "Machines",
    "Software",
    "Environment",
    "Files",
    "Running",
    "Retries",
    "Where",
    "Looking",
]
Surface = Literal["cli", "api", "directive", "env", "config"]

GROUPS: Final[tuple[Group, ...]] = (
    "Tasks",
    "Machines",
    "Software",
    "Environment",
    "Files",
    "Running",
    "Retries",
    "Where",
    "Looking",
)
EVERYWHERE: Final[frozenset[Surface]] = frozenset(("cli", "api", "directive", "env", "config"))
NOT_ENV: Final[frozenset[Surface]] = EVERYWHERE - {"env"}
CODE_ONLY: Final[frozenset[Surface]] = frozenset(("api",))
TYPED_ONLY: Final[frozenset[Surface]] = frozenset(("cli",))
SUBMIT_ONLY: Final[frozenset[Surface]] = frozenset(("cli", "directive"))
RUN: Final = frozenset(("run",))

_METAVARS: Final[Mapping[Kind, str]] = {
    "flag": "",
    "tri": "",
    "integer": "N",
    "variable": "NAME",
    "size": "SIZE",
    "disk": "SIZE",
    "cpu": "CORES",
    "duration": "TIME",
    "dollars": "DOLLARS",
    "path": "PATH",
    "paths": "PATH",
    "pairs": "KEY=VAL",
    "array": "IDS",
    "codes": "CODES",
}


def opposite(name: str) -> str:
    """Return the name that means no: no-wait for wait, no-cross-zone for allow-cross-zone."""
    return f"no-{name.removeprefix('allow-')}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Option:
    """One option: every spelling, rule and sentence about it.

    `help` is one sentence. `needs` holds the traits that a provider must have to honour the
    option; the sentence beside the first that it lacks says why it is ignored, and may name
    the `{provider}`. `never` says why no provider honours it.
    """

    name: str
    kind: Kind
    group: Group
    help: str
    default: Any = None
    unit: str = ""
    short: str = ""
    aliases: tuple[str, ...] = ()
    kwarg: str = ""
    choices: tuple[str, ...] = ()
    others: str = ""
    """The placeholder for any other text that a "choice" may be, too; empty: none is."""
    minimum: float | None = None
    forbids: Mapping[int, str] = field(default_factory=dict)
    surfaces: frozenset[Surface] = EVERYWHERE
    commands: frozenset[str] = RUN
    needs: Mapping[Trait, str] = field(default_factory=dict)
    never: str = ""
    requirement: bool = False
    """Whether a job that asks for it is refused, not only warned, where it is not honoured."""
    spec: str = ""
    """The field of the JobSpec that holds the option's value, unchanged."""
    annotation: str = ""
    """The type of an "object", as a Python caller writes it."""
    boolean_word: bool = False
    """A yes/no option after which the command line also accepts a word: true, false."""

    @property
    def repeat(self) -> bool:
        """Whether the option may be given several times."""
        return self.kind in ("paths", "words", "pairs")

    @property
    def keyword(self) -> str:
        """The option's preferred name as a Python keyword argument."""
        return self.kwarg or self.name.replace("-", "_")

    @property
    def for_calls(self) -> bool:
        """Whether `run` and `plan` have the option as a keyword argument."""
        return "api" in self.surfaces and "run" in self.commands

    @property
    def keywords(self) -> tuple[str, ...]:
        """Every keyword argument that means the option, the preferred one first."""
        names = (self.keyword, *(n.replace("-", "_") for n in self.spellings))
        return tuple(dict.fromkeys(names))

    @property
    def spellings(self) -> tuple[str, ...]:
        """The option's name and aliases, without dashes in front."""
        return (self.name, *self.aliases)

    @property
    def opposites(self) -> tuple[str, ...]:
        """Names that mean no, the preferred one first."""
        names = (*map(opposite, self.spellings), *(f"no-{name}" for name in self.spellings))
        return tuple(dict.fromkeys(names))

    @property
    def metavar(self) -> str:
        """The placeholder for the option's value in help texts; empty for a flag."""
        if self.choices:
            return "|".join((*self.choices, self.others) if self.others else self.choices)
        return self.unit or _METAVARS.get(self.kind, "TEXT")

    def refusal(self, provider: str, traits: Container[Trait]) -> str | None:
        """Return why a provider of these traits ignores the option, in one clause, or None."""
        if self.never:
            return self.never
        lacking = (why for trait, why in self.needs.items() if trait not in traits)
        why = next(lacking, None)
        return why and why.format(provider=provider)
