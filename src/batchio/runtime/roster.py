"""The roster of a job's nodes: what their sessions must know of each other.

It is read from the machine, which is not changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core import events as ev
from batchio.core.node import NodeState, same_computer
from batchio.core.plan import slots_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchio.core.machine import Machine
    from batchio.core.plan import Offer
    from batchio.core.reports import Facts
    from batchio.runtime.head_messages import Members

_MEMBERSHIP: Final = (
    ev.NodeGreeted,
    ev.NodeHeard,
    ev.NodeRestarted,
    ev.NodeSilent,
    ev.NodeLost,
    ev.NodeReleased,
    ev.NodeVanished,
)


class Told(NamedTuple):
    """What one agent was told of other nodes: number of changes, and the scheduler's node."""

    changes: int = -1
    """Number of changes that the agent was told; -1: it was told nothing yet."""
    scheduler: tuple[int, str] | None = None


class Roster:
    """The ready nodes of a job, their computers, and earlier nodes on the same host.

    Ready nodes come and go one by one, and every agent is told. So a list of changes is kept:
    an agent is told the changes that are new to it, and not the whole list again.

    Args:
        hosts: Whether two nodes may be one computer under two names.
    """

    def __init__(self, machine: Machine, *, hosts: bool) -> None:
        self._machine = machine
        self._hosts = hosts
        self._hellos = {node.number: node.facts for node in machine.nodes if node.alive}
        self._ready: dict[int, str] = {}
        self._changes: list[int] = []
        self._update(range(len(machine.nodes)))

    def saw(self, batch: Iterable[ev.Event]) -> None:
        """Note which nodes became ready or left, from events that were journaled."""
        self._update(event.node for event in batch if isinstance(event, _MEMBERSHIP))

    def _update(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            node = self._machine.nodes[number]
            ready = self._address(number) if node.state is NodeState.READY else ""
            if ready != self._ready.get(number, ""):
                self._changes.append(number)
                if ready:
                    self._ready[number] = ready
                else:
                    del self._ready[number]

    def news(self, told: Told) -> tuple[Members | None, Told]:
        """Return the message for an agent that was `told` so much, and what it knows after it.

        The message is None when there is nothing new.
        """
        lead = self._machine.scheduler
        now = Told(len(self._changes), None if lead is None else (lead, self._address(lead)))
        if now == told:
            return None, now
        members: Members = {}
        if told.changes < 0:
            members["all"] = True
            members["joined"] = sorted(self._ready.items())
        elif now.changes > told.changes:
            changed = sorted(set(self._changes[told.changes :]))
            members["joined"] = [(n, self._ready[n]) for n in changed if n in self._ready]
            members["left"] = [n for n in changed if n not in self._ready]
        if now.scheduler != told.scheduler:
            members["scheduler"] = now.scheduler
        return members, now

    def _address(self, node: int) -> str:
        return self._machine.nodes[node].facts.get("address", "")

    def slots(self, node: int, offer: Offer, facts: Facts) -> tuple[int, str]:
        """Return how many attempts a node runs at the same time, and a warning or "".

        Raises:
            Unfit: tasks do not fit on the node.
        """
        known = self._machine.nodes[node].slots
        return (known, "") if known else slots_for(self._machine.running_job.spec, offer, facts)

    def duplicate_of(self, node: int, hello: Facts) -> str:
        """Return the offer of another live node on the same computer; else "", and keep `hello`."""
        if not self._hosts:
            return ""
        nodes = self._machine.nodes
        for other, facts in self._hellos.items():
            if other != node and nodes[other].alive and same_computer(facts, hello):
                return nodes[other].offer
        self._hellos[node] = hello
        return ""

    def homes_before(self, node: int) -> list[str]:
        """Return names of agents' homes that earlier nodes may have left on the same host."""
        here = self._machine.nodes[node].handle
        return [
            home(self._machine.running_job.id, other.number)
            for other in self._machine.nodes[:node]
            if other.handle == here and other.state is NodeState.GONE
        ]

    def forget(self, node: int) -> None:
        """Forget the hello of a node that is given back."""
        self._hellos.pop(node, None)


def home(job: str, node: int) -> str:
    """Return the name of an agent's home on its node."""
    return f"{job}.{node}"
