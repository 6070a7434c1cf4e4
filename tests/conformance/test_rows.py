"""Each promise of Coiled Batch's page, tried with the real command line: the table tells the truth.

Over SSH, the same is typed by a person whose BATCHIO_HOSTS names two hosts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.conformance import calls, looking, options, page  # noqa: F401  (they add their checks)
from tests.conformance.checks import CHECKS, MAY_BE_ABSENT, Check, Row, rows
from tests.conformance.person import Person
from tests.e2e.conftest import names
from tests.house.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import MakeHosts

ROWS = {row.id: row for row in rows()}
_OUTCOMES: dict[tuple[Check, str], Exception | None] = {}
"""What became of each check; one may stand for several rows, and runs once."""
TRIED = ("works", "refused", "ignored")


def test_every_row_that_says_something_of_this_computer_or_of_hosts_is_tried() -> None:
    assert len(ROWS) == len(rows())
    assert {row.id for row in rows() if {row.local, row.ssh} & set(TRIED)} == CHECKS.keys()


@pytest.mark.parametrize(
    "row", [row for row in rows() if "elsewhere" in row], ids=lambda row: row.id
)
def test_a_row_held_elsewhere_names_the_tests_that_hold_it(row: Row) -> None:
    assert row.why
    for test in row.why.split():
        path, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), test


def test_only_what_batchio_does_not_do_at_all_is_absent() -> None:
    assert {row.why for row in rows() if "absent" in row} == MAY_BE_ABSENT
    assert not [row.id for row in rows() if row.why and {row.local, row.ssh} <= set(TRIED)]


@pytest.mark.parametrize("name", [row.id for row in rows() if row.local in TRIED])
def test_the_row_is_true_on_this_computer(tmp_path: Path, name: str) -> None:
    tell(name, "here", lambda: Person(tmp_path))


@pytest.mark.parametrize("name", [row.id for row in rows() if row.ssh in TRIED])
def test_the_row_is_true_over_ssh(tmp_path: Path, hosts: MakeHosts, name: str) -> None:
    tell(name, "ssh", lambda: Person(tmp_path, tuple(names(hosts(2)))))


def tell(name: str, where: str, person: Callable[[], Person]) -> None:
    """Run the row's check, unless it was run for another row; raise what became of it."""
    key = CHECKS[name], where
    if key not in _OUTCOMES:
        _OUTCOMES[key] = None
        try:
            CHECKS[name](person())
        except Exception as err:
            _OUTCOMES[key] = err
    if (problem := _OUTCOMES[key]) is not None:
        raise problem
