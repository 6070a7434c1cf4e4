"""The judge. It believes the tasks' own diaries first, and asks whether batchio tells the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.story import Entry, Evidence

KINDS: Final = (
    "lost",
    "doubled",
    "two at once",
    "output",
    "left over",
    "hung",
    "exit code",
    "traceback",
)
SLACK_S: Final = 2.0
"""From a program's last word to the record of its end, on a busy computer."""
CODES: Final = {"failed": 1, "lost": 3, "cancelled": 4, "timed_out": 5}

_OURS: Final = re.compile(
    r"/batchio/(__main__\.py|(?!src/)\w+/)"
)  # a clone may be called batchio, too

_FAKED_CLOCK: Final = re.compile(
    r"Traceback [^\n]*, in sweep\\nOSError: \[Errno 22\] Invalid argument"
)
"""Of an agent under libfaketime 0.9.10, where every `clock_nanosleep` to a time fails like this."""


class Finding(NamedTuple):
    """What must not be, and its evidence."""

    kind: str
    """One of KINDS."""
    words: str


def judge(evidence: Evidence) -> list[Finding]:
    """Return everything that must not be."""
    checks = [_hung, _tracebacks, _left, _runs]
    if evidence.made:
        checks += [_ends, _exit_code, _lines, _outputs]
    return [finding for check in checks for finding in check(evidence)]


def _hung(evidence: Evidence) -> Iterator[Finding]:
    yield from (Finding("hung", words) for words in evidence.hung)


def _tracebacks(evidence: Evidence) -> Iterator[Finding]:
    for place, words in evidence.words.items():
        # Before a line of ours runs, Ctrl-C is answered by Python itself.
        if words.rstrip().endswith("KeyboardInterrupt") and not _OURS.search(words):
            continue
        for sign in ("Traceback (most recent", "itself failed", "was never awaited"):
            if sign in _FAKED_CLOCK.sub("", words):
                yield Finding("traceback", f"{place}: …{words[-1500:]}")
                break


def _left(evidence: Evidence) -> Iterator[Finding]:
    """Nothing is left, but on a host that was lost; then a note names the host and the folder."""
    for left in evidence.left:
        homes = re.findall(r"[0-9a-z]{10}\.[0-9]+", left)
        if not any(f"{home} may still be there" in evidence.admitted for home in homes):
            yield Finding("left over", left)


def _runs(evidence: Evidence) -> Iterator[Finding]:
    """Each attempt runs once, one after the other, and none after a success that counts."""
    begun: dict[int, list[Entry]] = defaultdict(list)
    ended: dict[int, list[Entry]] = defaultdict(list)
    for entry in evidence.diary:
        if entry.what == "begin":
            begun[entry.task].append(entry)
        elif entry.what == "end":
            ended[entry.task].append(entry)
        elif entry.what == "twice":
            yield Finding("two at once", f"{entry}")
    for task, entries in begun.items():
        for attempt, times in Counter(entry.attempt for entry in entries).items():
            if times > 1:
                yield Finding("doubled", f"attempt {attempt} of task {task} ran {times} times")
        for end in ended[task]:
            later = [entry for entry in entries if entry.attempt > end.attempt]
            if later and not _excused(evidence, end.at, min(entry.at for entry in later)):
                yield Finding(
                    "doubled", f"task {task} ended well at {end.at}, and ran again: {later}"
                )
            since = evidence.counted.get((task, end.attempt))
            if since is not None and any(entry.at > since for entry in later):
                yield Finding(
                    "doubled", f"task {task} had succeeded by {since}, ran again: {later}"
                )


def _excused(evidence: Evidence, end: float, again: float) -> bool:
    return any(
        one.reruns and one.at <= again and one.until >= end - SLACK_S for one in evidence.injected
    )


def _ends(evidence: Evidence) -> Iterator[Finding]:
    """Each task has an end, and it is the one that its program had."""
    said = {(entry.task, entry.attempt, entry.what) for entry in evidence.diary}
    cancelled = any(one.fault.startswith("cancel") for one in evidence.injected)
    for task in range(evidence.shape.tasks):
        row = evidence.rows.get(task)
        if row is None or row["state"] != "done":
            yield Finding("lost", f"task {task} has no end: {row}")
            continue
        outcome, attempt = row["outcome"], row["attempt"]
        if outcome == "succeeded":
            honest = (task, attempt, "end") in said
        elif outcome == "failed":
            honest = bool({(task, attempt, "fail"), (task, attempt, "full")} & said)
        else:
            honest = outcome == "cancelled" and cancelled
        if not honest:
            yield Finding("lost", f"task {task} is {outcome}, its program says otherwise: {row}")


def _exit_code(evidence: Evidence) -> Iterator[Finding]:
    ended = [row for row in evidence.rows.values() if row["state"] == "done"]
    outcomes = {row["outcome"] for row in ended} - {"succeeded"}
    right = {CODES.get(outcome, -1) for outcome in outcomes} or {0}
    if outcomes and any(one.fault.startswith("cancel") for one in evidence.injected):
        right.add(CODES["cancelled"])  # a job that was ended as a whole says so
    if evidence.exit_code not in right:
        yield Finding("exit code", f"{evidence.exit_code}, and tasks are {sorted(outcomes)}")


def _lines(evidence: Evidence) -> Iterator[Finding]:
    """No line is missing, doubled or out of order; of an attempt that was ended, up to there."""
    whole = {
        (entry.task, entry.attempt) for entry in evidence.diary if entry.what in ("end", "fail")
    }
    final = {
        (task, row["attempt"])
        for task, row in evidence.rows.items()
        if row["outcome"] in ("succeeded", "failed")
    }
    for task, attempt in sorted({*evidence.lines} | (whole & final)):
        lines = list(evidence.lines.get((task, attempt), ()))
        ideal = [f"{attempt} {i}" for i in range(evidence.shape.lines)] + [f"{attempt} end"]
        wanted = ideal if (task, attempt) in whole & final else ideal[: len(lines)]
        # The last line of an attempt that was killed may be cut anywhere.
        if lines != wanted and (wanted is ideal or lines[:-1] != wanted[:-1]):
            words = f"task {task}, attempt {attempt}: {len(lines)} of {len(ideal)} lines"
            yield Finding("output", f"{words}: {lines[:3]} … {lines[-3:]}")


def _outputs(evidence: Evidence) -> Iterator[Finding]:
    """What a task that succeeded left is there, of that attempt, whole, and nothing else."""
    for task, row in evidence.rows.items():
        if row["outcome"] != "succeeded":
            continue
        folder = evidence.outputs / str(task)
        found = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        wanted = {
            "kept/name": f"{task} {row['attempt']}\n".encode(),
            "kept/bytes": bytes(evidence.shape.size),
        }
        if found != wanted:
            sizes = {name: len(data) for name, data in found.items()}
            yield Finding("output", f"{folder}: {sizes}, name {found.get('kept/name')!r}")
