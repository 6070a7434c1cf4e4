"""The head's side of one node: what it tells first, what it does meanwhile, who hears of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.errands import ERRANDS, ready_limit
from batchio.core.task import Outcome
from batchio.runtime.conversation import PING_EVERY_S
from batchio.runtime.errands import ANSWER_S, DEEDS
from batchio.runtime.setup import LEASE_S, setup_for
from batchio.testing import Ends
from tests.core.machines import spec
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.testing.agents import Line
    from batchio.testing.nodes import ScriptedNode, ScriptedTransport


def tags(node: ScriptedNode) -> list[str]:
    return [message[0] for message in node.heard]


def said(node: ScriptedNode, tag: str) -> list[Any]:
    return [message[1] for message in node.heard if message[0] == tag]


def slow_errand(job: Job, tag: str, answer: list[Any], seconds: float) -> None:
    """Nodes answer this message so late."""

    def make_slow(node: ScriptedNode) -> None:
        hear = node.hear

        def heard(line: Line, message: list[Any]) -> None:
            if message[0] != tag:
                hear(line, message)
                return
            node.heard.append(message)
            job.clock.call_at(job.clock.now() + seconds, lambda: line.say(answer))

        node.hear = heard  # type: ignore[method-assign]

    job.provider.on_node = make_slow


# --- errands -----------------------------------------------------------------


def test_settings_are_told_before_the_first_errand_and_once(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(3, host_setup="echo hi", env={"A": "b"}, container="img"))

    assert job.lead() is Outcome.SUCCEEDED
    node = job.provider.nodes["n0"]
    assert tags(node)[:2] == ["hello", "setup"]
    told = [tag for tag in tags(node) if tag in ("setup", "prepare", "image", "members", "start")]
    assert told[:5] == ["setup", "prepare", "image", "members", "start"]
    assert set(told[5:]) == {"start"}
    assert said(node, "setup")[0]["env"] == {"A": "b"}
    assert said(node, "setup")[0]["slots"] == 1


def test_every_errand_has_a_deed_a_limit_and_words() -> None:
    job = spec(1, host_setup="x", container="img")

    assert DEEDS.keys() == {type(errand) for errand in ERRANDS}
    for errand in ERRANDS:
        assert errand.limit(job) >= 60
        assert errand.words(job)
    assert ready_limit(job) == 600 + 3600 + 3600


def test_pings_go_on_through_an_hour_of_host_setup(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, host_setup="sleep 3500"))
    slow_errand(job, "prepare", ["prepared", 0, ""], 3500)

    assert job.lead(limit=5000) is Outcome.SUCCEEDED
    node = job.provider.nodes["n0"]
    assert runs(job) == [(0, 1)]
    pings = tags(node).count("ping")
    assert pings >= 3500 / PING_EVERY_S
    assert PING_EVERY_S < LEASE_S


def test_an_agent_that_hangs_at_an_errand_is_noticed_long_before_its_limit(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, host_setup="sleep 3500"), nodes=2)
    slow_errand(job, "prepare", ["prepared", 0, ""], 200)
    begun = job.clock.now()
    hung = 7.0

    def hang() -> None:
        job.provider.nodes["n0"].mute = True

    job.lead((hung, hang))
    [lost] = job.journaled(ev.NodeLost)
    assert lost.why == "its agent has not answered for 30 s"
    assert lost.at - begun < 150
    assert runs(job) == [(0, 1)]


def test_an_errand_that_takes_too_long_is_the_failure_of_its_node(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, host_setup="true", container="huge"))
    slow_errand(job, "image", ["imaged", "huge", True, ""], 10_000)
    begun = job.clock.now()

    assert job.lead(limit=20_000) is Outcome.LOST
    [lost] = job.journaled(ev.NodeLost)
    assert lost.final
    assert lost.why == "n0: getting the image huge took longer than 3600 s"
    assert lost.at - begun == pytest.approx(3600 + ANSWER_S, abs=1)


def test_output_is_heard_and_pulled_while_errands_are_run(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, host_setup="sleep 100"))
    slow_errand(job, "prepare", ["prepared", 0, ""], 100)

    def trouble() -> None:
        node = job.provider.nodes["n0"]
        node._tell(["trouble", "the disk is full"])

    assert job.lead((50, trouble)) is Outcome.SUCCEEDED
    [note] = job.journaled(ev.Noted)
    assert note.text == "n0: the disk is full"
    assert note.at < job.journaled(ev.NodeGreeted)[0].at


def test_an_agent_that_is_known_has_had_its_errands(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1, host_setup="true"), lambda _: Ends(seconds=60))

    assert job.lead((20, lambda: job.provider.nodes["n0"].cut())) is Outcome.SUCCEEDED
    assert len(job.journaled(ev.NodeHeard)) == 1
    assert tags(job.provider.nodes["n0"]).count("prepare") == 1


# --- connections -------------------------------------------------------------


def test_a_connection_that_breaks_twice_in_the_same_way_is_told_twice(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1), lambda _: Ends(seconds=60))

    def cut() -> None:
        job.provider.nodes["n0"].cut()

    assert job.lead((10, cut), (30, cut)) is Outcome.SUCCEEDED
    assert len(job.journaled(ev.NodeSilent)) == 2
    assert len(job.journaled(ev.NodeHeard)) == 2


def test_an_agent_of_an_older_version_is_replaced_by_a_bootstrap(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(2), lambda _: Ends(seconds=60), slots=2)

    def upgrade() -> None:
        """From now on the agent in place is too old; a bootstrap brings another."""
        node = job.provider.nodes["n0"]
        start = node.start_agent

        def replaced() -> dict[str, Any]:
            if node.refuses:
                node.refuses = ""
                node.kill()
            return start()

        node.refuses = "this agent speaks protocol 1, not 2"
        node.start_agent = replaced  # type: ignore[method-assign]
        node.cut()

    assert job.lead((10, upgrade)) is Outcome.SUCCEEDED
    assert job.journaled(ev.NodeRestarted)
    assert runs(job) == [(0, 1), (0, 2), (1, 1), (1, 2)]


# --- other nodes -------------------------------------------------------------


def test_nodes_that_come_one_by_one_cost_each_other_a_few_bytes(tmp_path: Path) -> None:
    count, every_s = 200, 0.5
    job = Job(tmp_path, spec(count * 60, env={"LONG": "x" * 10_000}), nodes=count)
    connect = job.provider.connect

    async def one_by_one(handle: str) -> ScriptedTransport:
        await job.clock.sleep(every_s * int(handle[1:]))
        return await connect(handle)

    job.provider.connect = one_by_one  # type: ignore[method-assign]
    assert job.lead() is Outcome.SUCCEEDED

    nodes = list(job.provider.nodes.values())
    assert len(nodes) == count
    assert {tags(node).count("setup") for node in nodes} == {1}
    news = [said(node, "members") for node in nodes]
    assert len(news[0]) > count / 4  # a task a second, so two nodes each time
    sizes = sum(len(json.dumps(told, separators=(",", ":"))) for each in news for told in each)
    line = len('{"joined":[[200,"n200"]],"left":[]}')
    assert sizes < count * count * line  # each hears of each once, and nothing else
    ready = {number for told in news[0] for number, _ in told.get("joined", ())}
    assert ready == set(range(count))


def test_a_node_that_leaves_is_told_as_one_that_left(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(60, node_timeout=20), lambda _: Ends(seconds=2), nodes=2)

    assert job.lead((15, lambda: job.provider.nodes["n1"].die())) is Outcome.SUCCEEDED
    told = said(job.provider.nodes["n0"], "members")
    assert told[0]["all"]
    assert {number for each in told for number in each.get("left", ())} == {1}
    assert not [each for each in told[1:] if "all" in each]


@pytest.mark.parametrize(("tasks", "cpus"), [(1, 8.0), (3, 8 / 3), (8, 1.0), (100, 1.0)])
def test_threads_of_a_task_go_by_what_runs_beside_it(tasks: int, cpus: float) -> None:
    job: Any = SimpleNamespace(spec=spec(tasks), job="j", secrets={})
    assert setup_for(job, 0, 8, {"cpus": 8})["cpus"] == cpus
