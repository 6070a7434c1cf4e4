"""How long a person waits: --help, import, the first line of a task, status of a large job.

    python -m benchmarks.startup [--rounds 15] [--tasks 100000]

Beside each other in every round stand what Python itself needs to start and to import
asyncio. Wall times are medians, with the best round and the CPU seconds (user and system, of
everything that was started) behind them: on a busy computer those say more.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from typing import TYPE_CHECKING

from benchmarks.engine import turn
from benchmarks.side_by_side import BATCHIO, Table, first_line, in_turn, options, scratch, spent

if TYPE_CHECKING:
    from benchmarks.side_by_side import Spent


def main() -> None:
    asked = options(__doc__, rounds=15, tasks=100_000)
    with scratch() as folder:
        for name in ("snapshot", "folded"):
            asyncio.run(turn(folder / name, asked.tasks, 1000))
        for snapshot in (folder / "folded").rglob("snapshot"):
            snapshot.unlink()
        python, look = sys.executable, [BATCHIO, "status", "--workspace"]
        large = f"status of {asked.tasks:,} tasks"
        limits = {
            "python3 -c pass": None,
            "python3 -c 'import asyncio'": None,
            "import batchio": 0.08,
            "batchio --help": 0.15,
            "run --follow: first line": 0.4,
            large: 0.5,
            f"{large}, no snapshot": None,
        }
        table = Table("what a person waits for, seconds")
        found = in_turn(
            {
                "python3 -c pass": lambda: spent([python, "-c", "pass"]),
                "python3 -c 'import asyncio'": lambda: spent([python, "-c", "import asyncio"]),
                "import batchio": lambda: spent([python, "-c", "import batchio"]),
                "batchio --help": lambda: spent([BATCHIO, "--help"]),
                "run --follow: first line": lambda: first_line(
                    [BATCHIO, "run", "--follow", "--", "echo", "hello"]
                ),
                large: lambda: spent([*look, str(folder / "snapshot")]),
                f"{large}, no snapshot": lambda: spent([*look, str(folder / "folded")]),
            },
            asked.rounds,
        )
        for name, limit in limits.items():
            show(table, name, found[name], limit)
        table.show()


def show(table: Table, name: str, took: list[Spent], limit: float | None) -> None:
    """A row: the median, and behind it the best and the CPU time."""
    cpu = statistics.median(one.cpu for one in took)
    more = f" (best {min(took):.3f}, CPU {cpu:.3f})"
    middle = statistics.median(took)
    if limit is None:
        table.add(name, f"{middle:.3g}{more}")
    else:
        table.most(name, middle, limit, more=more)


if __name__ == "__main__":
    main()
