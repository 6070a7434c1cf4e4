"""Machines with a past, told as events: what the tests of views and of the CLI look at."""

from __future__ import annotations

from typing import Any

from batchio.core import events as ev
from batchio.core.arrays import parse_ids
from batchio.core.machine import Machine
from batchio.core.plan import Offer
from batchio.core.reports import Ended, Facts
from batchio.core.spec import JobSpec, SentFile
from tests.core import builders

T0 = 1_700_000_000.0
"""When every story begins."""

JOB = "2c4d5f6g7h"


def spec(tasks: str = "0-3", **more: Any) -> JobSpec:
    """A job that runs process.py; `more` are fields of the spec."""
    plain: dict[str, Any] = {
        "name": "process.py",
        "provider": "local",
        "argv": ("{python}", "process.py", "$BATCHIO_TASK_INPUT"),
        "files": (SentFile("process.py", 120, 0o644),),
    }
    return builders.spec(parse_ids(tasks), **{**plain, **more})


class Story:
    """One job; each verb moves it on by one fact, at `T0` + `at` seconds."""

    def __init__(self, tasks: str = "0-3", job: str = JOB, **more: Any) -> None:
        self.machine = Machine()
        self.events: list[ev.Event] = []
        """All that was told, in order."""
        self.seq = 0
        made = spec(tasks, **more)
        self.tell(ev.JobSubmitted(T0, job, made.to_json()), ev.HeadStarted(T0, 1, "here", 4))

    def tell(self, *told: ev.Event) -> Story:
        """Fold events."""
        for event in told:
            self.machine.apply(event)
            self.events.append(event)
        return self

    def offers(self, *names: str, rate: float = 0.0) -> Story:
        """The provider says what it has; with a rate, for so many dollars an hour."""
        listed = [Offer(name, rented=rate > 0, rate=rate).to_json() for name in names]
        return self.tell(ev.OffersListed(T0, listed))

    def booting(self, name: str = "laptop", at: float = 1) -> Story:
        """A node was asked for, and is on its way."""
        number, offers = len(self.machine.nodes), self.machine.offers or {}
        rate = offers[name].rate if name in offers else 0.0
        return self.tell(
            ev.NodeWanted(T0 + at, number, name),
            ev.NodeCreated(T0 + at, number, f"handle-{name}", rate=rate),
        )

    def ready(self, name: str = "laptop", slots: int = 2, at: float = 1) -> Story:
        """A node that has greeted us."""
        number = len(self.machine.nodes)
        facts = Facts(hostname=name, address="127.0.0.1", cpus=2, memory=2**33)
        return self.booting(name, at).tell(ev.NodeGreeted(T0 + at, number, slots, facts))

    def assign(self, *tasks: int, node: int = 0, at: float = 2) -> Story:
        """Tasks (positions) are sent to a node."""
        attempt = self.machine.tasks.attempt
        return self.tell(ev.TasksAssigned(T0 + at, node, [[t, attempt[t]] for t in tasks]))

    def start(self, *tasks: int, node: int = 0, at: float = 2) -> Story:
        """They are sent there, and start."""
        attempt = self.machine.tasks.attempt
        news = [[t, attempt[t], T0 + at] for t in tasks]
        return self.assign(*tasks, node=node, at=at).tell(ev.TasksStarted(T0 + at, node, news))

    def end(
        self,
        *tasks: int,
        code: int = 0,
        reason: str = "",
        tail: str = "",
        node: int = 0,
        at: float = 5,
        files: int = 0,
    ) -> Story:
        """They end; their processes began at 2."""
        self.seq += 1
        attempt = self.machine.tasks.attempt
        records = [
            Ended(t, attempt[t], code, reason, T0 + 2, T0 + at, 4096, 0.5, 0, 9, files, files, tail)
            for t in tasks
        ]
        return self.tell(ev.TasksFinished(T0 + at, node, self.seq, records))

    def requeue(self, *tasks: int, until: float = 0, cause: str = "user", at: float = 5) -> Story:
        """New attempts are decided, not to begin before `until`."""
        when = T0 + until if until else 0.0
        return self.tell(ev.TasksRequeued(T0 + at, [[t, when, cause] for t in tasks]))

    def lose(self, node: int = 0, why: str = "no answer", at: float = 5) -> Story:
        """A node is given up, with what was on it."""
        return self.tell(ev.NodeLost(T0 + at, node, why, final=False))

    def close(self, at: float = 9) -> Story:
        """Every node is given back, and the job closed."""
        for node in self.machine.nodes:
            self.tell(ev.NodeReleased(T0 + at, node.number, "the job is over"))
            self.tell(ev.NodeDeleted(T0 + at, node.number))
        return self.tell(ev.JobClosed(T0 + at, self.machine.outcome.label))


def mixed(job: str = JOB) -> Story:
    """Six tasks (2, 4-6, 8, 9): two succeeded, two failed alike, one runs, one waits."""
    story = Story("2,4-6,8-9", job).offers("laptop").ready()
    story.start(0, 1, 2, 3).end(0, 1)
    story.end(2, 3, code=3, tail="ValueError: bad row")
    return story.start(4)
