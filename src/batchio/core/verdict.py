"""The verdict on a job: its most urgent truth in one sentence, and the command that helps. Pure.

CONDITIONS is the table, the most urgent first; the first that holds is the verdict. `status`,
`explain`, the report and every other look at a job say its words, so they cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.concerns import Kind as Known
from batchio.core.endings import BAD
from batchio.core.job import JobState
from batchio.core.node import NodeState
from batchio.core.pace import expected, often
from batchio.core.record import View
from batchio.core.rows import failure_groups
from batchio.core.sizes import format_bytes, format_duration
from batchio.core.task import Outcome, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchio.core.concerns import Concern
    from batchio.core.machine import Machine
    from batchio.core.rows import FailureGroup


class Kind(StrEnum):
    """Kind of a verdict."""

    UNATTENDED = "unattended"
    """The job is not done, and no process runs it."""
    ENDED = "ended"
    """The job is done, and did not succeed."""
    SUCCEEDED = "succeeded"
    ENDING = "ending"
    """It is being ended early."""
    NO_NODE = "no_node"
    """Tasks wait, no node is ready, and why is known."""
    BLOCKED = "blocked"
    """What tasks print or leave cannot be kept, so they wait."""
    STALLED = "stalled"
    """Attempts run, and none has ended for much longer than is usual."""
    BAD_NODE = "bad_node"
    """One node fails all it gets, and others do not."""
    MEMORY = "memory"
    """Attempts run out of memory."""
    FAILING = "failing"
    """A good part of the newest attempts failed."""
    WAITING = "waiting"
    """Tasks wait for more nodes, as was asked for."""
    FAILED_SOME = "failed_some"
    """Some tasks have failed for good; most do well."""
    PENDING = "pending"
    """No node is ready yet."""
    RUNNING = "running"
    """All is well."""


CALM: Final = frozenset({Kind.SUCCEEDED, Kind.PENDING, Kind.RUNNING})
"""Kinds of verdicts after which nobody need do anything."""

FAILING_SHARE: Final = 0.05
"""Part of the newest attempts that failed, from which on it is said before anything else."""

STALL_S: Final = 60.0
"""Least seconds without an ended attempt that are worth a word."""

STALL_FACTOR: Final = 20.0
"""So many times the usual time between two endings must have passed without one, too."""

BAD_ATTEMPTS: Final = 3
"""Number of attempts that failed on a node, from which on the node is blamed."""

FEW: Final = 20
"""Number of endings that say what is usual."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Verdict(View):
    """The most urgent truth about a job."""

    kind: str
    text: str
    """One sentence for people, without a full stop."""
    command: str = ""
    """The command that helps, ready to be typed; empty: none is needed."""
    urgent: bool = False
    """Whether somebody should do something."""
    expected: float | None = None
    """Unix seconds at which the job will be done if it goes on so; None: not known."""


class Facts(NamedTuple):
    """What the conditions look at."""

    machine: Machine
    now: float
    known: Sequence[Concern]
    groups: Sequence[FailureGroup]

    @property
    def id(self) -> str:
        """The job's id."""
        return self.machine.running_job.id


def verdict(machine: Machine, now: float, known: Sequence[Concern] = ()) -> Verdict:
    """Return the most urgent truth about the job at `now` (Unix seconds).

    Args:
        known: What people must know of its nodes, as `concerns` returns it.
    """
    facts = Facts(machine, now, known, failure_groups(machine, attempts=True))
    for kind, condition in CONDITIONS.items():
        if said := condition(facts):
            text, command = said
            urgent = kind not in CALM and kind is not Kind.ENDING
            ends = None if kind is Kind.UNATTENDED else expected(machine, now)
            return Verdict(kind, text[:1].upper() + text[1:], command, urgent, ends)
    raise AssertionError("the last condition always holds")


def tells(said: Verdict, concern: Concern) -> bool:
    """Return whether the verdict says what a concern says, so that one of them is enough."""
    if said.kind == Kind.ENDED:
        return bool(concern.why) and concern.name in said.text and concern.why in said.text
    return said.kind == concern.kind


# ---- the conditions -----------------------------------------------------------------

Said = tuple[str, str]
"""Sentence and command."""


def _unattended(facts: Facts) -> Said | None:
    if (left := _concern(facts, Known.UNATTENDED)) is None:
        return None
    why = f": {left.why}" if left.why else ""
    return f"no process runs it{why}", f"batchio recover {facts.id}"


