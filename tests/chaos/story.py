"""What is written down of one job: how it was to be, what was done to it, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

PROGRAM: Final = Path(__file__).with_name("task.sh")


def now() -> float:
    """Seconds since the boot, as the tasks read them: one clock for a lab and all its hosts."""
    return float(Path("/proc/uptime").read_text().split()[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one job is made."""

    tasks: int
    slots: int
    lines: int
    """Lines that each attempt prints, besides its last one."""
    size: int
    """Bytes of the larger of the two files that each attempt leaves."""
    seconds: float
    once: frozenset[int] = frozenset()
    """Tasks whose first attempt fails."""
    always: frozenset[int] = frozenset()
    """Tasks that always fail."""
    client: str = ""
    """`--wait`, `--follow`, or nothing: what the client does once the job is made."""

    @classmethod
    def draw(cls, rng: random.Random) -> Shape:
        """Draw a job of some seconds."""
        tasks = rng.randint(2, 30)
        return cls(
            tasks=tasks,
            slots=rng.randint(1, 3),
            lines=rng.choice([0, 3, 50, 500]),
            size=rng.choice([0, 10, 10_000, 1_000_000]),
            seconds=round(rng.choice([0.05, 0.4, rng.uniform(0.2, 2)]), 2),
            once=frozenset(task for task in range(tasks) if rng.random() < 0.1),
            always=frozenset(task for task in range(tasks) if rng.random() < 0.02),
            client=rng.choice(["", "--wait", "--follow"]),
        )

    def command(self) -> list[str]:
        """Return the program and its arguments."""
        numbers = [str(number) for number in (self.lines, self.size, self.seconds)]
        return ["sh", PROGRAM.name, *numbers, _listed(self.once), _listed(self.always)]


def _listed(tasks: frozenset[int]) -> str:
    return f",{','.join(map(str, sorted(tasks)))},"


@dataclass(slots=True)
class Injected:
    """One fault, from when to when it lasted (seconds since the boot)."""

    fault: str
    said: str
    """What it hit."""
    at: float
    until: float
    reruns: bool
    """Whether a task that ended meanwhile may have to run again: nobody could keep its result."""


class Entry(NamedTuple):
    """One line of a diary."""

    host: str
    what: str
    """`begin`, `end`, `fail`; `full`: no room for its files; `twice`: another attempt runs here."""
    task: int
    attempt: int
    at: float


@dataclass(slots=True, kw_only=True)
class Evidence:
    """All that the oracle looks at."""

    shape: Shape
    made: bool = True
    """Whether there is a job: its client may have been killed before."""
    injected: Sequence[Injected] = ()
    diary: Sequence[Entry] = ()
    rows: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Of `status --format json`: the rows of the tasks, by id."""
    exit_code: int = 0
    """Of the last `wait`."""
    counted: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """Attempts whose success stands in the journal, and since when."""
    lines: Mapping[tuple[int, int], Sequence[str]] = field(default_factory=dict)
    """What `logs` shows of each attempt."""
    outputs: Path = Path("/nonexistent")
    left: Sequence[str] = ()
    """Processes, folders and files that should be gone."""
    admitted: str = ""
    """What the job's notes say may be left on hosts that were lost."""
    hung: Sequence[str] = ()
    """What did not end, with the time that it was given."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What heads and commands wrote to their logs and to stderr, by its place."""
