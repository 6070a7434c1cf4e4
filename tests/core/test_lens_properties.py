"""Whatever happens to a job, what an event touched is named, and no attempt is forgotten."""

from __future__ import annotations

from batchio.core import events as ev
from batchio.core.concerns import concerns
from batchio.core.endings import BAD
from batchio.core.history import History
from batchio.core.lens import touched
from batchio.core.machine import Machine
from batchio.core.rows import failure_groups, node_rows
from batchio.core.table import task_rows
from batchio.core.task import TaskState
from batchio.core.verdict import CALM, Kind, verdict
from tests.core.test_machine_properties import CloudAgentsAndUser
from tests.effort import examples

NOW = 2_000_000_000.0


class Looking(CloudAgentsAndUser):
    """The same world, with somebody who looks on and makes anew only what was touched."""

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        super().teardown()
        machine, history = Machine(), History()
        seen: dict[tuple[int, int], float] = {}
        first, *journal = map(ev.decode, self.world.journal)
        machine.apply(first)
        tasks = list(task_rows(machine, NOW))
        nodes = list(node_rows(machine))
        for event in journal:
            moved = touched(machine, event)
            machine.apply(event)
            history.apply(event)
            after, more = list(task_rows(machine, NOW)), list(node_rows(machine))
            assert {n for n, row in enumerate(after) if row != tasks[n]} <= set(moved.tasks), event
            assert {n for n, row in enumerate(more) if n >= len(nodes) or row != nodes[n]} <= set(
                moved.nodes
            ), event
            tasks, nodes = after, more
            self.every_failure_is_in_a_group_and_there_is_a_verdict(machine)
            self.the_newest_attempt_is_the_present_one(machine, history)
            for task in range(machine.tasks.count):
                for row in history.of(task):
                    key, ended = (task, row), history.columns["ended"][row]
                    assert seen.setdefault(key, ended) in (0.0, ended), "an end was forgotten"
                    seen[key] = ended

    def every_failure_is_in_a_group_and_there_is_a_verdict(self, machine: Machine) -> None:
        groups = failure_groups(machine, attempts=True)
        bad = sum(machine.tasks.by_outcome[outcome] for outcome in BAD)
        assert sum(group.count for group in groups) == bad
        assert all(group.attempts >= group.count for group in groups if group.attempts)
        assert sum(sum(group.nodes.values()) for group in machine.endings.groups) == sum(
            group.attempts for group in groups
        )
        for attended in (True, False):
            said = verdict(machine, NOW, concerns(machine, attended=attended))
            assert said.text
            assert said.urgent or said.kind in {*CALM, Kind.ENDING}

    def the_newest_attempt_is_the_present_one(self, machine: Machine, history: History) -> None:
        tasks, columns = machine.tasks, history.columns
        for task in range(tasks.count):
            rows = history.of(task)
            numbers = [columns["number"][row] for row in rows]
            assert numbers == sorted(set(numbers))
            if tasks.node[task] < 0 or tasks.state[task] == TaskState.PENDING:
                continue
            row = rows[-1]
            assert columns["number"][row] == tasks.attempt[task]
            assert columns["node"][row] == tasks.node[task]
            assert columns["started"][row] == tasks.started[task]
            assert columns["ended"][row] == tasks.ended[task]
            assert columns["exit"][row] == tasks.exit[task]


TestLooking = Looking.TestCase
TestLooking.settings = examples(30, stateful_step_count=25)