def _ended(facts: Facts) -> Said | None:
    m, job = facts.machine, facts.machine.running_job
    if m.state is not JobState.DONE or m.outcome is Outcome.SUCCEEDED:
        return None
    why = f": {job.why}" if job.why else ""
    bad = sum(m.tasks.by_outcome[outcome] for outcome in BAD)
    of_tasks = f"{bad:,} of {_tasks(m.tasks.count)}"
    groups = [group for group in facts.groups if group.count]
    if not groups and job.unmerged:
        return job.unmerged, f"batchio retry {facts.id}"
    match m.outcome:
        case Outcome.CANCELLED:
            return f"it was cancelled{why}", f"batchio retry {facts.id} --failed"
        case Outcome.FAILED:
            return f"{of_tasks} failed, {_alike(groups)}{why}", _look(facts, groups)
        case Outcome.TIMED_OUT:
            return f"{of_tasks} timed out{why or _because(groups)}", _look(facts, groups)
        case _:
            lost = f"{of_tasks} {'was' if bad == 1 else 'were'} lost"
            return f"{lost}{why or _because(groups)}", f"batchio explain {facts.id}"


def _succeeded(facts: Facts) -> Said | None:
    m, job = facts.machine, facts.machine.running_job
    if m.state is not JobState.DONE:
        return None
    again = max(m.endings.count - m.tasks.count, 0)
    retried = f"; {_attempts(again)} had to be repeated" if again else ""
    took = format_duration(max(job.closed - job.submitted, 0.0))
    which = "the task" if m.tasks.count == 1 else f"all {_tasks(m.tasks.count)}"
    return f"{which} succeeded, in {took}{retried}", ""


def _ending(facts: Facts) -> Said | None:
    why = facts.machine.running_job.why
    return (f"it is being stopped: {why}", "") if why else None


def _no_node(facts: Facts) -> Said | None:
    m, named = facts.machine, {one.name for one in facts.known}
    if m.ready or not m.undone or any(node.alive and node.name not in named for node in m.nodes):
        return None
    for kind in (Known.PROVIDER, Known.SILENT, Known.TRYING, Known.LEFT_OUT):
        if alike := [one for one in facts.known if one.kind == kind]:
            more = f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
            return f"no node is ready: {alike[0].text}{more}", f"batchio explain {facts.id}"
    return None


def _blocked(facts: Facts) -> Said | None:
    if (stuck := _concern(facts, Known.BLOCKED)) is None:
        return None
    return stuck.text, "" if stuck.name == facts.id else f"batchio nodes {facts.id}"


def _stalled(facts: Facts) -> Said | None:
    m, recent = facts.machine, facts.machine.endings.recent
    under_way = m.tasks.by_state[TaskState.RUNNING] + m.tasks.by_state[TaskState.ASSIGNED]
    if not under_way or len(recent) < FEW or not m.endings.span():
        return None
    usual = (len(recent) - 1) / m.endings.span()
    gap = facts.now - max(ending.at for ending in recent)
    if gap <= max(STALL_S, STALL_FACTOR / usual, 5 * (m.mean or 0.0)):
        return None
    text = f"no task has ended for {format_duration(gap)}, but {often(usual)} is usual"
    return text, f"batchio nodes {facts.id}"


def _bad_node(facts: Facts) -> Said | None:
    m = facts.machine
    ended = Counter(ending.node for ending in m.endings.recent)
    bad = Counter(ending.node for ending in m.endings.recent if ending.group >= 0)
    others = len(m.endings.recent) - sum(bad.values())
    for node, count in bad.most_common():
        elsewhere = sum(bad.values()) - count
        if count < BAD_ATTEMPTS or ended[node] > count or max(elsewhere * 4, BAD_ATTEMPTS) > others:
            continue
        if node < 0 or not m.nodes[node].alive:
            continue
        name = m.nodes[node].name
        text = f"everything fails on {name}: the last {_attempts(count)}; other nodes are fine"
        return text, f"batchio explain {facts.id}/{_newest_on(facts, name)}"
    return None


def _memory(facts: Facts) -> Said | None:
    short = [group for group in _lately(facts) if group.reason == "out of memory"]
    if not short:
        return None
    lately, group = facts.machine.endings.lately(), short[0]
    count = sum(lately[number] for number, one in _numbered(facts) if one in short)
    if count < FAILING_SHARE * len(facts.machine.endings.recent):
        return None
    at = f" at {format_bytes(group.memory)}" if group.memory else ""
    text = f"{_of_newest(facts, count)} ran out of memory{at}"
    return text, f"batchio explain {facts.id}/{group.task}"


def _failing(facts: Facts) -> Said | None:
    recent = facts.machine.endings.recent
    bad = sum(ending.group >= 0 for ending in recent)
    if not bad or bad < FAILING_SHARE * len(recent):
        return None
    groups = _lately(facts)
    if len(recent) < FEW:
        head = f"{bad} of {len(recent)} {_noun(facts, len(recent))} failed"
    else:
        head = f"{100 * bad // len(recent)} % of the last {_noun(facts, len(recent), 1)} failed"
    return f"{head}, {_alike(groups)}", _look(facts, groups)


