"""Concerns: what people must know of a job's nodes, wherever they look at the job. Pure.

This is the one table of them. Every command that shows a job, and the Python interface, show
what stands here, so no command knows more than another. A node goes by the name that was typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from batchio.core.node import TWIN, NodeState
from batchio.core.plan import least_nodes
from batchio.core.record import View
from batchio.core.sizes import format_bytes, format_duration
from batchio.core.spec import HEADS_HERE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.node import Node
    from batchio.core.plan import Trouble

    Reaching = Mapping[int, Sequence[object]]
    """By node that was never ready: how often it was tried, since when (Unix seconds), and why
    that failed."""


class Kind(StrEnum):
    """Kind of a concern."""

    UNATTENDED = "unattended"
    """The job is not done, and no process runs it."""
    PROVIDER = "provider"
    """The provider does not say which nodes there are; it is asked again."""
    TRYING = "trying"
    """The node cannot be reached; it is tried again while the job lasts."""
    SILENT = "silent"
    """The connection to the node broke; its tasks may run on."""
    USED_ONCE = "used_once"
    """The node is the same computer as another one."""
    LEFT_OUT = "left_out"
    """The node is not used, and not tried again."""
    WAITING = "waiting"
    """Tasks wait until these nodes are ready."""
    FEWER = "fewer"
    """Fewer tasks run at a time than was asked for: an opinion on the request, and no news."""
    BLOCKED = "blocked"
    """What tasks print or leave cannot be kept, so they wait."""
    NO_LIMIT = "no_limit"
    """The node does not enforce a limit that was asked for."""
    REMAINS = "remains"
    """Something was left on the node, or did not arrive from it."""


MOST_NOTES: Final = 5
"""Notes that an explanation repeats, at most; `batchio status` shows all."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Concern(View):
    """Something that people must know of a job's nodes."""

    kind: str
    """`unattended`, `provider`, `trying`, `silent`, `used_once`, `left_out`, `waiting`, `fewer`,
    `blocked`, `no_limit` or `remains`."""
    name: str
    """Name of the node as it was typed; of several, with commas between; or the job's id."""
    why: str
    """The reason."""
    text: str
    """One clause for people, with name and reason."""
    since: float | None = None
    """Unix seconds at which it began."""
    times: int = 0
    """How often it was tried; 0 where nothing is tried."""

    def often(self, now: float) -> str:
        """Return "tried 3 times in 12s" at `now` (Unix seconds), "tried 3 times" at 0; or ""."""
        if not self.times:
            return ""
        lasted = f" in {format_duration(max(now - self.since, 0.0))}" if self.since and now else ""
        return f"tried {_times(self.times)}{lasted}"


def concerns(
    machine: Machine,
    *,
    reaching: Reaching | None = None,
    attended: bool | None = None,
    last_words: str = "",
) -> tuple[Concern, ...]:
    """Return what people must know of the job's nodes, the most pressing first.

    Args:
        reaching: Recent failures to reach nodes for the first time.
        attended: Whether a head leads the job; None: not known.
        last_words: Why its last head ended, as that said itself; or "".
    """
    found = [*_unattended(machine, attended, last_words), *_provider(machine), *_blocked(machine)]
    found += _troubles(machine, reaching or {})
    for node in machine.nodes:
        found += _of_node(machine, node)
    found += _waiting(machine)
    found += _fewer(machine)
    return tuple(found)


def sentences(machine: Machine, now: float, known: Sequence[Concern]) -> Iterator[str]:
    """Yield a sentence for each concern: how often it was tried, and when again."""
    closed = machine.running_job.closed
    for concern in known:
        said = concern.text[:1].upper() + concern.text[1:]
        if concern.text.startswith(concern.name):
            said = f"Node {concern.text}"
        told = [said, concern.often(0.0 if closed else now)]
        past = machine.trouble.get(concern.name)
        if concern.kind == Kind.TRYING and past and past.not_before > now and machine.undone:
            told.append(f"next try in {format_duration(past.not_before - now)}")
        stop = "" if concern.kind == Kind.UNATTENDED else "."  # a command is copied
        yield "; ".join(filter(None, told)) + stop


def noted(machine: Machine) -> Iterator[str]:
    """Yield a sentence for each of the newest notes that are no concern."""
    for _, text in machine.notes[-MOST_NOTES:]:
        if text not in machine.running_job.blocked.values():
            yield f"Note: {text}."


def failing(node: Node, reaching: Reaching) -> str:
    """Return why a node could not be reached so far: "no answer, tried 2 times"; "" when it is."""
    if node.state is not NodeState.BOOTING or node.number not in reaching:
        return ""
    times, _, why = reaching[node.number]
    return f"{str(why).removeprefix(f'{node.offer}: ')}, tried {_times(times)}"


def _times(number: object) -> str:
    return f"{number} time{'' if number == 1 else 's'}"


def _unattended(m: Machine, attended: bool | None, last_words: str) -> Iterator[Concern]:
    job = m.running_job
    if attended is False and not job.closed:
        was = "" if job.head in ("", *HEADS_HERE) else f"its head was on {job.head}"
        said = last_words or was
        why = f": {said}" if said else ""
        text = f"no process runs it{why}; to continue it: batchio recover {job.id}"
        yield Concern(Kind.UNATTENDED, job.id, said, text)


def _provider(m: Machine) -> Iterator[Concern]:
    job = m.running_job
    if m.offers is None and job.offers_why and not job.closed:
        name = job.spec.provider
        text = f"the {name} provider does not list its nodes: {job.offers_why}"
        yield Concern(Kind.PROVIDER, name, job.offers_why, text)


