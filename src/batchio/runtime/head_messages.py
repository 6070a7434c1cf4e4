"""Messages of the head that have many fields; docs/design/agent.md says what they mean."""

from __future__ import annotations

from typing import TypedDict


class Container(TypedDict):
    """Settings for attempts that run in a container."""

    image: str
    entrypoint: bool
    """Whether to keep the entrypoint of the image."""
    gpu: bool


class Setup(TypedDict, total=False):
    """Settings that all attempts on a node share."""

    argv: list[str]
    shell: bool
    """Whether `argv[0]` is a command line for `/bin/sh -c`."""
    python: str | None
    """The interpreter that replaces the word `{python}`."""
    env: dict[str, str]
    secrets: dict[str, str]
    """Variables like `env`, but never written to a disk nor shown."""
    slots: int
    cpus: float
    """CPUs of one slot."""
    pin: bool
    """Whether each slot has CPUs of its own."""
    memory: int | None
    """Bytes that one attempt may use; None: no limit."""
    gpus: int
    grace: float
    """Seconds between TERM and KILL."""
    timeout: float | None
    """Seconds that one attempt may run; None: no limit."""
    input_var: str | None
    """Name of a variable that also holds the task's input."""
    job_id: str
    job_name: str
    task_count: int
    node_id: str
    address: str
    """Address of this node."""
    pipe_to_files: bool
    files: bool
    """Whether attempts begin with the uploaded files."""
    container: Container | None
    software: bool
    """Whether attempts use the environment to which `software` in the agent's home leads."""
    lease: float
    """Seconds without a head after which an agent lets its tasks finish and leaves."""


class Members(TypedDict, total=False):
    """Changes of the ready nodes since an agent was last told."""

    all: bool
    """Whether the agent must forget what it knew: `joined` are all ready nodes."""
    joined: list[tuple[int, str]]
    """Numbers and addresses of nodes that became ready."""
    left: list[int]
    scheduler: tuple[int, str] | None
    """Number and address of the node that runs the scheduler's tasks."""
