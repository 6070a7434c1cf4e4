"""The detached head on this computer: how to start one, and how to be one.

A command line forks its head, which has most modules loaded already. A program with
threads must not fork, its own or those of a library in C or Rust: a lock that one of them
holds would be held in the child for ever. One that has reached a bucket has such threads, and
where it has not yet, nobody knows. And another program than ours should not: the head
would keep all its memory for as long as the job runs. There `python -m batchio.heads
WORKSPACE JOB` is started, which reads the secrets, one line of JSON, from its stdin. Either
way the head is nobody's child, has a session of its own, and writes to its own log.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from batchio.errors import BatchioError, LeaseHeld
from batchio.heads.title import show_as
from batchio.options.terms import is_command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from batchio.ports import JobStore, Workspace

_DETACH = 'exec 3<&0 </dev/null; "$@" <&3 3<&- &'
"""A shell script that starts a program and ends at once, so that the head is nobody's child."""


def start(workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    """Start a head for `job` and return at once; it outlives this process."""
    if workspace.local is not None and _may_fork():
        _fork(workspace, job, secrets)
    else:
        _spawn(workspace, job, secrets)


def _may_fork() -> bool:
    """Return whether this is the command line, with one thread for the kernel too (proc(5))."""
    try:
        return is_command_line() and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False  # not Linux: nobody tells


def _fork(workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    for stream in (sys.stdout, sys.stderr):
        # What cannot be written now is the caller's to find out, who goes on; the job has begun.
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _become_head(workspace, job, secrets)
    finally:
        os._exit(0)


def _become_head(workspace: Workspace, job: str, secrets: Mapping[str, str]) -> NoReturn:
    """Run the head in the forked child until it ends; inherited descriptors are closed first."""
    code = 3
    try:
        show_as(f"batchio head of job {job}")
        for descriptor in range(3):  # whoever called may have closed them, and we use the numbers
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        log = _head_log(workspace, job)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        sys.stdout, sys.stderr = _words(1), _words(2)
        code = be_head(workspace.job(job), dict(secrets))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _head_log(workspace: Workspace, job: str) -> int:
    """Return the descriptor of what takes a head's own words; nobody else may read them."""
    return os.open(workspace.job(job).head_log(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _words(descriptor: int) -> TextIO:
    return open(descriptor, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _spawn(workspace: Workspace, job: str, secrets: Mapping[str, str]) -> None:
    import subprocess

    # -P: a file of the user's called array.py must not stand in for the library's.
    command = [sys.executable, "-P", "-m", "batchio.heads", workspace.url, job]
    with open(_head_log(workspace, job), "ab") as log:
        subprocess.run(
            ["/bin/sh", "-c", _DETACH, "sh", *command],
            input=json.dumps(dict(secrets)).encode() + b"\n",
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=True,
        )


def be_head(
    store: JobStore,
    secrets: dict[str, str],
    kind: str = "local",
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> int:
    """Run the head of a job in this process, and return the exit code.

    Args:
        kind: Kind of the head, as in `JobSpec.head`.
        beside: Runs in the same loop, and is cancelled at the end.
    """
    import asyncio
    import warnings

    warnings.simplefilter("ignore")  # a caller whose filters make errors of them means its own
    from batchio.heads.leading import lead_here

    if secrets:
        _no_core()
    try:
        asyncio.run(lead_here(store, secrets, kind, beside))
    except LeaseHeld:
        return 0  # somebody else is at it: what was wanted is done
    except BatchioError as err:
        store.say_last_words(f"{err}\n{err.hint or ''}".strip())
        sys.stderr.write(f"error: {err}\n")
        return err.exit_code
    except KeyboardInterrupt:
        store.say_last_words("its head was stopped by SIGINT")
        sys.stderr.write("this head was stopped by SIGINT\n")
        return 130
    except Exception as err:
        store.say_last_words(f"its head crashed: {err!r}\nplease report {store.head_log()}")
        raise
    return 0


def _no_core() -> None:
    """Leave no core dump of this process or its children: the secrets would stand in it."""
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
