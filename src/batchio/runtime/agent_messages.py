"""Messages of agents: here they get names, and are checked.

On the wire each message is an array that begins with its tag; docs/design/agent.md says
what they mean. `read` gives them their names, and lets nothing pass that the machine, the
journal or people could not take: behind this door nothing is checked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from batchio.core.checks import LARGEST, flag, integer, items, moment, number, text
from batchio.core.reports import Ended, Facts, Limits
from batchio.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable


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


class Listed(NamedTuple):
    """Some of an attempt's outputs."""

    task: int
    attempt: int
    first: int
    """Number of outputs that were named before these."""
    rows: list[tuple[str, int | None]]
    """Path and bytes of each file; without bytes, a link or an empty folder."""
    more: bool
    """Whether another message with further ones follows."""


class Piece(NamedTuple):
    """A piece of an attempt's outputs that is in a store."""

    path: str | None
    """The file that it is a piece of; None: the tar stream of all."""
    offset: int
    size: int
    crc32: int


class PiecesStored(NamedTuple):
    """Pieces of an attempt's outputs are in their store."""

    task: int
    attempt: int
    pieces: list[Piece]


class Unstored(NamedTuple):
    """The node cannot put an attempt's outputs into their store."""

    task: int
    attempt: int
    why: str


class Pong(NamedTuple):
    """How busy the node is."""

    number: int
    stats: dict[str, Any]


class Trouble(NamedTuple):
    """A message for people."""

    text: str
    waits: bool | None = None
    """Whether tasks wait because of it from now on, or no longer; None: neither."""


class Bye(NamedTuple):
    """The agent ends; `left` says what could not be removed."""

    left: str = ""


Heard = (
    Hello
    | Refused
    | Prepared
    | Imaged
    | Started
    | Done
    | Returned
    | Fetched
    | Listed
    | PiecesStored
    | Unstored
    | Pong
    | Trouble
    | Bye
)


SHORT: Final = 300
"""Characters kept of a name, a reason, a tail: what agents limit themselves to."""

LONG: Final = 4000
"""Characters kept of what programs said, and of what a person should know."""

EXITS: Final = (-64, 255)
"""The lowest and the highest exit code; Linux has 64 signals."""

MOST_ATTEMPTS: Final = 0xFFFF
"""Highest number of an attempt; the log's records hold no higher one."""


def read(message: object, tasks: int) -> Heard | None:
    """Check an agent's message and return it under its name; None for one of newer agents only.

    Args:
        tasks: Number of tasks of the job.

    Raises:
        ProtocolError: it is no message of an agent.
    """
    try:
        tag, *values = items(message)
        known = _READERS.get(text(tag))
        return None if known is None else known(tasks, *values)
    except (LookupError, TypeError, ValueError) as err:
        raise ProtocolError(f"{err}, in {_shown(message)}") from err


def _shown(message: object) -> str:
    """Return the beginning of a message, of any type, as text."""
    if isinstance(message, list):
        return ascii([str(part)[:40] if isinstance(part, str) else part for part in message[:2]])[
            :SHORT
        ]
    return ascii(message)[:80]


def _hello(tasks: int, said: object) -> Hello:
    if not isinstance(said, dict):
        raise TypeError("a hello without facts")
    facts = {name: check(said[name]) for name, check in _FACTS.items() if name in said}
    if not facts.get("instance"):
        raise ValueError("a hello without an instance")
    return Hello(cast("Facts", facts))


def _limits(said: object) -> Limits:
    memory = said.get("memory", False) if isinstance(said, dict) else None
    return Limits(memory=flag(memory))


_FACTS: Final[dict[str, Callable[[object], object]]] = {
    "v": integer,
    "instance": lambda said: text(said, SHORT),
    "pid": integer,
    "epoch": integer,
    "python": lambda said: text(said, SHORT),
    "executable": lambda said: text(said, LONG),
    "hostname": lambda said: text(said, SHORT),
    "cpus": lambda said: number(said, 0, 1 << 20),
    "memory": integer,
    "arch": lambda said: text(said, SHORT),
    "gpus": lambda said: integer(said, 0, 1 << 16),
    "engines": lambda said: [text(name, SHORT) for name in items(said)[:16]],
    "address": lambda said: text(said, SHORT),
    "boot_id": lambda said: text(said, SHORT),
    "machine_id": lambda said: text(said, SHORT),
    "namespace": integer,
    "time": moment,
    "spool": integer,
    "unacked": integer,
    "limits": _limits,
}
"""The check of each fact of a hello; other facts are left out."""


