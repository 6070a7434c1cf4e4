"""No order of answers, crashes and wishes may lose a task, run one twice, or keep a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.retry import QUARANTINED_BY, SUSPECT_LOSSES, Cause, again
from batchio.core.task import Outcome, TaskState
from tests.core.builders import OFFERS, jobs
from tests.core.machines import World, fingerprint, replay, spec

if TYPE_CHECKING:
    from batchio.core.spec import JobSpec

PICK = st.integers(0, 99)
FILES = st.sampled_from([0, 2])
EXITS = st.sampled_from([0, 0, 0, 1, 3])


class CloudAgentsAndUser(RuleBasedStateMachine):
    """A world in which everything may come late, twice or never, and heads die."""

    world: World

    @initialize(
        job=jobs(),
        offers=OFFERS,
        seconds=st.sampled_from([0.01, 1.0]),
        files=FILES,
        warm=PICK,
    )
    def submit(
        self, job: JobSpec, offers: list[Offer], seconds: float, files: int, warm: int
    ) -> None:
        self.begin(World(job, offers, seconds=seconds, files=files), warm=warm > 20)

    def begin(self, world: World, *, warm: bool) -> None:
        self.world = world
        self.succeeded: set[int] = set()
        self.begun = self.read = 0
        self.ended_early = False
        if warm:
            world.open()
        self.follow()

    # --- the head ------------------------------------------------------------

    def turn(self, now: bool = True) -> None:
        if now:
            self.world.turn()
            self.follow()

    @rule(performed=st.none() | st.integers(0, 3))
    def the_wheel_turns_and_the_head_may_die_after_the_journal(self, performed: int | None) -> None:
        w = self.world
        before = w.machine
        w.turn(performed=performed)
        if performed is not None:
            assert fingerprint(before) == w.replayed, "the next head knows something else"
        self.follow()

    @rule()
    def the_head_dies_before_the_journal(self) -> None:
        self.world.turn(journaled=False)
        self.follow()

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0, 40.0, 181.0]))
    def time_passes(self, seconds: float) -> None:
        wake = self.world.machine.next_wake()
        if seconds or wake is None:
            self.world.now += seconds
        else:
            self.world.now = max(self.world.now, wake)
        self.turn()

    @rule(exits=st.lists(EXITS, min_size=1, max_size=4), turns=st.integers(1, 3))
    def all_goes_on(self, exits: list[int], turns: int) -> None:
        for _ in range(turns):
            self.world.answer(lambda key: exits[sum(key) % len(exits)])
            self.turn()

    @precondition(lambda self: self.world.agents)
    @rule(pick=PICK, turns=st.integers(1, 6), wait=st.booleans())
    def one_node_goes_on(self, pick: int, turns: int, wait: bool) -> None:
        w = self.world
        handle = chosen(w.agents, pick)
        for _ in range(turns):
            w.hear()
            w.begin(handle)
            for key, stop in list(w.agents[handle].running.items()):
                w.finish(handle, key, -15 if stop else 0)
            w.hear()
            self.turn()
            if handle not in w.agents:
                return
        if wait:
            self.time_passes(2.0)
            w.hear()
            self.turn()

    # --- the provider --------------------------------------------------------

    @precondition(lambda self: self.world.listing)
    @rule()
    def offers_are_listed(self) -> None:
        self.world.list_offers()
        self.turn()

    @precondition(lambda self: self.world.creates)
    @rule(
        pick=PICK, works=st.booleans(), final=st.booleans(), twice=st.booleans(), now=st.booleans()
    )
    def a_create_call_is_answered(
        self, pick: int, works: bool, final: bool, twice: bool, now: bool
    ) -> None:
        w = self.world
        w.create(chosen(w.creates, pick), works=works, final=final)
        if twice:
            w.post(w.inbox[-1])
        self.turn(now)

    @precondition(lambda self: self.world.creates)
    @rule(pick=PICK)
    def a_node_is_made_but_the_answer_is_late(self, pick: int) -> None:
        self.world.grant(self.world.creates[chosen(self.world.creates, pick)])

    @precondition(lambda self: self.world.deletes)
    @rule(pick=PICK, twice=st.booleans(), now=st.booleans())
    def a_node_is_given_back(self, pick: int, twice: bool, now: bool) -> None:
        w = self.world
        w.delete(chosen(w.deletes, pick))
        if twice:
            w.post(w.inbox[-1])
        self.turn(now)

    # --- connections and agents ----------------------------------------------

    @precondition(lambda self: self.world.links)
    @rule(pick=PICK, how=st.sampled_from(["connect", "drop", "give_up"]), now=st.booleans())
    def a_connection_changes(self, pick: int, how: str, now: bool) -> None:
        getattr(self.world, how)(chosen(self.world.links, pick))
        self.turn(now)

    @precondition(lambda self: self.world.links)
    @rule(pick=PICK, every=st.booleans(), now=st.booleans())
    def messages_arrive(self, pick: int, every: bool, now: bool) -> None:
        if every:
            self.world.hear()
        else:
            self.world.deliver(chosen(self.world.links, pick))
        self.turn(now)

    @precondition(lambda self: self.world.agents)
    @rule(pick=PICK, told=st.booleans())
    def an_agent_begins(self, pick: int, told: bool) -> None:
        self.world.begin(chosen(self.world.agents, pick), told=told)
        self.follow()

    @precondition(lambda self: any(a.running for a in self.world.agents.values()))
    @rule(pick=PICK, exit=EXITS, fault=st.booleans(), now=st.booleans())
    def an_attempt_ends(self, pick: int, exit: int, fault: bool, now: bool) -> None:
        w = self.world
        every = [(h, key) for h, agent in w.agents.items() for key in agent.running]
        handle, key = every[pick % len(every)]
        if w.agents[handle].running[key] and exit:
            exit = -15
        elif fault and exit:
            w.agents[handle].running[key], exit = "node", -9
        w.finish(handle, key, exit)
        if w.links:
            w.deliver(chosen(w.links, pick))
        self.turn(now)

    @precondition(lambda self: self.world.collects)
    @rule(pick=PICK, why=st.sampled_from(["", "", "disk full"]), now=st.booleans())
    def outputs_arrive(self, pick: int, why: str, now: bool) -> None:
        self.world.collect(sorted(self.world.collects)[pick % len(self.world.collects)], why)
        self.turn(now)

    @precondition(lambda self: self.world.agents)
    @rule(pick=PICK, how=st.sampled_from(["restart", "restart", "die"]), now=st.booleans())
    def an_agent_fails(self, pick: int, how: str, now: bool) -> None:
        getattr(self.world, how)(chosen(self.world.agents, pick))
        self.turn(now)

    # --- the user ------------------------------------------------------------

    @rule(tasks=st.none() | st.sets(st.integers(0, 11), min_size=1), now=st.booleans())
    def the_user_cancels(self, tasks: set[int] | None, now: bool) -> None:
        w = self.world
        which = None if tasks is None else [t for t in tasks if t < w.machine.tasks.count]
        w.post(ev.CancelRequested(w.now, which, "not needed"))
        self.ended_early = True
        self.turn(now)

    @rule(tasks=st.sets(st.integers(0, 11), min_size=1), now=st.booleans())
    def the_user_retries(self, tasks: set[int], now: bool) -> None:
        w = self.world
        known = [t for t in tasks if t < w.machine.tasks.count]
        wish = ev.TasksRequeued(w.now, [[t, 0.0, str(Cause.ASKED)] for t in known])
        if w.machine.running_job.closed:
            w.crash(wish)
            self.follow()
        else:
            w.post(wish)
            self.turn(now)

    # --- what must hold ------------------------------------------------------

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
                or node.deadline_at
                or node.ends
                or len(node.suspicions) >= QUARANTINED_BY
            ):
                continue
            assert node.active or not suspects
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
                assert m.running_job.spec.job_timeout
            case Outcome.LOST:
                given_up = "could be had" in t.reasons[task]
                assert given_up or self.ended_early or again(m.running_job.spec, t, task) is None
            case other:
                raise AssertionError(f"task {task} has no outcome: {other}")


ON_NODES = (ef.ConnectNode, ef.DeleteNode)


def chosen(among: Any, pick: int) -> Any:
    """One of them."""
    return sorted(among)[pick % len(among)]


class ShortTasks(CloudAgentsAndUser):
    """Many short tasks on few nodes: work is sent ahead, and taken back when it is stuck."""

    @initialize(slots=st.lists(st.integers(1, 2), min_size=2, max_size=3), files=FILES)
    def submit(self, slots: list[int], files: int) -> None:
        offers = [Offer(f"o{n}", slots=s) for n, s in enumerate(slots)]
        self.begin(World(spec(30, max_retries=1), offers, seconds=0.01, files=files), warm=True)


TestShortTasks = ShortTasks.TestCase
TestShortTasks.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

TestCloudAgentsAndUser = CloudAgentsAndUser.TestCase
TestCloudAgentsAndUser.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
