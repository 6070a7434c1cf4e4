"""What a job would cost, and what machines cost, where AWS cannot be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from batchio.providers.aws import cache, here
from tests.core.stories import JOB, Story

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.terminal import Terminal

CLOUD = ("--provider", "aws")


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody without credentials, and who has never asked AWS for anything."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (*here._VARIABLES, "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def planned(terminal: Terminal, *words: str) -> Any:
    return json.loads(terminal.type("plan", *CLOUD, "--format", "json", *words, "true").out)


def test_a_plan_says_what_nodes_cost_and_what_would_be_left_to_pay(terminal: Terminal) -> None:
    seen = terminal.type("plan", *CLOUD, "--ntasks", "100", "--expect", "10m", "true")

    assert seen.code == 0
    assert "nodes     100 nodes of 1 slot from us-east-1/on-demand, $0.1814 to $0.2412" in seen.out
    assert "expected  $3.33 (P50) to $4.42 (P90), by --expect" in seen.out
    assert "worst     $18.09 more, if all that leads the job died at once" in seen.out
    assert "quota     400 vCPU of L-1216C47A (Running On-Demand Standard instances)" in seen.out
    assert "prices    the table of November 2026, estimates" in seen.out
    assert "note      no AWS credentials here: quotas are not known" in seen.out
    assert seen.out.splitlines()[-4].split() == ["m5a.xlarge", "on", "demand", "$0.1814"]


def test_spot_comes_first_and_regions_in_their_order(terminal: Terminal) -> None:
    found = planned(
        terminal, "--spot-policy", "spot_with_fallback", "--region", "eu-west-1,us-east-2"
    )["cost"]
    offers = list(dict.fromkeys(pool["offer"] for pool in found["pools"]))

    assert offers == [
        "eu-west-1/spot", "eu-west-1/on-demand", "us-east-2/spot", "us-east-2/on-demand",
    ]  # fmt: skip
    assert found["offer"] == "eu-west-1/spot"


def test_durations_are_those_of_the_newest_job_of_that_name(terminal: Terminal) -> None:
    story = Story("0-9", name="true").offers("laptop").ready(slots=10).start(*range(10))
    for task in range(10):
        story.end(task, at=12 + 10 * task)
    terminal.keep(story.close(at=200))
    found = planned(terminal)["cost"]

    assert found["duration"] == [60.0, 100.0]
    assert found["because"] == f"job {JOB}: half of its tasks took 1m 00s at most"
    assert len(found["expected"]) == 2


def test_a_plan_is_made_without_the_sdk_and_quickly(tmp_path: Path) -> None:
    statement = (
        "import sys, time\nfrom batchio.cli.main import call\n"
        "call(['plan', '--provider', 'aws', '--ntasks', '1000', 'true'])\n"
        "print(time.process_time(), *sys.modules, file=sys.stderr)"
    )
    env = os.environ | {"BATCHIO_WORKSPACE": str(tmp_path / "ws")}
    done = subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=True, env=env
    )
    used, *modules = done.stderr.split()

    assert not [name for name in modules if "boto" in name or name.startswith("aio")]
    assert float(used) < 0.5


def test_a_dry_run_on_rented_nodes_shows_their_cost_too(terminal: Terminal) -> None:
    text = terminal.type("run", *CLOUD, "--dry-run", "true").out
    data = json.loads(terminal.type("run", *CLOUD, "--dry-run", "--format", "json", "true").out)
    free = json.loads(terminal.type("run", "--dry-run", "--format", "json", "true").out)

    assert "an hour   $0.2412 at most" in text
    assert data["cost"]["nodes"] == 1
    assert "cost" not in free


def test_a_plan_where_nothing_is_rented_says_so(terminal: Terminal) -> None:
    assert "the local provider rents nothing" in terminal.type("plan", "true").err
    assert json.loads(terminal.type("plan", "--format", "json", "true").out)["cost"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--memory", "900TB"], "no instance type fits\nhint: the nearest: r7i.48xlarge"),
        (["--vm-type", "m9z.large"], "there is no instance type m9z.large"),
        (["--vm-type", "m7i.large", "--expect", "soon"], '"soon" is not a duration'),
        (["--max-cost", "1 cent"], '--max-cost: "1 cent" is not an amount of money'),
        (["--max-cost", "0.05"], "--max-cost $0.0500 pays for no node: one needs at least $0.36"),
        (["--max-cost", "9", "--vm-type", "m7a.large", "--region", "eu-west-1"], "no price of m7a"),
    ],
)
def test_what_cannot_be_is_one_line_and_rents_nothing(
    terminal: Terminal, words: list[str], said: str
) -> None:
    seen = terminal.type("plan", *CLOUD, *words, "true")

    assert seen.code == 2
    assert said in seen.err


def test_prices_say_where_they_come_from_and_how_old_they_are(terminal: Terminal) -> None:
    table = terminal.type("prices", "m7i.*large").out
    cache.write("aws-prices-us-east-1.json", 1, {"rates": {"m7i.large": 0.25}})
    [asked] = json.loads(terminal.type("prices", "--format", "json").out)
    planned_with = planned(terminal, "--vm-type", "m7i.large")["cost"]

    assert "source  the table of November 2026, estimates" in table
    assert table.splitlines()[4].split() == ["m7i.large", "$0.1008"]
    assert (asked["source"], asked["prices"]) == ("AWS", {"m7i.large": 0.25})
    assert 0 <= asked["age"] < 60
    assert planned_with["high"] == pytest.approx(0.25 + 0.005 + 40 * 0.08 / 730, abs=1e-5)


def test_prices_that_were_kept_and_are_torn_are_not_used(terminal: Terminal) -> None:
    path = cache.path_of("aws-prices-us-east-1.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"layout": 1, "rates": {"m7')

    assert "the table of" in terminal.type("prices", "m7i.large").out
    assert terminal.type("prices", "x9.*").code == 2