def _pair(tasks: int, task: object, attempt: object) -> tuple[int, int]:
    return integer(task, 0, tasks - 1), integer(attempt, 1, MOST_ATTEMPTS)


def _started(tasks: int, said: object) -> Started:
    return Started(
        [
            (*_pair(tasks, task, attempt), moment(at))
            for task, attempt, at in map(items, items(said))
        ]
    )


def _done(tasks: int, seq: object, records: object) -> Done:
    return Done(integer(seq, 1), [_ended(tasks, *items(record)) for record in items(records)])


def _ended(
    tasks: int,
    task: object,
    attempt: object,
    exit_code: object,
    reason: object,
    started: object,
    ended: object,
    rss: object,
    cpu: object,
    log_from: object,
    log_to: object,
    files: object,
    size: object,
    tail: object,
) -> Ended:
    begin = integer(log_from)
    return Ended(
        *_pair(tasks, task, attempt),
        integer(exit_code, *EXITS),
        text(reason, SHORT),
        moment(started),
        moment(ended),
        integer(rss),
        number(cpu, 0, 1e12),
        begin,
        integer(log_to, begin),
        integer(files, 0, 0xFFFF_FFFF),
        integer(size),
        text(tail, LONG),
    )


def _returned(tasks: int, said: object) -> Returned:
    pairs = map(items, items(said))
    return Returned([list(_pair(tasks, task, attempt)) for task, attempt in pairs])


def _trouble(_: int, said: object, waits: object = None) -> Trouble:
    return Trouble(text(said, LONG), None if waits is None else flag(waits))


def _fetched(
    tasks: int, task: object, attempt: object, files: object, size: object, crc: object
) -> Fetched:
    rest = integer(files), integer(size), integer(crc, 0, 0xFFFF_FFFF)
    return Fetched(*_pair(tasks, task, attempt), *rest)


def _listed(
    tasks: int, task: object, attempt: object, first: object, rows: object, more: object
) -> Listed:
    named = [
        (_path(path), None if size is None else integer(size))
        for path, size in map(items, items(rows))
    ]
    return Listed(*_pair(tasks, task, attempt), integer(first), named, flag(more))


def _path(said: object) -> str:
    """Return the path of an output below its attempt's folder; it leads nowhere else."""
    path = text(said)
    if len(path) > LONG or {"", ".", ".."}.intersection(path.split("/")) or "\0" in path:
        raise ValueError("an output with a path that leads elsewhere")
    return path


def _pieces(tasks: int, task: object, attempt: object, rows: object) -> PiecesStored:
    pieces = [
        Piece(
            None if path is None else _path(path),
            integer(offset),
            integer(size),
            integer(crc, 0, 0xFFFF_FFFF),
        )
        for path, offset, size, crc in map(items, items(rows))
    ]
    return PiecesStored(*_pair(tasks, task, attempt), pieces)


def _pong(tasks: int, count: object, said: object) -> Pong:
    if not isinstance(said, dict):
        raise TypeError("a pong without numbers")
    stats = {name: number(said[name], 0, LARGEST) for name in _STATS if name in said}
    return Pong(integer(count), stats)


_STATS: Final = ("load", "running", "queued", "disk_free", "spool")


_READERS: Final[dict[str, Callable[..., Heard]]] = {
    "hello": _hello,
    "refused": lambda _, why: Refused(text(why, LONG)),
    "prepared": lambda _, code, said: Prepared(integer(code, *EXITS), text(said, LONG)),
    "imaged": lambda _, ref, there, said: Imaged(text(ref, LONG), flag(there), text(said, LONG)),
    "started": _started,
    "done": _done,
    "returned": _returned,
    "fetched": _fetched,
    "listed": _listed,
    "stored": _pieces,
    "unstored": lambda tasks, task, attempt, why: Unstored(
        *_pair(tasks, task, attempt), text(why, SHORT)
    ),
    "pong": _pong,
    "trouble": _trouble,
    "bye": lambda _, left="": Bye(text(left, LONG)),
}
