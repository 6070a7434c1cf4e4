"""How long `batchio list` takes over many jobs that are done, and over as many without a card.

    python -m benchmarks.listing [--jobs 1000] [--rounds 5]

A card is what a list shows of a job; without one, its journal is opened and folded.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from batchio.core.arrays import TaskIds
from batchio.core.cards import TOPIC, first_card
from batchio.core.events import JobSubmitted, encode
from batchio.core.spec import JobSpec
from batchio.runtime.cards import list_cards
from batchio.runtime.host import HostClock
from batchio.stores.folder import FolderWorkspace
from benchmarks.side_by_side import BATCHIO, Table, options, scratch, spent

if TYPE_CHECKING:
    from pathlib import Path


def main() -> None:
    asked = options(__doc__, jobs=1000, rounds=5)
    table = Table(f"Seconds to list {asked.jobs:,} jobs")
    with scratch() as folder:
        with_cards, without = folder / "cards", folder / "journals"
        fill(with_cards, asked.jobs, cards=True)
        fill(without, asked.jobs, cards=False)
        took = [listed(with_cards, asked.jobs) for _ in range(asked.rounds)]
        folded = listed(without, asked.jobs)
        words = [BATCHIO, "list", "--limit", str(asked.jobs), "--workspace", str(with_cards)]
        whole = [spent(words) for _ in range(asked.rounds)]
    table.most("the API, from cards", statistics.median(took), 0.3, more=f" (best {min(took):.3f})")
    table.add("the API, from journals", f"{folded:.3g}")
    table.add("batchio list, the whole program", f"{statistics.median(whole):.3g}")
    table.show()


def fill(root: Path, jobs: int, *, cards: bool) -> None:
    """Make jobs that nobody has led yet."""
    workspace = FolderWorkspace(root)
    spec = JobSpec(name="bench", provider="p", argv=("true",), tasks=TaskIds.count(10))
    for number in range(jobs):
        now = time.time() - number
        with workspace.draft(now) as draft:
            if cards:
                draft.show(TOPIC, first_card(draft.id, spec, now))
            draft.commit([encode(JobSubmitted(now, draft.id, spec.to_json()))], name="bench")


def listed(root: Path, jobs: int) -> float:
    """Seconds to list them all."""
    began = time.perf_counter()
    rows = list_cards(FolderWorkspace(root), None, HostClock())
    assert len(rows) == jobs
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
