"""Which nodes to take, and how many slots each has. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import Unfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchio.core.spec import JobSpec

MOST_NODES: Final = 1000
"""Nodes of a job when `--max-workers` does not say otherwise."""

OFFER_RETRY_DELAYS_S: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before an offer that failed is tried again; the last one repeats."""

GIVE_UP_AFTER: Final = 4
"""Failures in a row of every offer, with no node left, after which the job is lost."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something a provider would give.

    Attributes:
        id: Unique within the provider; a host's name, or a machine type in a zone.
        limit: How many nodes it can be at the same time.
        slots: Slots a node has, when the offer itself says so (a hosts file); else None.
        most_slots: Never more than so many slots a node; None for no such limit.
        strict: Refuse a request that does not fit, instead of running it in one slot.
        labels: What people call it (`rack=3`); for people only.
    """

    id: str
    limit: int = 1
    slots: int | None = None
    most_slots: int | None = None
    strict: bool = True
    labels: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The offer as the journal holds it."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Offer:
        """The inverse of `to_json`."""
        return Offer(**{**data, "labels": tuple(data.get("labels", ()))})


@dataclass(slots=True)
class Trouble:
    """What an offer has done to us lately."""

    failures: int = 0
    not_before: float = 0.0
    final: bool = False
    why: str = ""

    def add(self, now: float, why: str, *, final: bool) -> None:
        """One more failure; the offer rests, longer each time."""
        self.not_before = (
            now + OFFER_RETRY_DELAYS_S[min(self.failures, len(OFFER_RETRY_DELAYS_S) - 1)]
        )
        self.failures += 1
        self.final = self.final or final
        self.why = why

    @property
    def hopeless(self) -> bool:
        """Whether to count on this offer no more."""
        return self.final or self.failures >= GIVE_UP_AFTER


def slots_for(spec: JobSpec, offer: Offer, facts: Mapping[str, Any]) -> tuple[int, str]:
    """How many attempts at once this node takes, and a warning (or "").

    `facts` is the agent's hello: `cpus`, `memory` in bytes, `gpus`, `engines`.

    Raises:
        Unfit: the request does not fit the node, and the offer is strict.
    """
    if offer.strict and spec.container and not spec.run_on_host and facts.get("engines") == []:
        hint = "install one, or leave this host out"
        raise Unfit("there is no docker or podman for --container", where=offer.id, hint=hint)
    slots, lack = _fitting(spec, facts)
    if spec.slots is not None:
        slots = spec.slots
    elif offer.slots is not None and not lack:
        slots = offer.slots
    if lack and offer.strict:
        raise Unfit(lack, where=offer.id, hint="ask for less, or leave this host out")
    if offer.most_slots is not None:
        slots = min(slots, offer.most_slots)
    return max(slots, 1), f"{lack}: running one task at a time" if lack else ""


def _fitting(spec: JobSpec, facts: Mapping[str, Any]) -> tuple[int, str]:
    """Slots by the scarcest resource, and what is lacking for even one."""
    cpus = float(facts.get("cpus") or 1)
    slots = int(cpus / (spec.cpu or 1.0))
    if spec.cpu and slots < 1:
        return 1, f"a task asks for {spec.cpu:g} CPUs, there are {cpus:g}"
    memory = int(facts.get("memory") or 0)
    if spec.memory and memory:
        # What the vendor calls 8 GB reports a little less: the kernel keeps some.
        slots = min(slots, int(memory / (spec.memory * 0.9)))
        if slots < 1:
            return 1, (
                f"a task asks for {spec.memory / 2**30:.3g} GiB of memory, "
                f"there are {memory / 2**30:.3g} GiB"
            )
    if spec.gpu:
        gpus = int(facts.get("gpus") or 0)
        slots = min(slots, gpus // spec.gpu)
        if slots < 1:
            return 1, f"a task asks for {spec.gpu} GPU, there are {gpus}"
    return max(slots, 1), ""


def most_nodes(spec: JobSpec) -> float:
    """How many nodes the job may have at the same time."""
    if spec.max_workers is None:
        return MOST_NODES
    return inf if spec.max_workers < 0 else max(spec.max_workers, 1)


def least_nodes(spec: JobSpec) -> int:
    """How many nodes must be ready before the first task is sent out."""
    return int(min(max(spec.min_workers or 1, 1), most_nodes(spec)))


def shortage(spec: JobSpec, undone: int, slots: int, nodes: int, *, dispatch_started: bool) -> int:
    """How many more nodes there should be: a slot for each undone task, within the limits.

    `slots` is what `nodes` have together; one that has not greeted counts as one slot:
    how many it has is not known before.
    """
    useful = undone if spec.at_once is None else min(undone, spec.at_once)
    short = useful - slots
    if not dispatch_started:
        short = max(short, least_nodes(spec) - nodes)
    return int(max(min(short, most_nodes(spec) - nodes), 0))


def choose(
    short: int,
    offers: Iterable[Offer],
    used: Mapping[str, int],
    trouble: Mapping[str, Trouble],
    now: float,
) -> tuple[list[str], bool]:
    """Up to `short` offers to take now, best first; and whether more may be had later."""
    chosen: list[str] = []
    later = False
    for offer in offers:
        missing = short - len(chosen)
        if missing <= 0:
            return chosen, False
        free = min(offer.limit - used.get(offer.id, 0), missing)
        past = trouble.get(offer.id)
        if free <= 0 or (past is not None and past.final):
            continue
        if past is not None and past.not_before > now:
            later = later or not past.hopeless
            continue
        chosen += [offer.id] * free
    return chosen, later and len(chosen) < short