def _waiting(facts: Facts) -> Said | None:
    if (waits := _concern(facts, Known.WAITING)) is None:
        return None
    return waits.text, f"batchio nodes {facts.id}"


def _failed_some(facts: Facts) -> Said | None:
    groups = [group for group in facts.groups if group.count]
    if not groups:
        return None
    count = sum(group.count for group in groups)
    text = f"{count:,} of {_tasks(facts.machine.tasks.count)} failed, {_alike(groups)}"
    return text, _look(facts, groups)


def _pending(facts: Facts) -> Said | None:
    m = facts.machine
    if m.ready or not m.undone:
        return None
    coming = sum(node.state in (NodeState.WANTED, NodeState.BOOTING) for node in m.nodes)
    return f"it waits for {f'{coming} nodes' if coming > 1 else 'a node'} to be ready", ""


def _running(facts: Facts) -> Said | None:
    m = facts.machine
    done = m.tasks.by_state[TaskState.DONE]
    if not m.undone:
        return "every task has ended; it is cleaning up", ""
    ends = expected(m, facts.now)
    left = f", about {format_duration(ends - facts.now)} to go" if ends else ""
    return f"it is running well: {done:,} of {_tasks(m.tasks.count)} are done{left}", ""


CONDITIONS: Final[dict[Kind, Callable[[Facts], Said | None]]] = {
    Kind.UNATTENDED: _unattended,
    Kind.ENDED: _ended,
    Kind.SUCCEEDED: _succeeded,
    Kind.ENDING: _ending,
    Kind.NO_NODE: _no_node,
    Kind.BLOCKED: _blocked,
    Kind.STALLED: _stalled,
    Kind.BAD_NODE: _bad_node,
    Kind.MEMORY: _memory,
    Kind.FAILING: _failing,
    Kind.WAITING: _waiting,
    Kind.FAILED_SOME: _failed_some,
    Kind.PENDING: _pending,
    Kind.RUNNING: _running,
}
"""By kind, the condition: it returns sentence and command when it holds. The first counts."""


# ---- words --------------------------------------------------------------------------


def _concern(facts: Facts, kind: Known) -> Concern | None:
    return next((one for one in facts.known if one.kind == kind), None)


def _numbered(facts: Facts) -> list[tuple[int, FailureGroup]]:
    """Return the groups of attempts by their numbers in the machine's endings."""
    at = {(group.task, group.attempt): group for group in facts.groups if group.attempts}
    ids = facts.machine.running_job.spec.tasks
    groups = enumerate(facts.machine.endings.groups)
    return [(number, at[ids.at(one.task), one.attempt]) for number, one in groups]


def _lately(facts: Facts) -> list[FailureGroup]:
    """Return the groups among the newest attempts, the most frequent first."""
    lately = facts.machine.endings.lately()
    found = [(lately[number], group) for number, group in _numbered(facts) if lately[number]]
    return [group for _, group in sorted(found, key=lambda pair: -pair[0])]


def _newest_on(facts: Facts, node: str) -> int | None:
    groups = [group for group in facts.groups if node in group.nodes]
    return max(groups, key=lambda group: group.last or 0.0).task if groups else None


def _alike(groups: Sequence[FailureGroup]) -> str:
    """Return whether attempts failed alike, and how most did: "all alike: KeyError: '#'"."""
    first = groups[0]
    words = first.last_words or first.cause
    if len(groups) == 1:
        alone = max(first.attempts, first.count) == 1
        return words if alone else f"all alike: {words}"
    return f"in {len(groups)} ways, mostly: {words}"


def _because(groups: Sequence[FailureGroup]) -> str:
    return f": {groups[0].reason}" if groups and groups[0].reason else ""


def _look(facts: Facts, groups: Sequence[FailureGroup]) -> str:
    """Return the command that shows what an example printed, or why it ended."""
    ran = next((group for group in groups if group.attempts), None)
    if ran is None or ran.outcome == "lost":
        return f"batchio explain {facts.id}"
    again = f" --attempt {ran.attempt}" if not ran.count else ""
    return f"batchio logs {facts.id} --task {ran.task}{again}"


def _of_newest(facts: Facts, count: int) -> str:
    number = len(facts.machine.endings.recent)
    return f"{count} of {'the last ' if number >= FEW else ''}{_noun(facts, number, 1)}"


def _noun(facts: Facts, number: int, counted: int = 0) -> str:
    """Return "500 tasks", or attempts where tasks are tried again; uncounted only the noun."""
    repeated = any(group.attempts > group.count for group in facts.groups)
    noun = "attempts" if repeated else "tasks"
    return f"{number:,} {noun}" if counted else noun


def _tasks(number: int) -> str:
    return f"{number:,} task{'' if number == 1 else 's'}"


def _attempts(number: int) -> str:
    return f"{number:,} attempt{'' if number == 1 else 's'}"
