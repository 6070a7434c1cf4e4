"""EC2 as it behaves, before moto's EC2, which answers 200 to almost everything.

Public APIs only: what moto does right is passed on. CreateFleet is answered here, from pools with a
capacity; tokens are remembered, young instances hidden, and faults made by action. Every call is
kept. What moto lacks stands in docs/design/aws.md.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from tests.testbed.cloud import answers, money

if TYPE_CHECKING:
    from collections.abc import Callable

AMIS: Final = Path(__file__).with_name("images.json")
os.environ["MOTO_AMIS_PATH"] = str(AMIS)  # a look at moto's own list takes it a quarter of a second

IMAGES: Final = {
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id": "x86_64",
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id": "arm64",
}
"""Parameters that moto does not have: answered with an image of moto's of that architecture."""

NO_CAPACITY: Final = "InsufficientInstanceCapacity"


@dataclass
class Fault:
    """What happens to the next `times` calls of an action.

    Attributes:
        code: The error of AWS that is answered; "" when none is.
        lost: The call is carried out, and its connection cut.
        cut: The connection is cut before anything is done.
        after: Calls of the action that pass before.
    """

    action: str
    code: str = ""
    status: int = 400
    lost: bool = False
    cut: bool = False
    times: int = 1
    after: int = 0


@dataclass
class Cloud:
    """What the cloud has, and what has been asked of it.

    Attributes:
        capacity: Instances that may run at the same time, by type, zone and market, such as
            ("m7i.xlarge", "us-east-1a", "spot"); others have any number.
        most: Instances that may run at the same time in all.
        refusal: Code of the error when there are no more.
        calls: Every action so far, with its arguments; none of a DryRun, which does nothing.
        rates: Dollars an hour by type, as the service of prices says.
        quotas: vCPUs by the code of a quota; others are not known.
        ahead_s: Seconds by which its clock is ahead of this computer's.
    """

    capacity: dict[tuple[str, str, str], int] = field(default_factory=dict)
    most: int = 10**6
    refusal: str = NO_CAPACITY
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    hidden_s: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    spot_rates: dict[tuple[str, str], float] = field(default_factory=dict)
    """Dollars an hour by type and zone; where there are none, spot prices are moto's."""
    quotas: dict[str, float] = field(default_factory=dict)
    ahead_s: float = 0.0
    denied: set[str] = field(default_factory=set)
    """Actions that are not allowed, as DryRun says."""
    protected: set[str] = field(default_factory=set)
    """Instances that may not be terminated."""
    kept_alive: int = 0
    """Calls of TerminateInstances that end nothing, though they are answered."""

    def count(self, action: str) -> int:
        """Return how often an action was asked for."""
        return sum(asked == action for asked, _ in self.calls)

    def fault_for(self, action: str) -> Fault | None:
        """Return what shall happen to this call, and count it."""
        for fault in self.faults:
            if fault.action == action and fault.times > 0:
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None


