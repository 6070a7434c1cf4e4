"""What agents report, as the journal keeps it. Pure.

On the wire and in the journal a record is an array and facts are an object, as
docs/design/agent.md has them; here both have names.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict


class Ended(NamedTuple):
    """How one attempt ended: an agent's record of it."""

    task: int
    """Its position in the job."""
    attempt: int
    exit: int
    """Exit code; -N when signal N ended it."""
    reason: str
    """Why, when it did not end by itself; "" when it did."""
    started: float
    """Unix seconds, by the head's clock."""
    ended: float
    """Unix seconds, by the head's clock."""
    rss: int
    """Peak resident bytes."""
    cpu: float
    """User and system seconds."""
    log_from: int
    """Where its log records begin in the node's spool."""
    log_to: int
    files: int
    """How many files it left that are to be collected."""
    bytes: int
    """Their size."""
    tail: str
    """The last words of one that failed."""


class Limits(TypedDict):
    """What a node can enforce."""

    memory: bool


class Facts(TypedDict, total=False):
    """An agent's hello: what it is and what its node has, with what the head adds to it."""

    v: int
    """Version of the protocol."""
    instance: str
    """New whenever the agent process is new."""
    pid: int
    epoch: int
    """The head's, repeated."""
    python: str
    """Its version."""
    executable: str
    """The Python that runs the agent, for other programs of ours."""
    hostname: str
    cpus: float
    memory: int
    """Bytes."""
    gpus: int
    engines: list[str]
    """Container engines: of `docker` and `podman` those that are there."""
    address: str
    """Where other nodes find it."""
    boot_id: str
    machine_id: str
    """What the computer is called in `/etc/machine-id`; "" where there is none."""
    time: float
    """Unix seconds by the node's clock."""
    spool: int
    """Bytes in the log so far."""
    unacked: int
    """`done` messages that follow and were sent before."""
    limits: Limits
    socket: str
    """Added by the head: where the agent listens."""
    ahead: float
    """Added by the head: seconds by which the node's clock is ahead; 0 when close enough."""
