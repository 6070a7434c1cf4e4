"""What a campaign says: of each job that failed all that is needed to look again, and a table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.chaos.oracle import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.chaos.campaign import Verdict


def of_job(verdict: Verdict, folder: Path) -> str:
    """Return a line about a job; and if it failed, why, its story, and how to play it again."""
    count = sum(verdict.injected.values())
    name = f"{verdict.place} {verdict.seed}/{verdict.number} {verdict.job or '(no job)'}"
    state = "FAILED" if verdict.findings else "well"
    lines = [f"{name}: {count} faults, {verdict.seconds:.1f} s, {state}"]
    if verdict.findings:
        again = f"--place {verdict.place} --seed {verdict.seed} --job {verdict.number}"
        lines += [f"  {finding.kind}: {finding.words}" for finding in verdict.findings]
        lines += ["  the story, in seconds since the boot:"]
        lines += [f"    {line}" for line in verdict.story.splitlines()]
        lines += [f"  kept: {folder}", f"  again: python -m tests.chaos {again}"]
    return "\n".join(lines)


def of_all(verdicts: Sequence[Verdict]) -> str:
    """Return the table of a campaign, and how often each fault was injected."""
    total: Counter[str] = sum((one.injected for one in verdicts), Counter())
    times = ", ".join(f"{name} {count}" for name, count in total.most_common())
    return "\n".join(["", *_table(verdicts), "", times])


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    columns = ("place", "jobs", "no job", "injected", "clean", *KINDS)
    yield f"| {' | '.join(columns)} |"
    yield "|" + " --- |" * len(columns)
    for place in dict.fromkeys(verdict.place for verdict in verdicts):
        mine = [verdict for verdict in verdicts if verdict.place == place]
        found = Counter(finding.kind for one in mine for finding in one.findings)
        numbers = [
            len(mine),
            sum(not one.job for one in mine),
            sum(sum(one.injected.values()) for one in mine),
            sum(not one.findings for one in mine),
            *(found[kind] for kind in KINDS),
        ]
        yield f"| {' | '.join([place, *map(str, numbers)])} |"
