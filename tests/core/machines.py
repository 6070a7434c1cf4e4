"""A world in memory around a Machine: the runtime, the cloud and the agents.

`World` keeps a journal and obeys effects as the real runtime does, but every answer waits
until somebody gives it, so that a test can have it late, twice, or never. `World.settle`
lets everything be answered until the job is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.machine import Machine
from batchio.core.node import NodeState
from batchio.core.reports import Ended, Facts
from tests.core.builders import Pair, fingerprint, record, replay, spec
from tests.core.parties import Agent, Link, Wanted

__all__ = ["Agent", "Link", "World", "fingerprint", "record", "replay", "spec"]

if TYPE_CHECKING:
    from batchio.core.plan import Offer
    from batchio.core.spec import JobSpec


ASKED = (NodeState.WANTED, NodeState.UNWANTED)


class World:
    """One job, the head that leads it, and everything that head depends on."""

    def __init__(
        self,
        job: JobSpec,
        offers: list[Offer],
        *,
        slots: int = 2,
        seconds: float = 1.0,
        files: int = 0,
    ) -> None:
        self.offers = {offer.id: offer for offer in offers}
        self.slots = slots
        self.seconds = seconds
        """How long tasks take, as far as the agents say."""
        self.files = files
        """How many each attempt leaves behind."""
        self.now = self.decided = 1000.0
        self.epoch = 1
        self.machine = Machine()
        self.journal: list[str] = []
        self.replayed: dict[str, Any] = {}
        """What the last head to take over knew."""
        self.inbox: list[ev.Event] = []
        self.listing, self.merging = False, 0  # the number of the merge that is under way
        self.creates: dict[int, Wanted] = {}
        """Nodes of which the provider has not said what becomes of them."""
        self.deletes: dict[int, str] = {}
        self.collects: set[tuple[int, int, int]] = set()
        self.links: dict[int, Link] = {}
        self.handles: dict[tuple[str, int], str] = {}
        """Token and node to handle: the provider's own memory."""
        self.asked: dict[str, ef.PlaceOrder] = {}
        """Every order by its token: a repeated one must be the same."""
        self.agents: dict[str, Agent] = {}
        """By handle; those that live."""
        self.rented: set[str] = set()
        self.started: list[tuple[int, int, str]] = []
        """Every attempt that was ever begun: task, attempt, handle."""
        self.ended: dict[Pair, Ended] = {}
        """What truly became of each attempt that ended."""
        self.post(ev.JobSubmitted(self.now, "j1", job.to_json()))
        self.post(ev.HeadStarted(self.now, 1, "here", 1))
        self.turn()

    # --- the head ------------------------------------------------------------

    def post(self, event: ev.Event) -> None:
        self.inbox.append(event)

    def turn(self, *, journaled: bool = True, performed: int | None = None) -> None:
        """One turn of the wheel; a crash before the journal, or after some effects."""
        self.now += 0.001
        facts, self.inbox = self.inbox, []
        batch = [fact for fact in facts if self.machine.apply(fact)]
        batch += self.machine.decide(self.now)
        self.decided = self.now
        if not journaled:
            return self.crash()
        self.journal += [ev.encode(event) for event in batch]
        for effect in self.machine.pop_effects()[:performed]:
            self.perform(effect)
        return None if performed is None else self.crash()

    def crash(self, *wishes: ev.Event, kind: str = "local") -> None:
        """The head dies; another one goes on where the journal ends, and hears wishes."""
        self.inbox.clear()
        self.listing, self.merging = False, 0
        for held in (self.creates, self.deletes, self.collects, self.links):
            held.clear()
        self.machine = replay(self.journal)
        self.replayed = fingerprint(self.machine)
        self.epoch += 1
        first: list[ev.Event] = [ev.HeadStarted(self.now, self.epoch, "there", 2, kind)]
        first += wishes
        first += [
            ev.NodeSilent(self.now, node.number, "another head took over")
            for node in self.machine.nodes
            if node.state is NodeState.READY
        ]
        self.journal += [ev.encode(fact) for fact in first if self.machine.apply(fact)]
        self.machine.pop_effects()
        for effect in self.machine.due():
            self.perform(effect)
        self.turn()

    def perform(self, effect: ef.Effect) -> None:
        match effect:
            case ef.ListOffers():
                self.listing = True
            case ef.MergeOutputs(number):
                self.merging = number
            case ef.PlaceOrder(first, rows, token):
                assert self.asked.setdefault(token, effect) == effect
                for offer, count in rows:
                    for node in range(first, first + count):
                        if self.machine.nodes[node].state in ASKED:
                            assert node not in self.creates
                            self.creates[node] = Wanted(token, node, offer)
                    first += count
            case ef.ConnectNode(node, handle):
                assert node not in self.links
                instance = self.machine.nodes[node].facts.get("instance", "")
                self.links[node] = Link(handle, instance)
            case ef.DeleteNode(node, handle):
                assert node not in self.deletes
                self.links.pop(node, None)
                self._forget(node)
                self.deletes[node] = handle
            case ef.CollectOutputs(node, tasks):
                if self._up(node):
                    self.collects |= {(node, t, a) for t, a in tasks}
            case ef.StopTasks(node, tasks, reason):
                self._tell(node, ["stop", tasks, reason])
            case ef.StartTasks(node, tasks):
                self._tell(node, ["start", tasks])
            case ef.RecallTasks(node, tasks):
                self._tell(node, ["recall", tasks])
            case ef.AckResults(node, seq):
                self._tell(node, ["ack", seq])
            case ef.DiscardOutputs(node, tasks):
                self._tell(node, ["discard", tasks])

    def _up(self, node: int) -> bool:
        return node in self.links and self.links[node].up

    def _tell(self, node: int, message: list[Any]) -> None:
        if self._up(node):
            self.links[node].out.append(message)
            if message[0] in ("start", "stop", "recall"):
                self.links[node].told |= {(message[0], t, a) for t, a in message[1]}

    def _forget(self, node: int) -> None:
        self.collects = {one for one in self.collects if one[0] != node}

    # --- the provider --------------------------------------------------------

    def list_offers(self) -> None:
        self.listing = False
        offers = [offer.to_json() for offer in self.offers.values()]
        self.post(ev.OffersListed(self.now, offers))

    def merge(self, why: str = "") -> None:
        number, self.merging = self.merging, 0
        self.post(ev.OutputsMerged(self.now, number, why))

    def create(self, node: int, *, works: bool = True, final: bool = False) -> None:
        """Answer a create call. A token that was honoured before gives the same node."""
        order = self.creates.pop(node)
        handle = self.handles.get((order.token, node))
        if handle is None and works:
            handle = self.grant(order)
        if handle is None:
            self.post(ev.NodesRefused(self.now, [node], order.offer, "no capacity", final))
        else:
            rate = self.offers[order.offer].rate
            self.post(ev.NodeCreated(self.now, node, handle, order.offer, rate))

    def delay(self, nodes: list[int]) -> None:
        """The provider does not answer; the same is asked again."""
        self.post(ev.NodesDelayed(self.now, nodes, "RequestLimitExceeded", self.now + 1.0))

    def grant(self, order: Wanted) -> str:
        """The provider does it; whether its answer arrives is another matter."""
        handle = self.handles.setdefault((order.token, order.node), f"h-j1-{order.node}")
        if handle not in self.rented:
            self.rented.add(handle)
            self.agents[handle] = Agent(self.offers[order.offer].slots or self.slots)
        return handle

    def vanish(self, handle: str) -> None:
        """The provider ends a node, and says so."""
        self.rented.discard(handle)
        if handle in self.agents:
            self.die(handle)
        for node in self.machine.nodes:
            if node.handle == handle:
                self.post(ev.NodeVanished(self.now, node.number, "reclaimed"))

    def delete(self, node: int) -> None:
        handle = self.deletes.pop(node)
        self.rented.discard(handle)
        self.agents.pop(handle, None)
        self.post(ev.NodeDeleted(self.now, node))

    # --- the connections -----------------------------------------------------

    def connect(self, node: int) -> None:
        """Greet, after the results that were never acknowledged; dead hosts do not answer."""
        link = self.links[node]
        agent = self.agents.get(link.handle)
        if agent is None or link.up:
            return
        for seq, records in agent.results.items():
            self.post(ev.TasksFinished(self.now, node, seq, records))
        instance = str(agent.instance)
        facts = Facts(hostname=link.handle, instance=instance)
        if not link.instance:
            self.post(ev.NodeGreeted(self.now, node, agent.slots, facts))
        elif link.instance == instance:
            self.post(ev.NodeHeard(self.now, node))
        else:
            self.post(ev.NodeRestarted(self.now, node, facts))
        link.instance, link.up = instance, True

    def give_up(self, node: int) -> None:
        """Nobody ever answered there."""
        if not self.links[node].instance:
            del self.links[node]
            self.post(ev.NodeLost(self.now, node, "no answer", final=False))

    def drop(self, node: int) -> None:
        link = self.links[node]
        if link.up:
            link.up = False
            link.told.clear()
            link.out.clear()
            link.back.clear()
            self._forget(node)
            self.post(ev.NodeSilent(self.now, node, "the connection broke"))

    def deliver(self, node: int) -> None:
        """One message to the agent, and all that it has said to the head."""
        link = self.links[node]
        if link.out:
            self._obey(node, link, link.out.popleft())
        while link.back:
            self.post(link.back.popleft())

    def collect(self, one: tuple[int, int, int], why: str = "") -> None:
        self.collects.discard(one)
        node, task, attempt = one
        self.post(ev.TasksCollected(self.now, node, [[task, attempt]], why))

    # --- the agents ----------------------------------------------------------

    def _obey(self, node: int, link: Link, message: list[Any]) -> None:
        agent = self.agents[link.handle]
        match message:
            case ["start", pairs]:
                keys = [(t, a) for t, a in pairs]
                agent.queue += [key for key in keys if not agent.knows(key)]
            case ["stop", pairs, reason]:
                for t, a in pairs:
                    if (t, a) in agent.queue:
                        agent.queue.remove((t, a))
                        self._done(link.handle, record(t, a, -15, reason))
                    elif (t, a) in agent.running:
                        agent.running[t, a] = reason
            case ["recall", pairs]:
                back = [[t, a] for t, a in pairs if (t, a) in agent.queue]
                agent.queue = [key for key in agent.queue if list(key) not in back]
                if back:
                    link.back.append(ev.TasksReturned(self.now, node, back))
            case ["ack", seq]:
                agent.results = {n: rs for n, rs in agent.results.items() if n > seq}

    def begin(self, handle: str, *, told: bool = True) -> None:
        """Start what is queued, as far as there are slots."""
        agent = self.agents[handle]
        while agent.queue and len(agent.running) < agent.slots:
            key = agent.queue.pop(0)
            agent.running[key] = ""
            self.started.append((*key, handle))
            if told:
                self._news(handle, lambda n, k=key: ev.TasksStarted(self.now, n, [[*k, self.now]]))

    def finish(self, handle: str, key: Pair, exit: int = 0) -> None:
        """A running attempt ends; one that was to be stopped may still end well."""
        stop = self.agents[handle].running.pop(key)
        reason = stop if exit < 0 else ""
        told = record(*key, exit, reason, files=self.files, at=self.now, seconds=self.seconds)
        self._done(handle, told)

    def _done(self, handle: str, told: Ended) -> None:
        agent = self.agents[handle]
        agent.seq += 1
        seq = agent.seq
        agent.results[seq] = [told]
        self.ended[told.task, told.attempt] = told
        self._news(handle, lambda node: ev.TasksFinished(self.now, node, seq, [told]))

    def _news(self, handle: str, event: Any) -> None:
        for node, link in self.links.items():
            if link.handle == handle and link.up:
                link.back.append(event(node))

    def restart(self, handle: str) -> None:
        """The agent dies and comes back: only results not yet acknowledged survive."""
        agent = self.agents[handle]
        agent.instance += 1
        agent.queue.clear()
        agent.running.clear()
        self._cut(handle)

    def die(self, handle: str) -> None:
        """The node is gone without a word; its handle must still be given back."""
        del self.agents[handle]
        self._cut(handle)

    def _cut(self, handle: str) -> None:
        for node in [n for n, link in self.links.items() if link.handle == handle]:
            self.drop(node)

    # --- all of it -----------------------------------------------------------

    def open(self) -> None:
        """Offers, nodes, greetings and first tasks, without a hitch."""
        self.list_offers()
        self.turn()
        for node in list(self.creates):
            self.create(node)
        self.turn()
        for node in list(self.links):
            self.connect(node)
        self.turn()
        self.hear()

    def hear(self) -> None:
        """Every message on its way arrives."""
        for node in list(self.links):
            while self.links[node].out or self.links[node].back:
                self.deliver(node)

    def answer(self, exits: Any = lambda key: 0) -> None:
        """Everything that waits is answered once; attempts end as `exits` says (None: not yet)."""
        if self.listing:
            self.list_offers()
        if self.merging:
            self.merge()
        for node in list(self.creates):
            self.create(node)
        for node in list(self.deletes):
            self.delete(node)
        for node in list(self.links):
            self.connect(node)
        self.hear()
        for handle, agent in list(self.agents.items()):
            self.begin(handle)
            for key, stop in list(agent.running.items()):
                code = -15 if stop else exits(key)
                if code is not None:
                    self.finish(handle, key, code)
        for one in sorted(self.collects):
            self.collect(one)

    def go(self, turns: int = 1, exits: Any = lambda key: 0) -> Machine:
        """So many turns in which everything is answered."""
        for _ in range(turns):
            self.answer(exits)
            self.turn()
        return self.machine

    def wait(self, seconds: float) -> None:
        """Let the time pass, and turn."""
        self.now += seconds
        self.turn()

    def settle(self, exits: Any = lambda key: 0, *, most: int = 1000) -> Machine:
        """Turn until the job is closed; the time goes on when nothing else does."""
        for _ in range(most):
            before = len(self.journal)
            self.answer(exits)
            self.turn()
            if self.machine.running_job.closed:
                return self.machine
            wake = self.machine.next_wake()
            if len(self.journal) == before and wake is not None:
                self.now = max(self.now, wake)
        raise AssertionError(f"the job does not end: {self.machine.tasks.by_state}")
