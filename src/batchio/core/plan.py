"""The plan: which offers to take nodes of, and how many slots a node has. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.dispatch import keeps_away
from batchio.core.record import default_of
from batchio.core.reports import Facts
from batchio.core.sizes import format_bytes
from batchio.errors import Unfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batchio.core.spec import JobSpec

MOST_NODES: Final = 1000
"""Most nodes of a job when `--max-workers` is not given."""

OFFER_RETRY_DELAYS_S: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before an offer that failed is tried again; the last one repeats."""

GIVE_UP_AFTER: Final = 4
"""Failures in a row of every offer, with no node left, after which the job is lost."""


RENTED_PATIENCE_S: Final = 900.0
"""Seconds in which a rented offer may fail and is not given up: capacity comes back."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something a provider would give. What is not known is None, 0 or "".

    Attributes:
        id: Unique within the provider; a host's name, or a machine type in a zone.
        limit: How many nodes it can be at the same time.
        slots: Slots a node has, when the offer itself says so (a hosts file); else None.
        most_slots: Never more than so many slots a node; None for no such limit.
        strict: Refuse a request that does not fit, instead of running it in one slot.
        labels: What people call it (`rack=3`); for people only.
        cpus, memory, gpus: What a node has; memory in bytes.
        arch: Its processor, as `uname -m` says it.
        rented: Its nodes cost money until they are given back.
        rate: US dollars an hour a node, at most.
        spot: Its nodes may be taken from us at any time.
        region, zone: Where its nodes are.
        quota: The limit of the account that its nodes count against.
        quota_units: How much of that one node takes.
        group: Offers of one group may be ordered with one call; "": alone.
        batch: Nodes that one call may take; 0: any number.
        detail: The provider's own; never looked at here.
    """

    id: str
    limit: int = 1
    slots: int | None = None
    most_slots: int | None = None
    strict: bool = True
    labels: tuple[str, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    gpus: int = 0
    arch: str = ""
    rented: bool = False
    rate: float = 0.0
    spot: bool = False
    region: str = ""
    zone: str = ""
    quota: str = ""
    quota_units: float = 0.0
    group: str = ""
    batch: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def single(self) -> bool:
        """Whether it is one computer, so that losing the node is losing the offer."""
        return self.limit == 1 and not self.rented

    def to_json(self) -> dict[str, Any]:
        """Return the offer as the journal holds it: its id and the fields unlike their default."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        return {k: v for k, v in told.items() if k == "id" or v != _DEFAULTS[k]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Offer:
        """Read an offer that `to_json` wrote."""
        return Offer(**{**data, "labels": tuple(data.get("labels", ()))})


_DEFAULTS: Final = {item.name: default_of(item) for item in fields(Offer)}


@dataclass(slots=True)
class Trouble:
    """Failures of an offer; times are Unix seconds."""

    failures: int = 0
    """Number of failures in a row; one that comes while the offer rests is not counted."""
    not_before: float = 0.0
    final: bool = False
    why: str = ""
    since: float = 0.0
    """When the first of these failures was."""
    patience: float = 0.0
    """Seconds since the first failure in which the offer is not given up."""
    last: float = 0.0

    def add(self, now: float, why: str, *, final: bool) -> None:
        """Count a failure, and let the offer rest, longer each time."""
        self.final = self.final or final
        self.why, self.last = why, now
        if self.failures and now < self.not_before:
            return
        self.since = self.since if self.failures else now
        delay = OFFER_RETRY_DELAYS_S[min(self.failures, len(OFFER_RETRY_DELAYS_S) - 1)]
        self.not_before = now + delay
        self.failures += 1

    def rest(self, until: float, why: str) -> None:
        """Let the offer rest until that time, without counting a failure."""
        self.not_before, self.why = max(self.not_before, until), why

    def note_success(self) -> None:
        """Note that a node of the offer greeted: count from the last failure on; a rest goes on."""
        self.failures, self.since = min(self.failures, 1), self.last

    @property
    def hopeless(self) -> bool:
        """Whether the offer is given up."""
        tired = self.failures >= GIVE_UP_AFTER and self.last - self.since >= self.patience
        return self.final or tired


class Need(NamedTuple):
    """Missing slots, missing nodes of any size, and how many nodes may be ordered at `most`."""

    slots: int
    nodes: int
    most: float


class Take(NamedTuple):
    """Number of nodes to take of an offer, and the slots that each is expected to have."""

    offer: str
    nodes: int
    slots: int


def slots_for(spec: JobSpec, offer: Offer, facts: Facts) -> tuple[int, str]:
    """Return how many attempts a node runs at the same time, and a warning or "".

    `facts` is the agent's hello: `cpus`, `memory` in bytes, `gpus`, `engines`.

    Raises:
        Unfit: the request does not fit the node, and the offer is strict.
    """
    if offer.strict and spec.container and not spec.run_on_host and facts.get("engines") == []:
        hint = "install one, or do not use this host"
        raise Unfit("docker or podman is needed for --container", where=offer.id, hint=hint)
    slots, lack = _fitting(spec, facts)
    if spec.slots is not None:
        slots = spec.slots
    elif offer.slots is not None and not lack:
        slots = offer.slots
    if lack and offer.strict:
        raise Unfit(lack, where=offer.id, hint="ask for less, or do not use this host")
    if offer.most_slots is not None:
        slots = min(slots, offer.most_slots)
    return max(slots, 1), f"{lack}: running one task at a time" if lack else ""


def _fitting(spec: JobSpec, facts: Facts) -> tuple[int, str]:
    """Return the slots that the scarcest resource allows, and what lacks for even one, or ""."""
    lack = lacking(facts, cpu=spec.cpu, memory=spec.memory, gpu=spec.gpu, arm=spec.arm)
    if lack:
        return 1, next(iter(lack.values()))
    slots = int(float(facts.get("cpus") or 1) / (spec.cpu or 1.0))
    if spec.memory and (memory := facts.get("memory")):
        slots = min(slots, int(memory / (spec.memory * _OF_NOMINAL)))
    if spec.gpu:
        slots = min(slots, int(facts.get("gpus") or 0) // spec.gpu)
    return max(slots, 1), ""


_OF_NOMINAL: Final = 0.9
"""Part of its memory that a computer reports at least: the kernel keeps some of "8 GB"."""


def lacking(
    facts: Facts,
    *,
    cpu: float | None = None,
    memory: float | None = None,
    gpu: int = 0,
    arm: bool = False,
) -> dict[str, str]:
    """Return what a node lacks for a single task that asks for this: why, by option.

    Args:
        facts: Of the node; what they do not say is not lacking, but for CPUs and GPUs.
        cpu: Cores.
        memory: Bytes.
        gpu: GPUs.
        arm: Whether the task needs an ARM processor.
    """
    out = {}
    cpus, gpus = float(facts.get("cpus") or 1), int(facts.get("gpus") or 0)
    if cpu and cpus < cpu:
        out["cpu"] = f"a task needs {cpu:g} CPUs, but there are {cpus:g}"
    has = int(facts.get("memory") or 0)
    if memory and 0 < has < memory * _OF_NOMINAL:
        asked, there = format_bytes(memory), format_bytes(has)
        out["memory"] = f"a task needs {asked} of memory, but there is {there}"
    if gpus < gpu:
        out["gpu"] = f"a task needs {gpu} GPU, but there are {gpus}"
    arch = facts.get("arch") or ""
    if arm and arch and not arch.startswith(("arm", "aarch")):
        out["arm"] = f"a task needs an ARM processor, but this one is {arch}"
    return out


def most_nodes(spec: JobSpec) -> float:
    """Return how many nodes the job may have at the same time; `inf` for any number."""
    if spec.max_workers is None:
        return MOST_NODES
    return inf if spec.max_workers < 0 else max(spec.max_workers, 1) + keeps_away(spec)


def least_nodes(spec: JobSpec) -> int:
    """Return how many nodes must be ready before the first task is sent to one."""
    return int(min(max(spec.min_workers or 1, 1 + keeps_away(spec)), most_nodes(spec)))


def expected_slots(spec: JobSpec, offer: Offer) -> int:
    """Return how many slots a node of this offer is expected to have; 1 when unknown."""
    facts = Facts(cpus=offer.cpus or 1.0, memory=offer.memory or 0, gpus=offer.gpus)
    known = offer.cpus is not None or offer.memory is not None
    slots = spec.slots or offer.slots or (_fitting(spec, facts)[0] if known else 1)
    return max(min(slots, offer.most_slots or slots), 1)


def shortage(
    spec: JobSpec, useful: int, capacity: int, nodes: int, *, dispatch_started: bool
) -> Need:
    """Return which slots and nodes are missing for `useful` slots, within the job's limits.

    `capacity` is the number of slots of all `nodes` together; a node that has not greeted
    counts with its expected slots.
    """
    least = 0 if dispatch_started else least_nodes(spec) - nodes
    return Need(max(useful - capacity, 0), max(least, 0), most_nodes(spec) - nodes)


def choose(
    need: Need,
    offers: Iterable[Offer],
    used: Mapping[str, int],
    trouble: Mapping[str, Trouble],
    spec: JobSpec,
    now: float,
) -> tuple[list[Take], bool]:
    """Return the nodes to take now, best offers first, and whether a resting offer has more."""
    taken: list[Take] = []
    later = False
    slots, nodes, most = need
    for offer in offers:
        expected = expected_slots(spec, offer)
        missing = int(min(max(-(-slots // expected), nodes), most))
        if missing <= 0:
            break
        free = min(offer.limit - used.get(offer.id, 0), missing)
        past = trouble.get(offer.id)
        if free <= 0 or (past is not None and past.final):
            continue
        if past is not None and past.not_before > now:
            later = later or not past.hopeless
            continue
        taken.append(Take(offer.id, free, expected))
        slots, nodes, most = slots - free * expected, nodes - free, most - free
    return _trimmed(taken, -slots, -nodes), later and min(max(slots, nodes), most) > 0


def _trimmed(taken: list[Take], slots: int, nodes: int) -> list[Take]:
    """Leave out small nodes that became needless when a larger one was taken after them.

    `slots` and `nodes` are how many more were taken than are needed.
    """
    kept = []
    for one in taken:
        needless = max(min(slots // one.slots, nodes, one.nodes), 0)
        slots, nodes = slots - needless * one.slots, nodes - needless
        if one.nodes > needless:
            kept.append(one._replace(nodes=one.nodes - needless))
    return kept


def orders(taken: Iterable[Take], offers: Mapping[str, Offer]) -> Iterator[list[Take]]:
    """Yield orders, each for one call: nodes of one offer, or of one group, in batches."""
    order: list[Take] = []
    for take in taken:
        offer = offers[take.offer]
        if order and not (offer.group and offer.group == offers[order[0].offer].group):
            yield order
            order = []
        left = take.nodes
        while left:
            room = offer.batch - sum(other.nodes for other in order) if offer.batch else left
            if room <= 0:
                yield order
                order = []
                continue
            order.append(take._replace(nodes=min(left, room)))
            left -= order[-1].nodes
    if order:
        yield order
