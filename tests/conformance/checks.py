"""The checks of rows, by row id; a module of checks adds its own with `@row`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from tests.conformance.person import Person

State = Literal["works", "refused", "ignored", "elsewhere", "absent"]
"""works: as promised. refused: an error with its reason, before there is a job. ignored: one
warning, and the job runs. elsewhere: the tests that `why` names hold it. absent: `why` says what
batchio does not do."""

MAY_BE_ABSENT: Final = {"account", "clouds", "web page"}

Check = Callable[[Person], None]

CHECKS: Final[dict[str, Check]] = {}


class Row(NamedTuple):
    """One promise of the page, and whether it contains on this computer and over SSH.

    `why` names the tests of a row held elsewhere (`path::name`, by blanks), or what is absent.
    """

    id: str
    promise: str
    local: State
    ssh: State
    why: str


def rows() -> list[Row]:
    """Read the table."""
    with (Path(__file__).parent / "rows.csv").open(newline="") as file:
        table = [Row(*fields) for fields in list(csv.reader(file))[1:]]  # type: ignore[arg-type]
    assert all({row.local, row.ssh} <= set(get_args(State)) for row in table)
    return table


def row(*ids: str) -> Callable[[Check], Check]:
    """Make a function the check of these rows."""

    def added(check: Check) -> Check:
        assert CHECKS.keys().isdisjoint(ids)
        CHECKS.update(dict.fromkeys(ids, check))
        return check

    return added
