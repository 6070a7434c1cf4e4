"""The nodes of one job, as their sessions need to know of each other.

Read from the machine, which nobody here changes.
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
    from batchio.runtime.agent_messages import Members

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
    """What one agent knows of the others: how many changes, and who the scheduler is."""

    changes: int = -1
    """-1: nothing yet."""
    scheduler: tuple[int, str] | None = None


class Roster:
    """Who is ready, who is who, and who was here before.

    Ready nodes come and go one by one, and every agent is told. So what is kept is the row
    of changes: an agent hears those it has not heard, and not the whole list again.

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
        """Hear what was journaled: who is ready may have changed."""
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
        """Return what an agent that was `told` so much has to hear, and what it then knows."""
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
        """Return how many attempts at once a node takes, and a warning (or "").

        Raises:
            Unfit: tasks do not fit there.
        """
        known = self._machine.nodes[node].slots
        return (known, "") if known else slots_for(self._machine.running_job.spec, offer, facts)

    def duplicate_of(self, node: int, hello: Facts) -> str:
        """Return what the same computer is called as another node; or "", and remember it."""
        if not self._hosts:
            return ""
        nodes = self._machine.nodes
        for other, facts in self._hellos.items():
            if other != node and nodes[other].alive and same_computer(facts, hello):
                return nodes[other].offer
        self._hellos[node] = hello
        return ""

    def homes_before(self, node: int) -> list[str]:
        """Return the homes that earlier nodes of this job may have left on the same host."""
        here = self._machine.nodes[node].handle
        return [
            home(self._machine.running_job.id, other.number)
            for other in self._machine.nodes[:node]
            if other.handle == here and other.state is NodeState.GONE
        ]

    def forget(self, node: int) -> None:
        """Drop what a node said of itself: it is given back."""
        self._hellos.pop(node, None)


def home(job: str, node: int) -> str:
    """Return the name of an agent's home on its node."""
    return f"{job}.{node}"
