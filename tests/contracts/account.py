"""An account as the front plays it, and a command line, for the suites about accounts. Sealed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.contracts import sealed

sealed.enter()  # before anything loads the SDK or moto

from batchio.cli import gc as command  # noqa: E402
from batchio.cli.main import call  # noqa: E402
from batchio.core.ids import job_id  # noqa: E402
from batchio.providers.aws import cache, gc, known  # noqa: E402
from batchio.providers.aws.tags import EXPIRES, JOB  # noqa: E402
from tests.contracts.ec2 import cache_folder as cache_folder  # noqa: E402
from tests.contracts.ec2 import front as front  # noqa: E402
from tests.contracts.ec2 import moto as moto  # noqa: E402
from tests.contracts.ec2 import session as session  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from tests.testbed.cloud.front import Front

HERE = "us-east-1"


@pytest.fixture(autouse=True)
def place(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = known.kinds().values()  # moto takes seconds to list all that there are
    zones = [(kind.name, f"{HERE}{zone}") for kind in kinds for zone in "ab"]
    cache.write(f"aws-types-{HERE}.json", 1, {"kinds": list(kinds), "zones": zones})
    monkeypatch.setenv("BATCHIO_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(command, "BETWEEN_S", 0.0)
    monkeypatch.setattr(gc, "FREED_S", 0.0)
    monkeypatch.setattr(
        gc, "A_PAGE", 10
    )  # as 250 instances on pages of 100, in a tenth of the time


class Shown:
    """What commands print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def type(self, *words: str) -> tuple[int, str, str]:
        code = call(list(words))
        return code, *self._capsys.readouterr()


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    return Shown(capsys)


def a_job() -> str:
    return job_id(time.time(), os.urandom(4))


def held(front: Front, job: str, count: int, *, expires: float | None, **more: Any) -> list[str]:
    """Instances of a job, that expire so many seconds from now; None: nobody has said when."""
    tags = [{"Key": JOB, "Value": job}]
    if expires is not None:
        tags.append({"Key": EXPIRES, "Value": str(int(time.time() + expires))})
    ec2 = front.client()
    made = [  # one by one: moto's pages are of reservations
        ec2.run_instances(
            ImageId="ami-12c6146b",
            InstanceType="m7i.xlarge",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            **more,
        )
        for _ in range(count)
    ]
    return [one["Instances"][0]["InstanceId"] for one in made]


def living(front: Front) -> set[str]:
    found = front.client().describe_instances()["Reservations"]
    every = [one for reservation in found for one in reservation["Instances"]]
    return {one["InstanceId"] for one in every if one["State"]["Name"] != "terminated"}
