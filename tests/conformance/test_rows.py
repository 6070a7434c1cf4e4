"""Each promise of Coiled Batch's page, tried with the real command line: the table tells the truth.

Over SSH, the same is typed by a person whose BATCHIO_HOSTS names two hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import calls, looking, options, page  # noqa: F401  (they add their checks)
from tests.conformance.checks import CHECKS, Check, rows
from tests.conformance.person import Person
from tests.e2e.conftest import names

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
