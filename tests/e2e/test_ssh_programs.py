"""A library of a user, written for this computer, runs unchanged over hosts."""

from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import nothing_left
from tests.testbed.client import Lab
from tests.typing.test_programs import runs

pytestmark = pytest.mark.usefixtures("workspace")


def test_a_parallel_map_over_hosts_is_the_one_over_this_computer(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    machines = hosts(2)

    runs("parallel_map", tmp_path, *names(machines))

    assert nothing_left(lab, *machines)
