"""What the page says that a task sees, a task sees, and nothing of ours besides."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from batchio import sync
from docs.task_page import VARIABLES

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DUMP = "import json, os; print(json.dumps(dict(os.environ)))"
OURS = ("BATCHIO_", "COILED_", "CUDA_VISIBLE")


def test_the_page_names_every_variable_that_a_task_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        for name in (variable.name, *variable.others.split()):
            monkeypatch.delenv(name, raising=False)
    job = sync.run(
        [sys.executable, "-c", DUMP], map_over_values=["a"], workspace=str(tmp_path / "ws")
    )
    assert job.wait(timeout=60).exit_code == 0
    [line] = job.logs()
    seen = json.loads(line.text)

    told = {name for one in VARIABLES for name in (one.name, *one.others.split())}
    ours = {name for name in seen.keys() - os.environ.keys() if name.startswith(OURS)}
    assert ours - told == set()
    assert told - seen.keys() == {one.name for one in VARIABLES if "--gpu" in one.when}
    for one in VARIABLES:
        assert len({seen.get(name) for name in (one.name, *one.others.split())}) == 1
