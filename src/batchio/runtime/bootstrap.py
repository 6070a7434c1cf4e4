"""Bootstrap: make sure that an agent runs on a node, and remove it with all its files.

Everything of a user's agents lies in one folder of the node, `/var/tmp/batchio-<uid>`: one
home a job and node. One command in one session does it all: a shell finds a Python, which
reads the agent from its standard input and becomes it. So starting one costs a node little
more than starting Python, and no file of ours is there before or after.
Verbs may be repeated, and two heads may say them at once: the agent itself locks its home.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.checks import integer, text
from batchio.errors import NodeError, Unfit
from batchio.runtime import program
from batchio.runtime.agent_messages import SHORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.ports import Transport

BASE: Final = "/var/tmp"  # noqa: S108 - the folder in it is private, and its owner is checked
"""A folder on a local disk, unlike many homes, and not emptied at a reboot, unlike /tmp."""

PATIENCE_S: Final = 60.0
"""Seconds that one command of a bootstrap may take; a loaded node starts Python slowly."""

LONGEST_PATH: Final = 4096
"""Most bytes of a path in Linux (PATH_MAX)."""

PYTHONS: Final = (
    "/usr/bin/python3", "python3", "/usr/local/bin/python3",
    "python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8",
)  # fmt: skip
"""Where a node may have a Python that is new enough, in the order in which they are tried."""

_MARK: Final = "\n@batchio "

_FIND: Final = (
    "exec 3<&0 4>&1; IFS=:; for python in $1; do "
    'command -v "$python" >/dev/null 2>&1 || continue; '
    r"""printf '\n@batchio %s' "$python"; shift; """
    """{ "$python" -I -S -c 'import sys; exec(sys.stdin.buffer.read(int(sys.argv[2])))' "$@" """
    "<&3 5>&1 >&4 3<&- 4>&- & } | read -r end; exit 0; "
    r"""done; printf '\n@batchio none'"""
)
"""Arguments: Pythons, joined by colons; what `agent.loader` wants. In one line: a csh that the
account may have takes no other.

Python is left behind in the background, so that the agent need not fork, which would cost a
node milliseconds. The shell waits until it has read what we send (`read` sees the end of the
loader's descriptor 5): sshd throws away what is sent to a command that has ended."""


class AgentAddress(NamedTuple):
    """Place and identity of an agent on a node."""

    socket: str
    """Path of the agent's Unix socket on the node."""
    instance: str
    """Id of the agent process; another process has another one."""
    pid: int
    python: str
    """Path of the Python that runs the agent; it can run other programs of batchio, too."""
    home: str


async def bootstrap(
    transport: Transport,
    *,
    home_name: str,
    spool: str | None = None,
    base: str = "",
    python: str | None = None,
) -> AgentAddress:
    """Make sure that the agent `home_name` runs on the node, and return its address.

    One round trip, or two when the node's Python is of another version than ours.

    Args:
        transport: An open transport to the node.
        home_name: One path element, the same for the same job and node.
        spool: A folder on the node for log segments, instead of one in the home.
        base: The folder in which the user's own folder is made; empty: the one that the user
            named for the node, else BASE.
        python: The Python that runs the tasks; it is tried before PYTHONS.

    Raises:
        Unfit: there is no Python 3.8 or later.
        NodeError: no room, or the folder belongs to somebody else.
        Unreachable, TimeoutError: of the transport.
    """
    options = [] if spool is None else ["--spool", spool]
    python, said = await _agent(transport, base, python, "up", home_name, *options)
    try:
        known = json.loads(said)
        socket, instance = text(known["socket"]), text(known["instance"], SHORT)
        if socket[:1] != "/" or "\0" in socket or len(socket) > LONGEST_PATH:
            raise ValueError("no path of a socket")
        return AgentAddress(
            socket, instance, integer(known["pid"]), python, os.path.dirname(socket)
        )
    except (LookupError, TypeError, ValueError, RecursionError) as err:
        raise _garbled(transport, said) from err


async def remove(
    transport: Transport, home_name: str, *, base: str = "", python: str | None = None
) -> None:
    """End the agent `home_name` with all it runs, and remove what batchio put there.

    An agent that hears good-bye does that itself; this is for one that cannot. Quiet when
    nothing is there, also where no agent could ever have been.

    Raises:
        NodeError: something could not be removed.
        Unreachable, TimeoutError: of the transport.
    """
    try:
        await _agent(transport, base, python, "down", home_name)
    except Unfit:
        return


async def _agent(
    transport: Transport, base: str, python: str | None, verb: str, name: str, *words: str
) -> tuple[str, str]:
    """Run one command of the agent on the node; return the Python that ran it, and its answer."""
    pythons, base = _pythons(transport, python), base or transport.work or BASE
    packed, tried_text, old, broken = program.compiled(), False, [], None
    while pythons:
        size = str(len(program.loader()))
        argv = ["/bin/sh", "-c", _FIND, "sh", ":".join(pythons), "batchio-agent", size]
        stdin = program.loader() + packed
        done = await transport.run(
            [*argv, base, verb, name, *words], stdin=stdin, timeout=PATIENCE_S
        )
        answers = _answers(done.stdout)
        if answers not in (["none"], [""]) and answers[0] not in pythons:
            raise _garbled(transport, answers[0])
        match answers:
            case ["none"]:
                break
            case [""]:
                raise _failure(transport, base, b"its login shell does not answer as sh does")
            case [found, "agent", said]:
                return found, said
            case [_, "other"] if not tried_text:
                packed, tried_text = program.text(), True
                continue
            case [found, "old", version]:
                old.append(f"{found} is Python {version}")
            case [found, "agent"]:
                raise _failure(transport, base, done.stderr)
            case [found, *_]:
                broken = _failure(transport, base, done.stderr)
        pythons = pythons[pythons.index(found) + 1 :]
    if broken:
        raise broken
    place = f" at {transport.python}" if transport.python else ""
    raise Unfit(
        f"no python3 (3.8 or newer) found{place}" + (f": {', '.join(old)}" if old else ""),
        where=transport.where,
        hint="install it there, for example: apt-get install python3; or set its path: "
        "HOST?python=PATH",
    )


def _pythons(transport: Transport, wanted: str | None) -> Sequence[str]:
    """Return the Pythons to try: the one named for the host, else the tasks' and PYTHONS."""
    if transport.python:
        return [transport.python]
    return PYTHONS if not wanted or ":" in wanted else [wanted, *PYTHONS]


def _answers(stdout: bytes) -> list[str]:
    """Return the Python that was found and its answers; or "none"."""
    _, *marked = stdout.decode("utf-8", "replace").split(_MARK)
    found, *answers = [words.strip() for words in marked] or [""]
    return [found, *(word for words in answers for word in words.split(" ", 1))]


def _garbled(transport: Transport, said: str) -> NodeError:
    return NodeError(
        f"the start of the agent was answered by what is none: {said[:80]!r}",
        where=transport.where,
    )


def _failure(transport: Transport, base: str, stderr: bytes) -> NodeError:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    why, hint = lines[-1].removeprefix("agent: ") if lines else "it gave no reason", None
    other = "" if transport.local else ", or use another folder: HOST?work=PATH"
    if "space" in why or "quota" in why.lower():
        hint = f"free some space in {base}" + other
    elif "No such file" in why or "Permission denied" in why or "Read-only" in why:
        hint = f"batchio works under {base}" + other
    elif "somebody else" in why:
        hint = "ask its administrator to remove that folder"
    return NodeError(f"the agent cannot start: {why}", where=transport.where, hint=hint)
