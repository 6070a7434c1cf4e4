"""One effect, one call to a port, one event back.

`EffectRunner` begins each effect and returns at once; whatever takes time runs in the head's
TaskGroup. Errors of the ports become events here, and nowhere else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.node import NodeState, same_computer
from batchio.core.traits import Trait
from batchio.runtime import files
from batchio.runtime.collecting import Collector
from batchio.runtime.conversation import Desk
from batchio.runtime.live_status import LOADS, PREPARING, LiveStatus
from batchio.runtime.outputs import Landing
from batchio.runtime.renting import Renting
from batchio.runtime.session import Session
from batchio.runtime.setup import setup_for

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import Clock, JobStore, Provider, Transport


class EffectRunner:
    """Carries out effects for one job.

    Args:
        machine: Read only here: what tasks are called, who is ready.
        workspace: Where the job's folder and its inputs are.
        secrets: Values for the tasks' environment; they stay in memory.
        epoch: How many heads the job has had; agents obey the newest.
    """

    def __init__(
        self,
        machine: Machine,
        store: JobStore,
        provider: Provider,
        post: Callable[[ev.Event], None],
        clock: Clock,
        group: asyncio.TaskGroup,
        secrets: dict[str, str],
        epoch: int,
    ) -> None:
        job = machine.running_job
        self._machine = machine
        self._store = store
        self._provider = provider
        self._input = _inputs(job.spec, store)
        self._post = post
        self._clock = clock
        self._group = group
        self._sessions: dict[int, Session] = {}
        self._addresses: list[str] | None = None
        self._hellos = {node.number: node.facts for node in machine.nodes if node.alive}
        self._renting = Renting(machine, provider, post, clock, self._spawn)
        self._loads = LiveStatus(store, LOADS, clock, self._spawn)
        self._preparing = LiveStatus(store, PREPARING, clock, self._spawn)
        self._desk = Desk(
            spec=job.spec,
            job=job.id,
            epoch=epoch,
            provider=self._renting,
            clock=clock,
            post=post,
            note=self.note,
            secrets=secrets,
            setup=self._setup,
            files=self._sender(job.spec) if job.spec.files else None,
            duplicate_of=self._duplicate_of,
            homes_before=self._homes_before,
            heartbeat=self._loads.show,
            preparing=self._preparing.show,
        )
        landing = _landing(job.spec, store)
        landing.sweep()
        self._collector = Collector(self._desk, machine, landing, self._sessions.get)

    def __call__(self, effect: ef.Effect) -> None:
        """Begin one effect."""
        match effect:
            case ef.StartTasks(node, tasks):
                if session := self._sessions.get(node):
                    session.start([self._item(*pair) for pair in tasks])
            case ef.AckResults(node, seq):
                self._tell(node, ["ack", seq])
            case ef.StopTasks(node, tasks, reason):
                self._tell(node, ["stop", tasks, reason])
            case ef.RecallTasks(node, tasks):
                self._tell(node, ["recall", tasks])
            case ef.DiscardOutputs(node, tasks):
                self._tell(node, ["discard", tasks])
            case ef.CollectOutputs(node, tasks):
                for task, attempt in tasks:
                    self._spawn(self._collector.collect(node, task, attempt))
            case ef.ListOffers():
                self._spawn(self._renting.list_offers())
            case ef.PlaceOrder():
                self._spawn(self._renting.place(effect))
            case ef.ConnectNode(node, handle, instance):
                self._connect(node, handle, instance)
            case ef.DeleteNode(node, handle):
                self._spawn(self._delete(node, handle))

    def saw(self, batch: list[ev.Event]) -> None:
        """Told what was journaled, before its effects: who is ready may have changed."""
        if any(isinstance(event, _MEMBERSHIP) for event in batch):
            self._addresses = None
        self._renting.saw(batch)

    def note(self, text: str) -> None:
        """Leave a line for people."""
        self._post(ev.Noted(self._clock.now(), text))

    async def abandon(self) -> None:
        """Stop everything that runs: there is no journal any more to tell its end to."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.gather(*(session.leave(keep=True) for session in sessions))

    def let_go(self) -> None:
        """The head is over: nothing that waits for a node waits any longer."""
        self._collector.stop()
        self._renting.stop()
        self._loads.stop()
        self._preparing.stop()

    # --- nodes ---------------------------------------------------------------

    def _connect(self, node: int, handle: str, instance: str) -> None:
        session = self._sessions[node] = self._session(node, handle, instance)
        session.work = self._group.create_task(session.run())

    def _session(self, node: int, handle: str, instance: str, *, touched: bool = False) -> Session:
        offer = (self._machine.offers or {})[self._machine.nodes[node].offer]
        here = Trait.REMOTE not in self._provider.traits
        sink = self._store.log_sink(node, local=here)
        socket = str(self._machine.nodes[node].facts.get("socket", ""))
        return Session(
            self._desk, node, offer, handle, instance, sink, socket=socket, touched=touched
        )

    async def _delete(self, node: int, handle: str) -> None:
        session = self._sessions.pop(node, None)
        known = self._machine.nodes[node]
        rents = self._renting.rents
        if session is None and not rents:
            # An earlier head had it, and may not have come to the end.
            instance = str(known.facts.get("instance", ""))
            session = self._session(node, handle, instance, touched=True)
        left = ""
        await self._collector.forget(node)
        if session is not None:
            # What is rented is thrown away with all that is on it: nobody comes back for that.
            keep = rents or self._desk.spec.keep_on_host
            left = await session.leave(keep=keep, come_back=not rents)
        self._hellos.pop(node, None)
        if left:
            self.note(f"{known.name}: {left}")
        self._renting.give_back(node, handle, left)

    def _duplicate_of(self, node: int, hello: dict[str, Any]) -> str:
        """The node that is the same computer under another name; or ""."""
        if Trait.HOSTS not in self._provider.traits:
            return ""
        nodes = self._machine.nodes
        for other, facts in self._hellos.items():
            if other != node and nodes[other].alive and same_computer(facts, hello):
                return nodes[other].offer
        self._hellos[node] = hello
        return ""

    def _homes_before(self, node: int) -> list[str]:
        """Homes that an earlier node of this job may have left on the same host."""
        here = self._machine.nodes[node].handle
        return [
            f"{self._desk.job}.{other.number}"
            for other in self._machine.nodes[:node]
            if other.handle == here and other.state is NodeState.GONE
        ]

    def _sender(self, spec: JobSpec) -> Callable[[int, Transport, str, str], Any]:
        bundle, show = self._store.bundle(), self._preparing.show
        sender = files.Sender(bundle, spec.input_filestore, self.note)

        async def send(node: int, transport: Transport, home: str, python: str) -> None:
            size = bundle.stat().st_size
            await sender(transport, home, python, lambda sent: show(node, [sent, size]))
            show(node, [size, size])

        return send

    # --- tasks ---------------------------------------------------------------

    def _item(self, task: int, attempt: int) -> list[Any]:
        return [task, attempt, self._desk.spec.tasks.at(task), self._input(task)]

    def _setup(self, node: int) -> dict[str, Any]:
        if self._addresses is None:
            self._addresses = [
                str(other.facts.get("address", ""))
                for other in self._machine.nodes
                if other.state is NodeState.READY
            ]
        return setup_for(self._machine, node, self._addresses)

    # --- plumbing ------------------------------------------------------------

    def _tell(self, node: int, message: list[Any]) -> None:
        if session := self._sessions.get(node):
            session.tell(message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)


def _landing(spec: JobSpec, store: JobStore) -> Landing:
    """Where outputs go; a job's own folder that was removed is not made again."""
    root = Path(spec.collect) if spec.collect else store.outputs()
    own = spec.collect is None
    return Landing(root, store.id, store.placed(), make=not own, limit=spec.max_output)


def _inputs(spec: JobSpec, store: JobStore) -> Callable[[int], Any]:
    """What a task gets, by its position: nothing, a text, or variables."""
    if spec.inputs == "none":
        return lambda _: None
    inputs = store.inputs()
    return inputs.value if spec.inputs == "values" else inputs.record


_MEMBERSHIP: Final = (
    ev.NodeGreeted,
    ev.NodeHeard,
    ev.NodeRestarted,
    ev.NodeSilent,
    ev.NodeLost,
    ev.NodeReleased,
)
