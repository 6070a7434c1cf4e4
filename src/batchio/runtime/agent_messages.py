"""Messages between head and agent: here they get names, and those of agents are checked.

On the wire each message is an array that begins with its tag; docs/design/agent.md says
what they mean. `read` names those of an agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from batchio.core.reports import Ended
from batchio.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.reports import Facts


# --- the head's --------------------------------------------------------------


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


# --- the agent's -------------------------------------------------------------


class Hello(NamedTuple):
    """An agent's answer to the head's hello."""

    facts: Facts


class Refused(NamedTuple):
    """The agent obeys another head, or speaks another version; the connection closes."""

    why: str


class Prepared(NamedTuple):
    """The host setup script has ended."""

    exit: int
    """Exit code; -N when signal N ended it."""
    said: str
    """The script's last words."""


class Imaged(NamedTuple):
    """The container image is on the node, or cannot be had."""

    image: str
    there: bool
    said: str


class Started(NamedTuple):
    """Attempts that have begun."""

    tasks: list[tuple[int, int, float]]
    """Task, attempt, Unix seconds by the node's clock."""


class Done(NamedTuple):
    """Attempts that have ended; sent again until `seq` is acknowledged."""

    seq: int
    records: list[Ended]


class Returned(NamedTuple):
    """Attempts that were queued and never started: task, attempt."""

    tasks: list[list[int]]


class Fetched(NamedTuple):
    """A tar stream has been sent to its end."""

    task: int
    attempt: int
    files: int
    size: int
    """Bytes of the whole stream."""
    crc32: int


class Pong(NamedTuple):
    """How busy the node is."""

    number: int
    stats: dict[str, Any]


class Trouble(NamedTuple):
    """A message for people."""

    text: str


class Bye(NamedTuple):
    """The agent ends; `left` says what could not be removed."""

    left: str = ""


Heard = (
    Hello | Refused | Prepared | Imaged | Started | Done | Returned | Fetched | Pong | Trouble | Bye
)


def read(message: list[Any]) -> Heard | None:
    """Return an agent's message under its name; None for a kind that only newer agents send.

    Raises:
        Unreachable: it is no message of an agent.
    """
    try:
        tag, *values = message
        known = _READERS.get(tag)
        return None if known is None else known(*values)
    except (KeyError, TypeError, ValueError) as err:
        raise Unreachable(f"its agent says what none can say: {str(message)[:80]}") from err


def _hello(facts: dict[str, Any]) -> Hello:
    named: Facts = {**facts, "instance": str(facts["instance"])}  # type: ignore[typeddict-item]
    return Hello(named)


def _started(tasks: list[list[Any]]) -> Started:
    return Started([(task, attempt, float(at)) for task, attempt, at in tasks])


def _done(seq: int, records: list[list[Any]]) -> Done:
    return Done(int(seq), [Ended(*record) for record in records])


_READERS: Final[dict[str, Callable[..., Heard]]] = {
    "hello": _hello,
    "refused": Refused,
    "prepared": Prepared,
    "imaged": Imaged,
    "started": _started,
    "done": _done,
    "returned": Returned,
    "fetched": Fetched,
    "pong": Pong,
    "trouble": Trouble,
    "bye": Bye,
}
