"""What onlookers may know costs a few writes a second, however many nodes there are."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

from hypothesis import given

from batchio.core.concerns import concerns
from batchio.core.explain import why_job
from batchio.core.rows import node_rows
from batchio.core.sending import sending
from batchio.runtime.files import CHUNK
from batchio.runtime.live_status import (
    EVERY_S,
    LOADS,
    PREPARING,
    REACHING,
    LiveStatus,
    read_live_status,
)
from batchio.testing import FakeClock, MemoryWorkspace
from tests.core.machines import spec
from tests.core.stories import T0, Story
from tests.damage import SEEDS, changed, dices
from tests.mortal import MortalStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchio.ports import JobStore

NODES = 200
SECONDS = 10


class Shown(MortalStore):
    """Counts what is shown."""

    def __init__(self, real: JobStore) -> None:
        super().__init__(real)
        self.real = real
        self.threads: list[int] = []

    def show(self, topic: str, facts: Mapping[str, Any]) -> None:
        self.threads.append(threading.get_ident())
        self.real.show(topic, facts)


def job(root: Path) -> Shown:
    workspace = MemoryWorkspace(root)
    return Shown(workspace.job(workspace.submit(spec(1), 0.0)))


def test_many_nodes_cost_few_writes_beside_the_loop_and_the_newest_is_seen(tmp_path: Path) -> None:
    clock, shown = FakeClock(), job(tmp_path)

    async def scene() -> None:
        async with asyncio.TaskGroup() as group:
            status = LiveStatus(shown.store, PREPARING, clock, group.create_task)
            for beat in range(SECONDS * 100):
                for node in range(NODES):
                    status.show(node, [beat * CHUNK, SECONDS * 100 * CHUNK])
                await clock.sleep(0.01)
            await clock.sleep(EVERY_S[PREPARING])

    clock.run(scene())

    assert len(shown.threads) <= SECONDS / EVERY_S[PREPARING] + 1
    assert threading.get_ident() not in shown.threads
    seen = read_live_status(shown.store, PREPARING)
    assert len(seen) == NODES
    assert {sent for sent, _ in seen.values()} == {(SECONDS * 100 - 1) * CHUNK}


def test_nothing_is_written_once_the_head_is_over(tmp_path: Path) -> None:
    clock, shown = FakeClock(), job(tmp_path)

    async def scene() -> None:
        async with asyncio.TaskGroup() as group:
            status = LiveStatus(shown.store, PREPARING, clock, group.create_task)
            status.show(1, "a")
            status.stop()
            status.show(1, "b")
        await clock.sleep(10)

    clock.run(scene())

    assert shown.threads == []


@given(SEEDS)
def test_a_fact_that_makes_no_sense_is_left_out_and_the_others_are_shown(seed: int) -> None:
    machine = Story().offers("a").booting().machine
    right: dict[str, Any] = {
        LOADS: {"load": 0.5, "disk_free": 7}, PREPARING: [3, 9], REACHING: [3, T0, "no answer"],
    }  # fmt: skip
    assert right.keys() == EVERY_S.keys()
    for dice in dices(seed):
        for topic, fact in right.items():
            odd = changed(dice, fact, [fact, "runs its setup script"])
            shown: Any = Facts({"1": fact, "0": odd, dice.choice(["x", "-1", "²", "2"]): odd})
            seen = read_live_status(shown, topic)
            assert seen[1] == fact
            loads, preparing, reaching = (
                seen if topic == each else {} for each in (LOADS, PREPARING, REACHING)
            )
            [row] = node_rows(machine, loads, preparing, reaching)
            json.dumps(row.to_json(), allow_nan=False)
            for concern in concerns(machine, reaching=reaching):
                json.dumps(concern.to_json(), allow_nan=False)
            assert all(isinstance(line, str) for line in why_job(machine, T0 + 9, preparing))
            sending(machine, preparing)


class Facts(dict[str, Any]):
    """What a store shows, of any topic."""

    def shown(self, _: str) -> dict[str, Any]:
        return self