class Front:
    """The server: `with Front(url of moto) as front`, and then `front.url`."""

    def __init__(self, upstream: str) -> None:
        self.cloud = Cloud()
        self.upstream = urlsplit(upstream).netloc
        self.lock = threading.RLock()
        self.fleets: dict[str, tuple[str, bytes]] = {}
        """By token: what was asked, and the answer."""
        self.launched: dict[str, float] = {}
        self.on_launch: Callable[[dict[str, Any], str], None] = lambda instance, user_data: None
        """Told of each new instance, as RunInstances answers, and of its user data."""
        self.on_end: Callable[[str], None] = lambda instance: None
        """Told of each instance that was terminated."""
        handler = type("Handler", (_Handler,), {"front": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Front:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget(self) -> None:
        """Empty the account: moto keeps one for the whole process."""
        upstream = http.client.HTTPConnection(self.upstream, timeout=60)
        upstream.request("POST", "/moto-api/reset")
        assert upstream.getresponse().status == 200
        upstream.close()

    def client(self) -> Any:
        """Return a client of moto itself, past the front."""
        return self._client

    @cached_property
    def _client(self) -> Any:
        import boto3  # type: ignore[import-untyped]

        return boto3.client(
            "ec2", region_name="us-east-1", endpoint_url=f"http://{self.upstream}",
            aws_access_key_id="key", aws_secret_access_key="secret",
        )  # fmt: skip


class _Refused(Exception):
    def __init__(self, code: str, words: str = "", status: int = 400) -> None:
        self.code, self.words, self.status = code, words, status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def date_time_string(self, timestamp: float | None = None) -> str:
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + self.front.cloud.ahead_s)

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        target = self.headers.get("X-Amz-Target", "")
        action = asked.get("Action") or target.rpartition(".")[2] or self.command
        cloud = self.front.cloud
        with self.front.lock:
            if asked.get("DryRun") != "true":
                cloud.calls.append((action, asked))
            fault = cloud.fault_for(action)
        if fault is not None and fault.cut:
            self.close_connection = True
            return
        try:
            if fault is not None and fault.code:
                raise _Refused(fault.code, status=fault.status)
            answer = self._answered(action, asked, body)
        except _Refused as refused:
            answer = refused.status, {"Content-Type": "text/xml"}, _error(refused)
        if fault is not None and fault.lost:
            self.close_connection = True
            return
        self._reply(*answer)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _answered(
        self, action: str, asked: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if asked.get("DryRun") == "true":
            denied = action in self.front.cloud.denied
            raise _Refused("UnauthorizedOperation" if denied else "DryRunOperation", status=412)
        if action == "CreateFleet":
            with self.front.lock:
                return 200, {"Content-Type": "text/xml"}, self._fleet(asked)
        if action == "GetParameter" and (arch := IMAGES.get(json.loads(body)["Name"])):
            return 200, {"Content-Type": "application/x-amz-json-1.1"}, self._image(arch)
        if (said := money.answer(self.front.cloud, action, asked, body)) is not None:
            return said
        if action == "TerminateInstances":
            return 200, {"Content-Type": "text/xml"}, self._terminated(asked)
        status, headers, data = self._passed_on(body)
        if action == "DescribeInstances":
            data = self._without_young(data)
        return status, headers, data

    # --- fleets --------------------------------------------------------------

    def _fleet(self, asked: dict[str, str]) -> bytes:
        token = asked["ClientToken"]
        plain = json.dumps({k: v for k, v in asked.items() if k != "Action"}, sort_keys=True)
        if token in self.front.fleets:
            before, answer = self.front.fleets[token]
            if before != plain:
                raise _Refused("IdempotentParameterMismatch")
            return answer
        market = asked["TargetCapacitySpecification.DefaultTargetCapacityType"]
        wanted = int(asked["TargetCapacitySpecification.TotalTargetCapacity"])
        groups, errors, running = [], [], self._running()
        for kind, subnet, zone in self._pools(asked):
            room = min(self._room(running, kind, zone, market), wanted)
            if room > 0:
                ids = self._run(asked, kind, subnet, room, market)
                groups.append((kind, subnet, zone, ids))
                wanted -= room
                running[kind, zone] += room
            elif wanted:
                errors.append((kind, subnet, self.front.cloud.refusal))
            if not wanted:
                break
        answer = answers.fleet(market, groups, errors)
        self.front.fleets[token] = (plain, answer)
        return answer

    def _pools(self, asked: dict[str, str]) -> list[tuple[str, str, str]]:
        subnets = self.front.client().describe_subnets()["Subnets"]
        zones = {found["SubnetId"]: found["AvailabilityZone"] for found in subnets}
        pools, at = [], 1
        while kind := asked.get(f"LaunchTemplateConfigs.1.Overrides.{at}.InstanceType"):
            subnet = asked[f"LaunchTemplateConfigs.1.Overrides.{at}.SubnetId"]
            pools.append((kind, subnet, zones[subnet]))
            at += 1
        return pools

    def _room(self, running: Counter[tuple[str, str]], kind: str, zone: str, market: str) -> int:
        pool = self.front.cloud.capacity.get((kind, zone, market), 10**6)
        return min(pool - running[kind, zone], self.front.cloud.most - sum(running.values()))

    def _running(self) -> Counter[tuple[str, str]]:
        states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        found = self.front.client().describe_instances(Filters=states)["Reservations"]
        return Counter(
            (one["InstanceType"], one["Placement"]["AvailabilityZone"])
            for reservation in found
            for one in reservation["Instances"]
        )

    def _run(
        self, asked: dict[str, str], kind: str, subnet: str, count: int, market: str
    ) -> list[str]:
        ec2, spec = self.front.client(), "LaunchTemplateConfigs.1.LaunchTemplateSpecification"
        name = asked[f"{spec}.LaunchTemplateName"]
        [version] = ec2.describe_launch_template_versions(LaunchTemplateName=name, Versions=["1"])[
            "LaunchTemplateVersions"
        ]
        data = version["LaunchTemplateData"]
        tags = _tags_asked(asked, "instance")
        network = [{**data["NetworkInterfaces"][0], "SubnetId": subnet}]
        more: dict[str, Any] = {"InstanceMarketOptions": {"MarketType": "spot"}}
        made = ec2.run_instances(
            ImageId=data["ImageId"], InstanceType=kind, MinCount=count, MaxCount=count,
            UserData=base64.b64decode(data["UserData"]).decode(), NetworkInterfaces=network,
            InstanceInitiatedShutdownBehavior=data["InstanceInitiatedShutdownBehavior"],
            BlockDeviceMappings=data["BlockDeviceMappings"],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            **(more if market == "spot" else {}),
        )  # fmt: skip
        ids = [one["InstanceId"] for one in made["Instances"]]
        self.front.launched.update(dict.fromkeys(ids, time.monotonic()))
        for one in made["Instances"]:
            self.front.on_launch(one, base64.b64decode(data["UserData"]).decode())
        return ids

    # --- the rest ------------------------------------------------------------

    def _terminated(self, asked: dict[str, str]) -> bytes:
        """End instances, all or none; those that have ended already are no error, as in EC2."""
        ids = [value for name, value in asked.items() if name.startswith("InstanceId.")]
        ec2 = self.front.client()
        named = [{"Name": "instance-id", "Values": ids}]
        found = {
            one["InstanceId"]: one["State"]["Name"]
            for reservation in ec2.describe_instances(Filters=named)["Reservations"]
            for one in reservation["Instances"]
        }
        if missing := [one for one in ids if one not in found]:
            raise _Refused("InvalidInstanceID.NotFound", f"The instance ID '{missing[0]}'")
        if kept := self.front.cloud.protected.intersection(ids):
            raise _Refused("OperationNotPermitted", f"The instance '{min(kept)}' is protected")
        if self.front.cloud.kept_alive > 0:
            self.front.cloud.kept_alive -= 1
            return answers.terminated(())
        living = [one for one, state in found.items() if state != "terminated"]
        if living:
            ec2.terminate_instances(InstanceIds=living)
            for one in living:
                self.front.on_end(one)
        return answers.terminated(ids)

    def _image(self, arch: str) -> bytes:
        [found] = [
            one["ami_id"] for one in json.loads(AMIS.read_text()) if one["architecture"] == arch
        ]
        value = {"Value": found, "Name": "image", "Type": "String"}
        return json.dumps({"Parameter": value}).encode()

    def _without_young(self, data: bytes) -> bytes:
        """Hide instances that EC2 would not know yet, by changing their ids to nobody's."""
        limit = time.monotonic() - self.front.cloud.hidden_s
        for instance, since in self.front.launched.items():
            if since > limit:
                data = data.replace(instance.encode(), b"i-hidden")
        return data

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.front.upstream, timeout=60)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        drop = ("transfer-encoding", "connection", "content-length")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in drop}
        return answer.status, headers, data

    def _reply(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _error(refused: _Refused) -> bytes:
    return (
        f"<Response><Errors><Error><Code>{refused.code}</Code><Message>"
        f"{escape(refused.words or 'made by the test bed')}</Message></Error></Errors>"
        "<RequestID>1</RequestID></Response>"
    ).encode()


def _tags_asked(asked: dict[str, str], kind: str) -> list[dict[str, str]]:
    at = 1
    while (found := asked.get(f"TagSpecification.{at}.ResourceType")) not in (kind, None):
        at += 1
    tags, number = [], 1
    while (key := asked.get(f"TagSpecification.{at}.Tag.{number}.Key")) is not None:
        tags.append({"Key": key, "Value": asked[f"TagSpecification.{at}.Tag.{number}.Value"]})
        number += 1
    assert found is None or tags
    return tags
