"""The processes of this node: which descends from which, and how to end them."""

from __future__ import annotations

import os
import signal
import sys
import time

from batchio.agent.basics import say, slurp


def processes() -> dict[int, tuple[int, int]]:
    """Return parent and process group of every process, by pid; empty where there is no /proc."""
    table = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            line = slurp("/proc/%s/stat" % name)
            fields = line[line.rfind(b")") + 2 :].split()
            if len(fields) > 3 and fields[0] not in b"ZX":
                table[int(name)] = (int(fields[1]), int(fields[2]))
    return table


def below(roots: set[int], table: dict[int, tuple[int, int]]) -> set[int]:
    """Return the roots and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def marked(pid: int, mark: bytes) -> bool:
    """Return whether a process was started with this `NAME=value` in its environment."""
    return mark in slurp("/proc/%d/environ" % pid).split(b"\0")


def send(number: int, pids: set[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def line_of(pid: int, table: dict[int, tuple[int, int]]) -> set[int]:
    """Return a process and its ancestors."""
    line = set()
    while pid not in line and pid in table:
        line.add(pid)
        pid = table[pid][0]
    return line


def sweep(home: str) -> None:
    """Kill every process of this home, and of this agent, whoever started it."""
    mark = b"BATCHIO_AGENT=" + os.fsencode(home)
    me = os.getpid()
    for _ in range(100):
        table = processes()
        spared = line_of(me, table)  # `up` may itself be part of a task
        roots = {pid for pid in table if pid not in spared and marked(pid, mark)}
        found = below(roots | {me}, table) - spared
        if not found:
            return
        send(signal.SIGKILL, found)
        time.sleep(0.01)
        while reap_one():
            pass


def exit_code(status: int) -> int:
    """Return the exit code in a status of wait(2), or minus the signal that ended the process."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def reap_one() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except OSError:
        return False


def become_subreaper() -> None:
    """Make orphans of our tasks our children, so that none escapes by a double fork."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    except (ImportError, OSError, AttributeError) as error:
        say("no child subreaper here: %s" % error)


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 when it does not exist."""
    line = slurp("/proc/%d/stat" % pid)
    fields = line[line.rfind(b")") + 2 :].split()
    return int(fields[19]) if len(fields) > 19 else 0
