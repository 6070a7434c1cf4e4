"""The other nodes of the job, as tasks are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.agent.basics import raw
from batchio.agent.door import listing, maybe, text, whole_number

if TYPE_CHECKING:
    from typing import Any

READY = (b"BATCHIO_READY_WORKERS", b"COILED_BATCH_READY_WORKERS")
SCHEDULER = (
    b"BATCHIO_SCHEDULER_ADDRESS",
    b"COILED_BATCH_SCHEDULER_ADDRESS",
    b"COILED_CLUSTER_HOSTNAME",
)
KIND = (b"BATCHIO_PROCESS_TYPE", b"COILED_BATCH_PROCESS_TYPE")


def member(pair: Any) -> tuple[int, str]:
    """Check and return the number and the address of a node."""
    number, address = listing(pair)
    return whole_number(number), text(address)


class Members:
    """The nodes that are ready; the head tells what changes."""

    def __init__(self) -> None:
        self.ready: dict[int, str] = {}  # number: address
        self.scheduler: tuple[int, str] | None = None  # its number and address

    def update(self, given: dict[str, Any]) -> None:
        """Apply the head's `members` message."""
        joined = dict(map(member, listing(given.get("joined", []))))
        left = list(map(whole_number, listing(given.get("left", []))))
        scheduler = maybe(member, given.get("scheduler"))
        if given.get("all"):
            self.ready.clear()
            self.scheduler = None
        self.ready.update(joined)
        for number in left:
            self.ready.pop(number, None)
        if "scheduler" in given:
            self.scheduler = scheduler

    def variables(self, own: str) -> dict[bytes, bytes]:
        """Return the variables that tell tasks of the nodes; `own` is this node's number.

        Addresses are in the order of the nodes' numbers.
        """
        number, address = self.scheduler or (-1, "")
        kind = b"scheduler" if str(number) == own else b"worker"
        ready = raw(",".join(address for _, address in sorted(self.ready.items())))
        told = ((READY, ready), (SCHEDULER, raw(address)), (KIND, kind))
        return {name: value for names, value in told for name in names}
