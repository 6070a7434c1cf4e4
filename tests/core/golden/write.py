"""Writes the golden journals that are named: together every kind of event, and what each folds to.

Never run again for a version that was released: the point of a golden journal is that it
stays as it is while the code changes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.retry import Cause
from tests.core.machines import World, spec

if TYPE_CHECKING:
    from batchio.core.machine import Machine

GOLDEN = Path(__file__).parent


def told(m: Machine) -> dict[str, Any]:
    """What people would be told of the job: stable words, no internals."""
    t = m.tasks
    return {
        "job": [m.running_job.id, str(m.state), m.outcome.label, m.running_job.why],
        "counts": [t.by_state, t.by_outcome],
        "tasks": [
            [t.attempt[i], t.failures[i], t.losses[i], t.exit[i], t.node[i], t.outcome[i]]
            for i in range(t.count)
        ],
        "words": [sorted(t.reasons.items()), sorted(t.tails.items())],
        "nodes": [[str(n.state), n.offer, n.handle, n.slots, n.ended, n.why] for n in m.nodes],
        "notes": m.notes,
        "taken": sorted(m.taken),
    }


def story() -> World:
    """One job in which nearly everything happens."""
    job = spec(
        60, max_retries=1, max_infra_retries=2, job_timeout=900.0, scheduler_tasks=TaskIds.of([3])
    )
    offers = [
        Offer("a", limit=2, slots=1, rate=0.5, rented=True, zone="z"),
        Offer("b", slots=1, labels=("rack=1",)),
    ]
    w = World(job, offers, seconds=0.01, files=1)
    w.post(ev.OffersFailed(w.now, "RequestLimitExceeded", w.now + 1.0))
    w.list_offers()
    w.turn()
    w.create(1, works=False)
    w.delay([2])
    w.open()
    w.post(ev.Noted(w.now, "a note — für alle"))
    w.post(ev.CancelRequested(w.now, [58, 59], "not needed"))
    w.go(3)
    for _ in range(80):
        w.go(1, lambda key: None if key[0] in w.machine.nodes[0].active else int(key[0] % 7 == 1))
        w.wait(0.1)
    w.wait(1.5)
    w.go(2, lambda key: None)
    w.drop(0)
    w.go(2, lambda key: None)
    w.restart("h-j1-0")
    w.go(2, lambda key: None)
    w.wait(5.0)
    w.post(ev.NodeLost(w.now, w.machine.scheduler or 0, "burnt", final=False))
    w.go()
    w.crash()
    w.post(ev.RequestTaken(w.now, "0001.json"))
    w.go(2, lambda key: None)
    held = [node for node in w.machine.nodes if node.state is NodeState.READY]
    w.post(ev.NodeEnds(w.now, held[0].number, w.now + 50.0))
    w.go(2, lambda key: None)
    w.vanish(str(held[-1].handle))
    w.go(2, lambda key: None)
    w.settle(lambda key: int(key[0] % 7 == 1))
    w.crash(ev.TasksRequeued(w.now, [[1, 0.0, str(Cause.ASKED)], [2, 0.0, str(Cause.ASKED)]]))
    w.open()
    w.now += 1000.0
    w.settle(lambda key: None)
    w.crash(ev.TasksRequeued(w.now, [[8, 0.0, str(Cause.ASKED)]]))
    w.post(ev.TasksAbandoned(w.now, "nobody is left"))
    w.settle()
    return w


def merged_story() -> World:
    """A job of which outputs come back to a folder of the user's, at the second time."""
    w = World(spec(2, sync="/project"), [Offer("a")], files=1)
    w.open()
    for _ in range(20):
        w.answer()
        w.turn()
        if w.merging:
            w.merge("no room")
            break
    w.settle()
    w.crash(ev.TasksRequeued(w.now, [[1, 0.0, str(Cause.ASKED)]]))
    w.settle()
    return w


def paid_story() -> World:
    """A job that reaches its --max-cost."""
    offer = Offer("a", limit=9, slots=1, rented=True, rate=1.0)
    w = World(spec(4, max_cost=2.0), [offer])
    w.open()
    w.go(2, lambda key: None)
    w.wait(1900.0)
    w.settle(lambda key: None)
    return w


STORIES = {"v2": story, "v2-sync": merged_story, "v2-money": paid_story}

if __name__ == "__main__":
    for name, world in ((name, STORIES[name]()) for name in sys.argv[1:]):
        (GOLDEN / f"{name}.jsonl").write_text("\n".join(world.journal) + "\n")
        (GOLDEN / f"{name}.json").write_text(json.dumps(told(world.machine), indent=1) + "\n")
