"""What must hold of a machine and its world at every moment, whatever has happened."""

from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.node import NodeState
from batchio.core.retry import QUARANTINED_BY, SUSPECT_LOSSES, Cause, again
from batchio.core.task import Outcome, TaskState
from tests.core.machines import World, fingerprint, replay

ON_NODES = (ef.ConnectNode, ef.DeleteNode)


class Truths(RuleBasedStateMachine):
    """The invariants; whoever inherits it says what may happen."""

    world: World
    succeeded: set[int]
    begun: int
    read: int
    ended_early: bool

    def follow(self) -> None:
        """What the world saw since the last look."""
        w = self.world
        for line in w.journal[self.read :]:
            event = ev.decode(line)
            if isinstance(event, ev.TasksRequeued):
                asked = {t for t, _, cause in event.tasks if cause == Cause.ASKED}
                self.succeeded -= asked
            elif isinstance(event, ev.TasksAssigned):
                twice = self.succeeded & {task for task, _ in event.tasks}
                assert not twice, f"finished tasks were sent out again: {twice}"
        self.read = len(w.journal)
        outcomes = enumerate(w.machine.tasks.outcome)
        self.succeeded |= {t for t, outcome in outcomes if outcome == Outcome.SUCCEEDED}
        reachable = {n.handle for n in w.machine.nodes if n.alive}
        for task, attempt, handle in w.started[self.begun :]:
            same = [one for one in w.started if one[:2] == (task, attempt)]
            assert len(same) == 1, f"an attempt ran twice: {same}"
            others = [
                (other, key)
                for other, agent in w.agents.items()
                for key in agent.running
                if key[0] == task and key != (task, attempt) and other in reachable
            ]
            assert not others or handle not in reachable, f"{task}.{attempt} beside {others}"
        self.begun = len(w.started)

    @invariant()
    def counts_are_what_a_recount_gives(self) -> None:
        m = self.world.machine
        t = m.tasks
        assert t.by_state == [list(t.state).count(state) for state in TaskState]
        assert t.by_outcome == [list(t.outcome).count(outcome) for outcome in Outcome]
        alive = [node for node in m.nodes if node.alive]
        assert m.live == len(alive)
        assert m.ready == sum(node.state is NodeState.READY for node in m.nodes)
        assert m.held == sum(node.state is not NodeState.GONE for node in m.nodes)
        assert m.capacity == sum(node.slots_counted for node in alive)
        silent = (node for node in alive if node.state is NodeState.SILENT)
        assert m.silent == sum(node.slots_counted for node in silent)
        assert m.doomed == sum(node.doomed for node in alive)
        assert {o: n for o, n in m.used.items() if n} == {
            o: n for o in m.used if (n := sum(node.offer == o for node in alive))
        }
        assert set(m.idle) == {node.number for node in alive if node.idle}
        for node in m.nodes:
            on = [i for i in range(t.count) if t.node[i] == node.number]
            states = (TaskState.ASSIGNED, TaskState.RUNNING)
            assert node.active == {i for i in on if t.state[i] in states}
            assert node.collecting == {i for i in on if t.state[i] == TaskState.COLLECTING}
            assert node.recalled <= node.active
            assert all(t.state[i] == TaskState.ASSIGNED for i in node.recalled)
        pending = [i for i in range(t.count) if t.state[i] == TaskState.PENDING]
        assert set(m.queue._due) <= set(pending)

    @invariant()
    def budgets_are_kept_apart(self) -> None:
        m = self.world.machine
        job = m.running_job.spec
        assert max(m.tasks.failures) <= job.max_retries
        assert max(m.tasks.losses) <= job.max_infra_retries

    @precondition(lambda self: not self.world.inbox)
    @invariant()
    def what_was_begun_is_what_is_due(self) -> None:
        w = self.world
        due = w.machine.due()
        nodes = {kind: {e.node for e in due if isinstance(e, kind)} for kind in ON_NODES}
        orders = [e for e in due if isinstance(e, ef.PlaceOrder)]
        assert len({e.token for e in orders}) == len(orders)
        assert any(isinstance(e, ef.ListOffers) for e in due) <= w.listing
        assert {w.machine.nodes[e.first].order for e in orders} == {
            w.machine.nodes[node].order for node in w.creates
        }
        assert nodes[ef.ConnectNode] == set(w.links)
        assert nodes[ef.DeleteNode] == set(w.deletes)
        for effect in due:
            match effect:
                case ef.StartTasks(node, tasks):
                    assert {("start", t, a) for t, a in tasks} <= w.links[node].told
                case ef.StopTasks(node, tasks):
                    assert {("stop", t, a) for t, a in tasks} <= w.links[node].told
        assert [e.number for e in due if isinstance(e, ef.MergeOutputs)] == (
            [w.merging] if w.merging else []
        )
        collects = [e for e in due if isinstance(e, ef.CollectOutputs)]
        assert {(e.node, t, a) for e in collects for t, a in e.tasks} == w.collects

    @precondition(lambda self: not self.world.inbox)
    @invariant()
    def nothing_is_held_without_a_way_home(self) -> None:
        w = self.world
        limits = (NodeState.WANTED, NodeState.BOOTING, NodeState.SILENT)
        for node in w.machine.nodes:
            home = node.number in (w.creates.keys() | w.links.keys() | w.deletes.keys())
            assert home or node.state is NodeState.GONE
            if node.state in limits:
                assert w.machine.next_wake() is not None
            if node.state is NodeState.READY:
                assert w.links[node.number].up
        handles = {node.handle for node in w.machine.nodes if node.state is not NodeState.GONE}
        asked = {w.handles.get((order.token, order.node)) for order in w.creates.values()}
        assert w.rented <= handles | asked

    @precondition(lambda self: not self.world.inbox and self.world.machine.dispatch_started)
    @invariant()
    def no_slot_stays_free_while_a_task_is_ready(self) -> None:
        m = self.world.machine
        t, job = m.tasks, m.running_job.spec
        ready = [
            i
            for i in range(t.count)
            if t.state[i] == TaskState.PENDING and m.queue.not_before(i) <= self.world.decided
        ]
        pinned = [i for i in ready if i in m.queue.pins]
        suspects = [i for i in ready if i not in pinned and t.losses[i] >= SUSPECT_LOSSES]
        plain = [i for i in ready if i not in pinned and i not in suspects]
        under_way = t.by_state[TaskState.ASSIGNED] + t.by_state[TaskState.RUNNING]
        if job.at_once is not None and under_way >= job.at_once:
            plain = []
        for node in m.nodes:
            if (
                node.state is not NodeState.READY
                or node.alone
                or node.leads
                or node.deadline_at
                or node.ends
                or len(node.suspicions) >= QUARANTINED_BY
            ):
                continue
            assert not node.idle or not suspects
            if node.number == m.scheduler and pinned:
                assert node.active
                continue
            if node.number != m.reserved:
                assert len(node.active) >= node.slots or not plain

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        w = self.world
        m = w.settle(lambda key: 0)
        self.follow()
        assert (w.rented, w.creates, w.deletes) == (set(), {}, {})
        assert {node.state for node in m.nodes} <= {NodeState.GONE}
        for task in range(m.tasks.count):
            self.outcome_is_true(task)
        assert fingerprint(m) == fingerprint(replay(w.journal))

    def outcome_is_true(self, task: int) -> None:
        m, t = self.world.machine, self.world.machine.tasks
        truth = self.world.ended.get((task, t.attempt[task]))
        match Outcome(t.outcome[task]):
            case Outcome.SUCCEEDED:
                assert truth is not None
                assert (truth[2], truth[3]) == (0, "")
            case Outcome.FAILED:
                assert truth is not None
                assert truth[2] not in (0, -15)
                assert self.ended_early or again(m.running_job.spec, t, task) is None
            case Outcome.CANCELLED:
                assert self.ended_early
            case Outcome.TIMED_OUT:
                assert m.running_job.spec.job_timeout or m.running_job.spec.max_cost
            case Outcome.LOST:
                given_up = "available" in t.reasons[task] or m.running_job.spec.job_timeout
                assert given_up or self.ended_early or again(m.running_job.spec, t, task) is None
            case other:
                raise AssertionError(f"task {task} has no outcome: {other}")
