"""No order of answers, crashes and wishes may lose a task, run one twice, or keep a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from batchio.core import events as ev
from batchio.core.plan import Offer
from batchio.core.retry import Cause
from tests.core.builders import OFFERS, jobs
from tests.core.machines import World, fingerprint, spec
from tests.core.truths import Truths
from tests.effort import examples

if TYPE_CHECKING:
    from batchio.core.spec import JobSpec

PICK = st.integers(0, 99)
FILES = st.sampled_from([0, 2])
EXITS = st.sampled_from([0, 0, 0, 1, 3])


class CloudAgentsAndUser(Truths):
    """A world in which everything may come late, twice or never, and heads die."""

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

    @precondition(lambda self: self.world.merging)
    @rule(why=st.sampled_from(["", "no room"]), twice=st.booleans(), now=st.booleans())
    def outputs_are_brought_back(self, why: str, twice: bool, now: bool) -> None:
        w = self.world
        w.merge(why)
        if twice:
            w.post(w.inbox[-1])
        self.turn(now)

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

    @precondition(lambda self: self.world.listing)
    @rule()
    def the_provider_cannot_say_what_it_has(self) -> None:
        w = self.world
        w.post(ev.OffersFailed(w.now, "throttled", w.now + 1.0))
        self.turn()

    @precondition(lambda self: self.world.creates or self.world.deletes)
    @rule(pick=PICK, every=st.booleans(), now=st.booleans())
    def the_provider_does_not_answer(self, pick: int, every: bool, now: bool) -> None:
        asked = [*self.world.creates, *self.world.deletes]
        self.world.delay(asked if every else [chosen(asked, pick)])
        self.turn(now)

    @precondition(lambda self: self.world.agents)
    @rule(pick=PICK, seconds=st.sampled_from([-1.0, 20.0, 120.0, 300.0]), ends=st.booleans())
    def a_node_will_be_taken_from_us(self, pick: int, seconds: float, ends: bool) -> None:
        w = self.world
        handle = chosen(w.agents, pick)
        for node in w.machine.nodes:
            if node.handle == handle:
                when = w.now + seconds
                said = ev.NodeEnds(w.now, node.number, when)
                w.post(said if ends else ev.NodeNoticed(w.now, node.number, when, "spot"))
        self.turn()

    @precondition(lambda self: self.world.agents)
    @rule(pick=PICK, now=st.booleans())
    def the_provider_says_that_a_node_is_gone(self, pick: int, now: bool) -> None:
        self.world.vanish(chosen(self.world.agents, pick))
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
TestShortTasks.settings = examples(30, stateful_step_count=30)

TestCloudAgentsAndUser = CloudAgentsAndUser.TestCase
TestCloudAgentsAndUser.settings = examples(60, stateful_step_count=40)
