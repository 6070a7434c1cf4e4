"""What head and agent say to each other: the one door where it gets names and is checked.

On the wire each message is an array that begins with its tag; docs/design/agent.md says
what they mean. `read` gives those of an agent their names.
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
    """How attempts run in a container."""

    image: str
    entrypoint: bool
    """Keep the image's own."""
    gpu: bool


class Setup(TypedDict, total=False):
    """What all attempts on a node share."""

    argv: list[str]
    shell: bool
    """`argv[0]` is a command line for `/bin/sh -c`."""
    python: str | None
    """What stands for the word `{python}`."""
    env: dict[str, str]
    secrets: dict[str, str]
    """Like `env`, but neither written nor shown."""
    slots: int
    cpus: float
    """Of one slot."""
    pin: bool
    """Each slot has CPUs of its own."""
    memory: int | None
    """Bytes an attempt; None: no limit."""
    gpus: int
    grace: float
    """Seconds between TERM and KILL."""
    timeout: float | None
    """Seconds an attempt; None: no limit."""
    input_var: str | None
    """The variable that an input goes to."""
    job_id: str
    job_name: str
    task_count: int
    node_id: str
    address: str
    """The node's own."""
    pipe_to_files: bool
    files: bool
    """Attempts begin with what was uploaded."""
    container: Container | None
    lease: float
    """Seconds without a head after which an agent lets its tasks finish and leaves."""


class Members(TypedDict, total=False):
    """Which nodes are ready: what has changed since an agent was last told."""

    all: bool
    """What it knew is forgotten: `joined` are all there are."""
    joined: list[tuple[int, str]]
    """Numbers and addresses."""
    left: list[int]
    scheduler: tuple[int, str] | None
    """Number and address of the node that runs the scheduler's tasks."""


# --- the agent's -------------------------------------------------------------


class Hello(NamedTuple):
    """The answer to ours."""

    facts: Facts


class Refused(NamedTuple):
    """It obeys another head, or speaks another version; the connection closes."""

    why: str


class Prepared(NamedTuple):
    """The host setup script has run."""

    exit: int
    """Exit code; -N when signal N ended it."""
    said: str
    """Its last words."""


class Imaged(NamedTuple):
    """The container image is there, or cannot be had."""

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
    """Something a person should know."""

    text: str


class Bye(NamedTuple):
    """All has ended; `left` says what could not be removed."""

    left: str = ""


Heard = (
    Hello | Refused | Prepared | Imaged | Started | Done | Returned | Fetched | Pong | Trouble | Bye
)


def read(message: list[Any]) -> Heard | None:
    """Return what an agent said, by name; None for what only a newer one says.

    Raises:
        Unreachable: it is no message of an agent's.
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
