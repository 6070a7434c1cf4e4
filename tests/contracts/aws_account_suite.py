"""The user's account as the front plays it: prices, plans, and what is left in it. Sealed only."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from batchio.providers.aws import clients, gc
from batchio.providers.aws.clients import Clients
from batchio.providers.aws.expiry import renew
from batchio.providers.aws.tags import EXPIRES, JOB
from tests.contracts.account import HERE, Shown, a_job, held, living
from tests.testbed.cloud.front import Fault, Front

if TYPE_CHECKING:
    from batchio.ports.account import Left

clients_session = clients._session
"""What makes a session that has not read any credentials yet."""


def looked(front: Front) -> Left:
    import asyncio

    async def look() -> Left:
        clients = Clients()
        try:
            return await gc.look(clients, [HERE])
        finally:
            await clients.close()

    return asyncio.run(look())


# --- what is left ----------------------------------------------------------------


def test_exactly_the_orphans_of_three_pages_are_ended(front: Front, shown: Shown) -> None:
    dead, led = a_job(), a_job()
    slow = held(front, led, 2, expires=900)
    late = held(front, led, 1, expires=-500)
    young = held(front, dead, 1, expires=None)
    others = front.client().run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    orphans = held(front, dead, 21, expires=-700)
    code, out, err = shown.type("gc", "--yes")

    assert code == 0
    assert living(front) == {*slow, *late, *young, others["Instances"][0]["InstanceId"]}
    assert f"21 orphaned in {HERE}, ${21 * (0.2016 + 0.005 + 40 * 0.08 / 730):.2f} an hour" in err
    assert f"{HERE}/{orphans[0]}" in out
    assert front.cloud.count("DescribeInstances") >= 6
    assert front.cloud.count("TerminateInstances") == 1


def test_without_yes_nothing_is_ended_and_the_exit_code_says_that_something_is(
    front: Front, shown: Shown
) -> None:
    there = held(front, a_job(), 2, expires=-700)
    code, _, err = shown.type("gc")

    assert (code, living(front)) == (1, set(there))
    assert "batchio gc --yes ends them" in err
    assert front.cloud.count("TerminateInstances") == 0


def test_what_is_renewed_between_the_two_looks_is_left_alone(
    front: Front, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = held(front, a_job(), 1, expires=-700)
    [other] = held(front, a_job(), 1, expires=-700)

    def renewed(_: float) -> None:
        tag = {"Key": EXPIRES, "Value": str(int(time.time() + 1800))}
        front.client().create_tags(Resources=[one], Tags=[tag])

    monkeypatch.setattr("batchio.cli.gc.time.sleep", renewed)
    code, _, err = shown.type("gc", "--yes")

    assert (code, living(front)) == (0, {one})
    assert f"instance {HERE}/{one} is not orphaned any more" in err
    assert f"ended instance {HERE}/{other}" in err


def test_a_page_that_fails_is_said_and_nothing_is_ended_on_its_account(
    front: Front, shown: Shown
) -> None:
    job = a_job()
    there = held(front, job, 12, expires=-700)
    group = front.client().create_security_group(
        GroupName=f"batchio-{job}", Description="x",
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [
                {"Key": JOB, "Value": job}, {"Key": EXPIRES, "Value": "1"}]}
        ],
    )["GroupId"]  # fmt: skip
    front.cloud.faults.append(Fault("DescribeInstances", "InternalError", 500, after=1, times=99))
    code, _, err = shown.type("gc", "--yes")

    assert code == 1
    assert f"unknown, and nothing is ended on its account: {HERE}: InternalError" in err
    assert len(living(front)) in (2, len(there))
    assert front.client().describe_security_groups(GroupIds=[group])["SecurityGroups"]


def test_templates_and_groups_go_with_their_jobs_and_stay_with_those_that_are_led(
    front: Front, shown: Shown
) -> None:
    ec2 = front.client()
    dead, led = a_job(), a_job()
    held(front, led, 1, expires=900)
    for job in (dead, led):
        past = [{"Key": JOB, "Value": job}, {"Key": EXPIRES, "Value": "1"}]
        ec2.create_launch_template(
            LaunchTemplateName=f"batchio-{job}", LaunchTemplateData={"ImageId": "ami-12c6146b"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": past}],
        )  # fmt: skip
        ec2.create_security_group(
            GroupName=f"batchio-{job}", Description="x",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": past}],
        )  # fmt: skip
    code, _, err = shown.type("gc", "--yes")
    groups = {one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]}
    templates = ec2.describe_launch_templates()["LaunchTemplates"]

    assert (code, err.count("ended ")) == (0, 2)
    assert [one["LaunchTemplateName"] for one in templates] == [f"batchio-{led}"]
    assert groups & {f"batchio-{dead}", f"batchio-{led}"} == {f"batchio-{led}"}


def test_time_is_told_by_the_clock_of_aws(front: Front) -> None:
    held(front, a_job(), 1, expires=None)
    now = looked(front)
    front.cloud.ahead_s = 3 * 3600.0
    later = looked(front)

    assert (now.orphans, now.alive) == ((), 1)
    assert len(later.orphans) == 1
    assert later.orphans[0].expired == pytest.approx(3 * 3600 - 1800, abs=60)


def test_a_job_that_is_led_is_renewed_with_one_call(front: Front) -> None:
    import asyncio

    job = a_job()
    held(front, job, 3, expires=-5000)
    held(front, a_job(), 1, expires=-5000)

    async def work() -> int:
        clients = Clients()
        try:
            return await renew(clients, HERE, job)
        finally:
            await clients.close()

    assert asyncio.run(work()) == 3
    assert front.cloud.count("CreateTags") == 1
    assert len(looked(front).orphans) == 1


def test_a_protected_instance_is_named_with_what_it_costs(front: Front, shown: Shown) -> None:
    [kept] = held(front, a_job(), 1, expires=-700, DisableApiTermination=True)
    [gone] = held(front, a_job(), 1, expires=-700)
    front.cloud.protected.add(kept)
    code, _, err = shown.type("gc", "--yes")

    assert (code, living(front)) == (1, {kept})
    assert f"ended instance {HERE}/{gone}" in err
    assert f"instance {HERE}/{kept}, which costs $0.2110 an hour, is still there" in err


# --- money -----------------------------------------------------------------------


def test_prices_are_asked_for_page_by_page_and_kept(front: Front, shown: Shown) -> None:
    front.cloud.rates = {"m7i.large": 0.1, "m7i.xlarge": 0.2, "odd.large": 0.3}
    _, asked, _ = shown.type("prices", "--refresh", "--format", "json", "--region", "us-west-2")
    calls = front.cloud.count("GetProducts")
    _, kept, _ = shown.type("prices", "--format", "json", "--region", "us-west-2")

    assert json.loads(asked)[0]["prices"] == front.cloud.rates == json.loads(kept)[0]["prices"]
    assert (calls, front.cloud.count("GetProducts")) == (2, 2)
    assert json.loads(kept)[0]["source"] == "AWS"


def test_a_plan_with_credentials_knows_zones_spot_prices_and_what_is_free(
    front: Front, shown: Shown
) -> None:
    front.cloud.quotas = {"L-34B43A08": 64.0}
    front.cloud.spot_rates = {("m7i.xlarge", "us-east-1a"): 0.07}
    held(front, a_job(), 2, expires=900, InstanceMarketOptions={"MarketType": "spot"})
    words = ["--provider", "aws", "--spot-policy", "spot", "--vm-type", "m7i.xlarge"]
    code, out, _ = shown.type("plan", *words, "--ntasks", "8", "--format", "json", "true")
    cost = json.loads(out)["cost"]
    [quota] = cost["quotas"]

    assert code == 0
    assert {pool["zone"] for pool in cost["pools"]} >= {"us-east-1a", "us-east-1b"}
    assert cost["low"] == pytest.approx(0.07 + 0.005 + 40 * 0.08 / 730, abs=1e-5)
    assert (quota["code"], quota["limit"], quota["used"]) == ("L-34B43A08", 64.0, 8.0)
    assert quota["needed"] == 32.0


def test_a_plan_falls_back_to_the_table_when_aws_does_not_answer(
    front: Front, shown: Shown
) -> None:
    front.cloud.faults.append(Fault("GetCallerIdentity", "ExpiredToken", 403, times=9))
    code, out, _ = shown.type("plan", "--provider", "aws", "--format", "json", "true")
    cost = json.loads(out)["cost"]

    assert code == 0
    assert "ExpiredToken" in cost["notes"][0]
    assert cost["source"].startswith("the table of")


# --- whether it is ready ----------------------------------------------------------


def found(shown: Shown, *words: str) -> tuple[int, dict[str, Any]]:
    code, out, err = shown.type("doctor", "aws", "--format", "json", *words)
    assert out, err
    return code, {one["name"]: one for one in json.loads(out)["findings"]}


def test_an_account_that_is_ready_is_said_to_be_so_and_nothing_is_made(
    front: Front, shown: Shown
) -> None:
    front.cloud.quotas = {"L-1216C47A": 64.0}
    code, there = found(shown)

    assert (code, {name for name, one in there.items() if not one["ok"]}) == (0, set())
    assert there["rights"]["said"] == "nodes may be rented, tagged and ended"
    assert there["quota L-1216C47A"]["said"].endswith("64 of 64 vCPU are free")
    assert living(front) == set()
    assert front.client().describe_launch_templates()["LaunchTemplates"] == []


def test_what_is_missing_is_named_with_what_helps(front: Front, shown: Shown) -> None:
    front.cloud.denied = {"CreateFleet", "TerminateInstances"}
    front.cloud.quotas = {"L-34B43A08": 2.0}
    code, there = found(shown, "--spot-policy", "spot")

    assert code == 1
    assert there["rights"]["said"] == "not allowed: ec2:CreateFleet, ec2:TerminateInstances"
    assert "batchio setup aws" in there["rights"]["hint"]
    assert there["spot role"]["hint"].startswith("aws iam create-service-linked-role")
    assert there["quota L-34B43A08"]["ok"] is False
    assert "one node of us-east-1/spot takes 4" in there["quota L-34B43A08"]["said"]


@pytest.mark.parametrize(("ahead", "word"), [(3600.0, "behind"), (-3600.0, "ahead of")])
def test_a_wrong_clock_of_this_computer_is_named(
    front: Front, shown: Shown, ahead: float, word: str
) -> None:
    front.cloud.ahead_s = ahead
    code, there = found(shown)

    assert (code, list(there)) == (1, ["workspace", "clock"])
    assert f"{word} that of AWS" in there["clock"]["said"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vm-type", "m9z.large"], ["there is no instance type m9z.large"]),
        (["--memory", "900TB"], ["no instance type fits", "the nearest: "]),
        (["--region", "us-est-1"], ["there is no region us-est-1", "or us-east-1"]),
        (["--subnet", "subnet-0123"], ["subnet-0123", " in us-east-1"]),
        (["--image", "ami-0123"], ["ami-0123", "this account has no images"]),
        (["--image", "ami-00000000000000002"], ["is for aarch64, and the machines are x86_64"]),
        (["--max-cost", "0.01"], ["pays for no node"]),
    ],
)
def test_a_job_that_cannot_be_is_refused_before_there_is_one(
    front: Front, shown: Shown, words: list[str], said: list[str]
) -> None:
    code, out, err = shown.type("run", "--provider", "aws", *words, "true")
    _, jobs, _ = shown.type("list", "--format", "json")

    assert (code, out, json.loads(jobs)) == (2, "", [])
    assert all(words in err for words in said), err
    assert not [action for action, _ in front.cloud.calls if action.startswith("Create")]


def test_without_a_default_network_no_job_is_made(front: Front, shown: Shown) -> None:
    ec2 = front.client()
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    code, out, err = shown.type("run", "--provider", "aws", "true")
    _, jobs, _ = shown.type("list", "--format", "json")

    assert (code, out, json.loads(jobs)) == (2, "", [])
    assert "no default network" in err
    assert "--subnet" in err


def test_an_image_that_does_not_exist_is_named_with_the_nearest_of_the_account(
    front: Front, shown: Shown
) -> None:
    ec2 = front.client()
    [one] = held(front, a_job(), 1, expires=900)
    ours = ec2.create_image(InstanceId=one, Name="mine")["ImageId"]
    code, _, err = shown.type("run", "--provider", "aws", "--image", "ami-0123", "true")

    assert code == 2
    assert f"{ours} (mine)" in err


def test_without_credentials_no_job_is_made(
    front: Front, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(clients, "_session", clients_session)
    code, _, err = shown.type("run", "--provider", "aws", "true")

    assert code == 2
    assert "there are no AWS credentials here" in err
    assert "credential_process" in err


def test_temporary_credentials_that_nobody_renews_are_pointed_out(
    front: Front, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_session", clients_session)
    _, lasting = found(shown)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    code, temporary = found(shown)

    assert (lasting["renewal"]["ok"], lasting["renewal"]["said"]) == (True, "they do not end (env)")
    assert (code, temporary["renewal"]["ok"]) == (0, None)
    assert "temporary" in temporary["renewal"]["said"]
