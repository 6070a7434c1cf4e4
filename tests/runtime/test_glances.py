"""What onlookers may know costs a few writes a second, however many nodes there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.runtime.files import CHUNK
from batchio.runtime.live_status import EVERY_S, PREPARING, LiveStatus, read_live_status
from batchio.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

NODES = 200
SECONDS = 10


def test_many_nodes_cost_few_writes_and_the_newest_is_seen(tmp_path: Path) -> None:
    clock, writes = FakeClock(), set[int]()
    glance = LiveStatus(tmp_path, PREPARING, clock)

    async def scene() -> None:
        for beat in range(SECONDS * 100):
            for node in range(NODES):
                glance.show(node, [beat * CHUNK, SECONDS * 100 * CHUNK])
            await clock.sleep(0.01)
            writes.update(path.stat().st_ino for path in tmp_path.glob(PREPARING))
        await clock.sleep(EVERY_S[PREPARING])

    clock.run(scene())

    assert len(writes) <= SECONDS / EVERY_S[PREPARING] + 1
    seen = read_live_status(tmp_path, PREPARING)
    assert len(seen) == NODES
    assert {sent for sent, _ in seen.values()} == {(SECONDS * 100 - 1) * CHUNK}


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert read_live_status(tmp_path, PREPARING) == {}
