"""What a provider ignores, with a warning, changes nothing about the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.submit.conftest import Caller


def test_no_ignored_option_reaches_the_job(caller: Caller) -> None:
    plain = caller.typed("true", ntasks=3).spec
    for option, value in {
        "task_on_scheduler": False, "scheduler_task_array": "1", "region": "us-east-1",
        "spot_policy": "spot", "allow_cross_zone": True, "disk_size": "100",
    }.items():  # fmt: skip
        prepared = caller.typed("true", ntasks=3, **{option: value})

        assert any("ignored" in said for said in prepared.warnings), option
        made = {**prepared.spec.to_json(), "options": None}
        assert made == {**plain.to_json(), "options": None}, option
