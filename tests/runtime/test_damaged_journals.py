"""An event that was damaged on the disk is named by its number, never in Python's words."""

from __future__ import annotations

import json
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

from batchio.core.snapshot import dump
from batchio.errors import JournalCorrupt
from batchio.runtime.replay import Fold
from tests.core.machines import spec
from tests.runtime.jobs import Job
from tests.runtime.test_agent_messages import damaged

if TYPE_CHECKING:
    from pathlib import Path


class Rows:
    """A journal of these events; implements `ports.JournalReader` as far as a fold needs it."""

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows

    def snapshot(self) -> None:
        return None

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        return list(enumerate(self._rows, 1))[after:]

    def events(self, after: int = 0, limit: int | None = None) -> list[Any]:
        return []


def test_a_damaged_event_is_named_by_its_number(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(2), nodes=1)
    job.lead()
    with closing(job.store.reader()) as reader:
        rows = [body for _, body in reader.read()]
    said: list[str] = []
    odds: list[Any] = [None, "x", [], {}, -1, [[7]]]
    for at, row in enumerate(rows[1:], 1):
        event = json.loads(row)
        for place in range(1, len(event)):
            for odd in odds:
                damage = json.dumps([*event[:place], odd, *event[place + 1 :]])
                past: Any = Rows([*rows[:at], damage, *rows[at + 1 :]])
                try:
                    Fold(past).catch_up()
                except JournalCorrupt as err:
                    said.append(str(err))
    assert len(said) > len(rows)
    assert all(one.startswith("journal record ") for one in said)


def test_a_damaged_snapshot_is_not_used(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(4), nodes=2)
    job.lead()
    with closing(job.store.reader()) as reader:
        rows = [body for _, body in reader.read()]
    past: Any = Rows(rows)
    whole = Fold(past)
    whole.catch_up()
    state = dump(whole.machine)
    dice = Random(7)
    for _ in range(100):
        fold = Fold(past)
        fold.resume(len(rows), damaged(dice, state))  # behind its checksum
        assert fold.position in (0, len(rows))