def _blocked(m: Machine) -> Iterator[Concern]:
    if not m.running_job.closed:
        for number, noted in m.running_job.blocked.items():
            if number == "-1":
                yield Concern(Kind.BLOCKED, m.running_job.id, noted, noted)
                continue
            name = m.nodes[int(number)].name
            why = noted.removeprefix(f"{name}: ")
            yield Concern(Kind.BLOCKED, name, why, f"on {name}: {why}")


def _troubles(m: Machine, reaching: Reaching) -> Iterator[Concern]:
    """Yield offers that failed, and nodes that are tried right now for the first time."""
    now_tried: dict[str, Sequence[object]] = {}
    worked = set[str]()
    for node in m.nodes:
        if node.greeted:
            worked.add(node.offer)
        elif node.state is NodeState.BOOTING and node.number in reaching:
            now_tried[node.offer] = reaching[node.number]
    for offer in dict.fromkeys((*m.trouble, *now_tried)):
        past, fresh = m.trouble.get(offer), now_tried.get(offer)
        if past and (past.hopeless or (past.failures and not fresh)):
            yield _failed(m, offer, past, lost=offer in worked)
        elif fresh:
            times, since, why = fresh
            earlier = past.since if past and past.failures else 0.0
            yield _tried(m, offer, str(why), int(str(times)), earlier or float(str(since)))


def _failed(m: Machine, offer: str, past: Trouble, *, lost: bool) -> Concern:
    why = past.why.removeprefix(f"{offer}: ")
    if past.hopeless and TWIN in why:
        text = f"{offer} is used once: {why.partition(';')[0]}"
        return Concern(Kind.USED_ONCE, offer, why, text, past.since)
    if past.hopeless:
        text = f"{offer} is left out: {why}"
        return Concern(Kind.LEFT_OUT, offer, why, text, past.since, past.failures)
    if lost:
        text = f"{offer} was lost: {why}"
        return Concern(Kind.TRYING, offer, why, text, past.since, past.failures)
    return _tried(m, offer, why, past.failures, past.since)


def _tried(m: Machine, offer: str, why: str, times: int, since: float) -> Concern:
    known = (m.offers or {}).get(offer)
    verb = "be rented" if known and known.rented else "be reached"
    reason = why.removeprefix(f"{offer}: ")
    could = "could" if m.running_job.closed or not m.undone else "can"
    text = f"{offer} {could}not {verb}: {reason}"
    return Concern(Kind.TRYING, offer, reason, text, since, times)


def _of_node(m: Machine, node: Node) -> Iterator[Concern]:
    spec, name = m.running_job.spec, node.name
    if node.state is NodeState.SILENT:
        why = node.why.removeprefix(f"{name}: ")
        text = f"the connection to {name} broke, but its tasks may still be running: {why}"
        yield Concern(Kind.SILENT, name, why, text, node.since)
    limits = node.facts.get("limits")
    if spec.memory and limits is not None and not limits["memory"] and not spec.container:
        why = "no control group can be created there"
        text = (
            f"{name} does not enforce --memory: {why}, so a task may use more "
            f"than {format_bytes(spec.memory)}"
        )
        yield Concern(Kind.NO_LIMIT, name, why, text, node.greeted)
    if node.left:
        text = f"{name}: {node.left}"
        yield Concern(Kind.REMAINS, name, node.left, text, node.since)


def _waiting(m: Machine) -> Iterator[Concern]:
    """Yield for which nodes all tasks wait, once some node is ready."""
    spec, least = m.running_job.spec, least_nodes(m.running_job.spec)
    if m.dispatch_started or not m.undone or not m.ready:
        return
    missing = [node.name for node in m.nodes if node.alive and node.state is not NodeState.READY]
    missing += [
        offer
        for offer, past in m.trouble.items()
        if not past.hopeless and not m.used.get(offer) and offer not in missing
    ]
    if not missing or not (spec.wait_for_ready or m.ready < least):
        return
    option = "--wait-for-ready-cluster" if spec.wait_for_ready else f"--min-workers {least}"
    names, why = ", ".join(missing), f"{m.ready} of {m.ready + len(missing)} nodes are ready"
    text = f"tasks wait for {names} ({option}): {why}"
    yield Concern(Kind.WAITING, names, why, text)


def _fewer(m: Machine) -> Iterator[Concern]:
    """Yield that one computer runs fewer tasks at a time than --max-workers or --array asks for."""
    spec, offers = m.running_job.spec, list((m.offers or {}).values())
    node = next((node for node in reversed(m.nodes) if node.greeted), None)
    if node is None or len(offers) != 1 or not offers[0].single or spec.slots:
        return
    most, at_once = offers[0].most_slots or 0, spec.at_once or 0
    asked = min(most, at_once) if most and at_once else most or at_once
    if node.slots >= min(asked, m.tasks.count):
        return
    option = "--array" if asked == at_once else "--max-workers"
    cpus = float(node.facts.get("cpus") or 1)
    why = f"{node.name} has {cpus:g} CPU{'' if cpus == 1 else 's'}"
    at_a_time = f"{node.slots} task{' runs' if node.slots == 1 else 's run'} at a time"
    text = f"{at_a_time}, but {option} asks for {asked}: {why}; to run more: --slots {asked}"
    yield Concern(Kind.FEWER, node.name, why, text)
