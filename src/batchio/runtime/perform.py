"""One effect, one call to a port, one event back.

`EffectRunner` begins each effect and returns at once; work that takes time runs in the head's
TaskGroup. Errors of the ports become events here, and nowhere else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.traits import Trait
from batchio.runtime.collecting import Collector
from batchio.runtime.context import JobContext
from batchio.runtime.errands import Errands
from batchio.runtime.files import Sender
from batchio.runtime.landing import Landing
from batchio.runtime.live_status import LOADS, PREPARING, REACHING, LiveStatus
from batchio.runtime.merging import merged
from batchio.runtime.objects import ObjectsOutputs
from batchio.runtime.parts import PartsOutputs
from batchio.runtime.renting import Renting
from batchio.runtime.roster import Roster
from batchio.runtime.session import Session, SessionContext

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import Clock, JobStore, Provider, Stores
    from batchio.runtime.outputs import Destination


class EffectRunner:
    """Performs the effects of one job.

    Args:
        machine: Only read here: ids of tasks, ready nodes.
        store: The job's store.
        stores: Open the stores of URLs.
        secrets: Values for the tasks' environment; they stay in memory.
        epoch: Number of heads the job has had; agents obey the newest.
    """

    def __init__(
        self,
        machine: Machine,
        store: JobStore,
        provider: Provider,
        stores: Stores,
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
        self._merging = asyncio.Lock()
        self._sessions: dict[int, Session] = {}
        self._inherited = frozenset(node.number for node in machine.nodes)
        """Nodes on which an earlier head may have begun: an agent of the job may run there."""
        self._renting = Renting(machine, provider, post, clock, self._spawn)
        self._loads = LiveStatus(store, LOADS, clock, self._spawn)
        self._preparing = LiveStatus(store, PREPARING, clock, self._spawn)
        self._reaching = LiveStatus(store, REACHING, clock, self._spawn)
        self._roster = Roster(machine, hosts=Trait.HOSTS in provider.traits)
        self._job = JobContext(job.spec, job.id, epoch, self._renting, clock, post, secrets)
        sender = Sender(
            store.bundle(),
            job.spec.input_filestore,
            stores.files,
            self._job.note,
            store.sign_bundle,
            job.spec.bundle or "",
        )
        environment = None
        if job.spec.software:
            from batchio.runtime.environment import Environment  # most jobs send no packages

            environment = Environment(job.spec, store.pieces(), clock, self._job.note)
        errands = Errands(self._job, store.bundle(), sender, environment, self._preparing)
        self._context = SessionContext(
            self._job, self._roster, errands, self._loads, self._reaching
        )
        destination = _destination(job.spec, store, stores)
        destination.sweep()
        self.tidy = destination.tidy
        self._collector = Collector(self._job, machine, destination, self._sessions.get)

    def __call__(self, effect: ef.Effect) -> None:
        """Begin to perform one effect."""
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
                    self._spawn(self._collector.download(node, task, attempt))
            case ef.MergeOutputs(number):
                self._spawn(self._merge(number))
            case ef.ListOffers():
                self._spawn(self._renting.list_offers())
            case ef.PlaceOrder():
                self._spawn(self._renting.place(effect))
            case ef.ConnectNode(node, handle):
                self._connect(node, handle)
            case ef.DeleteNode(node, handle):
                self._spawn(self._delete(node, handle))

    def saw(self, batch: list[ev.Event]) -> None:
        """Tell the roster and the provider's side about events that were journaled."""
        self._roster.saw(batch)
        self._renting.saw(batch)

    async def abandon(self) -> None:
        """Stop everything that runs, as there is no journal any more to record its end."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.gather(*(session.leave(keep=True) for session in sessions))

    def let_go(self) -> None:
        """Stop all background work, as the head ends."""
        self._collector.stop()
        self._renting.stop()
        self._loads.stop()
        self._preparing.stop()
        self._reaching.stop()

    # --- nodes ---------------------------------------------------------------

    def _connect(self, node: int, handle: str) -> None:
        touched = node in self._inherited
        session = self._sessions[node] = self._session(node, handle, touched=touched)
        session.work = self._group.create_task(session.run())

    def _session(self, node: int, handle: str, *, touched: bool = False) -> Session:
        known = self._machine.nodes[node]
        offer = (self._machine.offers or {})[known.offer]
        here = Trait.REMOTE not in self._provider.traits
        sink = self._store.log_sink(node, local=here)
        return Session(self._context, node, offer, handle, sink, known.facts, touched=touched)

    async def _delete(self, node: int, handle: str) -> None:
        session = self._sessions.pop(node, None)
        rents = self._renting.rents
        if session is None and not rents:
            # An earlier head had it, and may not have come to the end.
            session = self._session(node, handle, touched=True)
        left = ""
        await self._collector.forget(node)
        if session is not None:
            # What is rented is thrown away with all that is on it: nobody comes back for that.
            keep = rents or self._job.spec.keep_on_host
            left = await session.leave(keep=keep, come_back=not rents)
        self._roster.forget(node)
        self._renting.give_back(node, handle, left)

    # --- tasks ---------------------------------------------------------------

    def _item(self, task: int, attempt: int) -> list[Any]:
        return [task, attempt, self._job.spec.tasks.at(task), self._input(task)]

    async def _merge(self, number: int) -> None:
        """Bring outputs to the folder of --sync, after any earlier time has ended."""
        async with self._merging:
            why = await merged(self._job, self._machine, self._store)
        self._post(ev.OutputsMerged(self._clock.now(), number, why))

    # --- plumbing ------------------------------------------------------------

    def _tell(self, node: int, message: list[Any]) -> None:
        if session := self._sessions.get(node):
            session.tell(message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)


def _destination(spec: JobSpec, store: JobStore, stores: Stores) -> Destination:
    """Return where the job's outputs go. Raises UsageError: what that needs is not here."""
    parts = store.parts()
    if parts and spec.output_filestore is None:
        return PartsOutputs(parts, spec.max_output)
    landing = _landing(spec, store)
    if spec.output_filestore is None:
        return landing
    return ObjectsOutputs(stores.objects(spec.output_filestore), store.id, landing)


def _landing(spec: JobSpec, store: JobStore) -> Landing:
    """Return the folder for outputs; a job's own one is not made again after it was removed."""
    if spec.collect is None:
        return Landing(store.outputs(), store.id, store.placed(), make=False, limit=spec.max_output)
    root = Path(spec.collect)
    record = store.brought(root)
    return Landing(root, store.id, store.placed(), limit=spec.max_output, brought=record)


def _inputs(spec: JobSpec, store: JobStore) -> Callable[[int], Any]:
    """Return a function from a task's position to its input: None, a text, or variables."""
    if spec.inputs == "none":
        return lambda _: None
    inputs = store.inputs()
    return inputs.value if spec.inputs == "values" else inputs.record
