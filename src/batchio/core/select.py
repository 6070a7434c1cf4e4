"""The filter language: choosing tasks by what a person types, and sorting them. Pure.

    failed !node:gpu3 >10m "bad row"

Terms stand between blanks, and a task must fit all of them; of terms of one kind (two states, two
nodes) it must fit one. Any text that is no term is looked for in reasons and last words. `!`
negates. It works on columns (`lens`), and gives positions.
"""

from __future__ import annotations

import re
import signal
from array import array
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from batchio.core import lens
from batchio.core.arrays import TaskIds, parse_ids
from batchio.core.lens import Where
from batchio.core.rows import BAD
from batchio.core.sizes import parse_duration
from batchio.core.task import Outcome, TaskState
from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.core.lens import Order
    from batchio.core.machine import Machine

T = TypeVar("T")

FORMS: Final = "terms: failed, running, >10m, <5s, node:gpu3, exit:3, try:2, id:2,4-6, words, !term"
"""What may be typed, in a line."""

BAD_WORD: Final = "bad"
"""Stands for all outcomes that a person should look at."""

STANDINGS: Final = frozenset(
    {state.name.lower() for state in TaskState} | {outcome.label for outcome in Outcome if outcome}
)
"""States and outcomes that can be typed."""

_TERM: Final = re.compile(r'!?(?:[a-z]+:)?"[^"]*"?|\S+')
_KEYED: Final = re.compile(r"([a-z]+):(?!//)(\S.*)", re.DOTALL)


class Term(NamedTuple):
    """One term of a filter."""

    kind: str
    """`standing`, `node`, `exit`, `try`, `id`, `longer`, `shorter` or `words`."""
    value: str | float | int | TaskIds
    negated: bool


class Filter(NamedTuple):
    """A filter that was typed."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a filter; an empty text chooses all tasks.

        Raises:
            UsageError: a term makes no sense; the message names it.
        """
        return cls(tuple(term for word in _TERM.findall(text) for term in _terms(word)))

    def narrow(self, machine: Machine, now: float) -> Sequence[int]:
        """Return the positions of the tasks that fit, by rising id."""
        found: Sequence[int] = range(machine.tasks.count)
        for wanted in self._alternatives():
            fits = set[int]()
            for term in wanted:
                fits.update(lens.select(machine, _where(machine, term), (), now))
            if wanted[0].negated:
                found = [position for position in found if position not in fits]
            else:
                found = sorted(fits) if len(found) == machine.tasks.count else (
                    [position for position in found if position in fits]
                )  # fmt: skip
        return found

    def _alternatives(self) -> list[list[Term]]:
        """Return lists of terms: a task must fit one of each list, or none if it is negated."""
        lists: dict[object, list[Term]] = {}
        for number, term in enumerate(self.terms):
            alone = term.kind == "words" or term.negated
            lists.setdefault(number if alone else term.kind, []).append(term)
        return list(lists.values())


def select(
    machine: Machine,
    where: Where | Filter | str = lens.ALL,
    order: Sequence[Order] = (),
    now: float = 0.0,
) -> array[int]:
    """Return the positions of the tasks that meet `where`, sorted by `order`, else by id.

    Args:
        where: Conditions, or a filter as a person types it.
        order: Columns to sort by; the first counts most.
        now: Unix seconds; until then lasts the duration of running tasks.

    Raises:
        KeyError: there is no such column.
        UsageError: the filter makes no sense.
    """
    if isinstance(where, Where):
        return lens.select(machine, where, order, now)
    chosen = Filter.parse(where) if isinstance(where, str) else where
    return array("I", lens.in_order(machine, chosen.narrow(machine, now), order, now))


def _terms(word: str) -> list[Term]:
    negated, bare = word.startswith("!") and len(word) > 1, word
    if negated:
        bare = word[1:]
    if bare.startswith('"'):
        return [Term("words", bare.strip('"'), negated)]
    if bare == BAD_WORD:
        return [Term("standing", outcome.label, negated) for outcome in BAD]
    if (standing := bare.replace("-", "_")) in STANDINGS:
        return [Term("standing", standing, negated)]
    if bare[:1] in "<>" and len(bare) > 1:
        kind = "longer" if bare[0] == ">" else "shorter"
        return [Term(kind, _read(word, parse_duration, bare[1:]), negated)]
    if (found := _KEYED.fullmatch(bare)) and found[1] in _KEYS:
        return [
            Term(found[1], value, negated)
            for value in _read(word, _KEYS[found[1]], found[2].strip('"'))
        ]
    if bare.rstrip(":") in _KEYS and bare.endswith(":"):
        raise UsageError(f'"{word}": a value is missing', hint=FORMS)
    return [Term("words", bare, negated)]


def _read(word: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except UsageError as err:
        raise UsageError(f'"{word}": {err.message}', hint=err.hint or FORMS) from None


def _nodes(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _exits(text: str) -> list[int]:
    return [_exit(word) for word in text.split(",")]


def _exit(word: str) -> int:
    name = word.upper()
    for known in signal.Signals:
        if name in (known.name, known.name.removeprefix("SIG")):
            return -known.value
    try:
        return int(word)
    except ValueError:
        raise UsageError(f'"{word}" is neither an exit code nor a signal') from None


def _tries(text: str) -> list[int]:
    if not text.isdecimal():
        raise UsageError(f'"{text}" is not an attempt number')
    return [int(text)]


_KEYS: Final[dict[str, Callable[[str], Sequence[str | int | TaskIds]]]] = {
    "node": _nodes,
    "exit": _exits,
    "try": _tries,
    "id": lambda text: [parse_ids(text)],
}
"""By key, what reads its values."""


def _where(machine: Machine, term: Term) -> Where:
    """Return the conditions of one term, without its negation."""
    match term.kind, term.value:
        case "standing", str(word):
            return Where(standing=frozenset([word]))
        case "node", str(name):
            return Where(nodes=frozenset(_numbers(machine, name)) or frozenset([-2]))
        case "exit", int(code):
            return Where(exits=frozenset([code]))
        case "try", int(least):
            return Where(attempt=least)
        case "id", TaskIds() as ids:
            return Where(ids=ids)
        case "longer", float(seconds):
            return Where(longer=seconds)
        case "shorter", float(seconds):
            return Where(shorter=seconds)
        case _, words:
            return Where(words=str(words))


def _numbers(machine: Machine, name: str) -> list[int]:
    """Return the numbers of the nodes of that name; without any, of those whose names have it."""
    nodes = machine.nodes
    exact = [node.number for node in nodes if name in (node.name, node.offer)]
    fits = [node.number for node in nodes if fnmatchcase(node.name, name)]
    return exact or fits or [node.number for node in nodes if name in node.name]
