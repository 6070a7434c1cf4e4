"""Reports of agents, as the journal keeps them. Pure.

On the wire and in the journal a record is an array and facts are an object, as
docs/design/agent.md has them; here both have names.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict


class Ended(NamedTuple):
    """An agent's record of how one attempt ended."""

    task: int
    """The task's position in the job."""
    attempt: int
    exit: int
    """Exit code; -N when signal N ended it."""
    reason: str
    """Cause of the end, when the attempt did not end by itself; "" when it did."""
    started: float
    """Unix seconds, by the head's clock."""
    ended: float
    """Unix seconds, by the head's clock."""
    rss: int
    """Peak resident bytes."""
    cpu: float
    """User and system seconds."""
    log_from: int
    """Byte offset in the node's spool at which the attempt's log begins; `log_to`: ends."""
    log_to: int
    files: int
    """Number of output files that are to be downloaded."""
    bytes: int
    """Size of those files in bytes."""
    tail: str
    """Last line of output of a failed attempt."""


class Limits(TypedDict):
    """What a node can enforce."""

    memory: bool


class Facts(TypedDict, total=False):
    """An agent's hello: facts about the agent and its node, and what the head adds to them."""

    v: int
    """Version of the protocol."""
    instance: str
    """Id of this agent process; another process has another one."""
    pid: int
    epoch: int
    """The head's epoch, repeated by the agent."""
    python: str
    """Version of the Python that runs the agent."""
    executable: str
    """Path of the Python that runs the agent; it can run other programs of batchio, too."""
    hostname: str
    cpus: float
    memory: int
    """Memory of the node, in bytes."""
    arch: str
    """Its processor, as `uname -m` says it."""
    gpus: int
    engines: list[str]
    """Container engines on the node: `docker`, `podman`, both or none."""
    address: str
    """Network address at which other nodes reach this one."""
    boot_id: str
    machine_id: str
    """What the computer is called in `/etc/machine-id`; "" where there is none."""
    namespace: int
    """Number of its process namespace: differs between a computer's containers; 0: unknown."""
    time: float
    """Unix seconds by the node's clock."""
    spool: int
    """Bytes in the node's log so far."""
    unacked: int
    """Number of `done` messages that follow and were sent before."""
    limits: Limits
    socket: str
    """Added by the head: path of the socket on which the agent listens."""
    ahead: float
    """Added by the head: seconds by which the node's clock is ahead; 0 when close enough."""
