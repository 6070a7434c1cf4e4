"""One job of a campaign: made, attacked, brought to its end as a user would, and judged."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
import uuid
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import batchio.sync
from batchio.errors import HeadGone
from tests.chaos import oracle, places
from tests.chaos.story import PROGRAM, Evidence, Injected, Shape, now
from tests.chaos.user import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.chaos.faults import Fault
    from tests.chaos.oracle import Finding
    from tests.chaos.places import Place
    from tests.chaos.user import Answer

MOST_RECOVERIES: Final = 5
DRAWS: Final = 6
JOB_PATIENCE_S: Final = 150
"""What a job gets to end, once nothing is done to it any more. Alone it takes some seconds."""


@dataclass(slots=True)
class Verdict:
    """What became of one job."""

    seed: int
    number: int
    place: str
    job: str
    """Its id; "": its client was killed before there was one."""
    injected: Counter[str]
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    story: str = ""


class Attack:
    """One job, and what is done to it. What is not chance of the computer follows from the seed."""

    def __init__(self, place: Place, folder: Path, seed: str, program: Path) -> None:
        mark = uuid.uuid4().hex
        self.place = place
        self._seed = seed
        self._program = program
        self.rng = random.Random(seed)
        self.shape = Shape.draw(self.rng)
        self._workspace = folder / "workspace"
        environ = {places.MARK: mark, "BATCHIO_WORKSPACE": str(self._workspace)}
        self.user = User(folder / "typed", environ | {"TMPDIR": str(folder / "tmp")})
        place.prepare(folder, mark)
        self.injected: list[Injected] = []
        self._pending: list[tuple[float, Callable[[], object], Injected | None]] = []
        self._current: Injected | None = None

    @property
    def job(self) -> str:
        """The job's id; "" before there is one."""
        with suppress(FileNotFoundError, StopIteration):
            return next((self._workspace / "jobs").iterdir()).name
        return ""

    @property
    def job_folder(self) -> Path:
        """The folder of the job."""
        return self._workspace / "jobs" / self.job

    def seconds(self, least: float, most: float) -> float:
        """Draw a time; short ones are as likely as long ones."""
        return float(least * (most / least) ** self.rng.random())

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something then; the fault that is being injected lasts until it is done."""
        self._pending.append((now() + seconds, action, self._current))

    def play(self, table: Sequence[Fault], most: int) -> None:
        """Make the job and inject up to `most` faults."""
        options = [
            "--ntasks", str(self.shape.tasks), "--slots", str(self.shape.slots), "--grace", "1s",
            "--max-retries", "2", "--retry-delay", "50ms", "--max-infra-retries", "100",
            "--upload", str(self._program), *self.place.options(),
        ]  # fmt: skip
        client = [self.shape.client] if self.shape.client else []
        self.user.begin("run", *options, *client, "--", *self.shape.command())
        for step in range(self.rng.randint(1, most)):
            # One of its own for each step: what a fault finds to hit does not change the next.
            self.rng = random.Random(f"{self._seed}/{step}")
            self._pause(self.seconds(0.01, 1.0))
            drawn = self.rng.choices(table, [fault.weight for fault in table], k=DRAWS)
            any(self._inject(fault) for fault in drawn)  # the first that finds something to hit

    def _inject(self, fault: Fault) -> bool:
        begun = now()
        one = self._current = Injected(fault.name, "", begun, begun, fault.reruns)
        hit = fault.strike(self)
        self._current = None
        if hit is not None:
            one.said = hit
            one.until = max(one.until, now())
            self.injected.append(one)
            self.user.tell(f"FAULT {fault.name}: {hit}")
        return hit is not None

    def _pause(self, seconds: float) -> None:
        give_up = now() + seconds
        while now() < give_up:
            self._do_pending(now())
            time.sleep(0.01)

    def _do_pending(self, moment: float) -> None:
        due = [one for one in self._pending if one[0] <= moment]
        self._pending = [one for one in self._pending if one[0] > moment]
        for _, action, cause in sorted(due, key=lambda one: one[0]):
            action()
            if cause:
                cause.until = now()
                self.user.tell(f"the end of: {cause.fault}: {cause.said}")

    def settle(self) -> Answer | None:
        """Let no fault go on, then do what a user does until the job has ended; None: no job."""
        while self._pending:
            self._pause(0.05)
        self.place.repair()
        first = self.user.typed[0]
        if not (self.job and self.shape.client):
            first.answer()
        if not self.job:
            return None
        answer = self._waited()
        for typed in self.user.typed:
            if typed.runs:  # those that wait for a job that has ended now
                typed.answer()
        if answer.code is not None:
            answer = self._waited()  # a retry of these may have come last
        return answer

    def _waited(self) -> Answer:
        for _ in range(MOST_RECOVERIES):
            answer = self.user.type("wait", self.job, patience=JOB_PATIENCE_S)
            if "no process runs it" not in answer.err:
                return answer
            self.user.type("recover", "-y", self.job)
        self.user.hung.append(f"its head died {MOST_RECOVERIES} times though nobody killed it")
        return answer

    def evidence(self, answer: Answer | None) -> Evidence:
        """Gather all that the oracle needs."""
        seen = Evidence(shape=self.shape, made=answer is not None, injected=self.injected)
        if answer is not None:
            status = self.user.type("status", self.job, "--format", "json")
            with suppress(ValueError):
                seen.rows = {row["id"]: row for row in json.loads(status.out)["tasks"]}
            seen.exit_code = -1 if answer.code is None else answer.code
            seen.lines = self._lines()
            self._read_journal(seen)
            seen.outputs = self.job_folder / "outputs"
        left = places.wait_until_clean(self.place, self.job)
        if answer is not None:
            left += [str(path) for path in self._workspace.rglob("*.part")]
        seen.diary = self.place.diary()
        seen.left = left
        seen.hung = self.user.hung
        seen.words = {" ".join(typed.words): typed.words_said() for typed in self.user.typed}
        if self.job and (log := self.job_folder / "head.log").exists():
            seen.words = {**seen.words, "head.log": log.read_text(errors="replace")}
        return seen

    def _lines(self) -> dict[tuple[int, int], list[str]]:
        lines: dict[tuple[int, int], list[str]] = defaultdict(list)
        for text in self.user.type("logs", self.job, "--format", "jsonl").out.splitlines():
            line = json.loads(text)
            lines[line["task"], line["attempt"]].append(line["text"])
        return lines

    def _read_journal(self, seen: Evidence) -> None:
        """Note what the journal counted and admitted; a lost node is a fault of its own."""
        ahead = time.time() - now()
        counted: dict[tuple[int, int], float] = {}
        for fact in self._facts():
            at = fact["at"] - ahead
            match fact["event"]:
                case "tasks_finished":
                    for row in fact["tasks"]:
                        if row["exit_code"] == 0 and not row["reason"]:
                            counted.setdefault((row["task"], row["attempt"]), at)
                case "node_lost":
                    self.user.tell(f"node {fact['node']} was lost: {fact['why']}")
                    self.injected.append(Injected("", fact["why"], at, at, reruns=True))
                case "noted":
                    seen.admitted += fact["text"] + "\n"
        seen.counted = counted

    def _facts(self) -> Iterator[dict[str, Any]]:
        with suppress(HeadGone):  # it has hung: what there is
            yield from batchio.sync.open_job(self.job, workspace=str(self._workspace)).events()

    def clean(self) -> None:
        """End whatever is left, so that the next job begins afresh."""
        for typed in self.user.typed:
            typed.signal(signal.SIGKILL)
            typed.process.wait()
        self.place.clean(self.job)


def play(
    seed: int,
    number: int,
    place: Place,
    folder: Path,
    table: Sequence[Fault],
    *,
    most: int = 12,
    program: Path = PROGRAM,
) -> Verdict:
    """Play one job of a campaign; its folder is kept when something was found.

    Args:
        folder: Of this job alone; must not exist.
        most: Largest number of faults.
        program: What stands for the tasks' program; called as that is.
    """
    begun = now()
    folder.mkdir(parents=True)
    attack = Attack(place, folder, f"{seed}/{number}", program)
    try:
        attack.play(table, most)
        found = oracle.judge(attack.evidence(attack.settle()))
    finally:
        place.repair()
        attack.clean()
    hits = Counter(one.fault for one in attack.injected if one.fault)
    took, story = now() - begun, attack.user.story()
    verdict = Verdict(seed, number, place.name, attack.job, hits, found, took, story)
    if not found:
        shutil.rmtree(folder)
    return verdict
