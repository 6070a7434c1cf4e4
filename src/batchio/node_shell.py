"""A shell where a task runs: on its node, in its folder, with its environment.

For hosts over SSH the user's own `ssh` is used, with everything it is configured for.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Final

from batchio.core.node import NodeState
from batchio.core.task import TaskState
from batchio.core.traits import Trait
from batchio.errors import NodeError, UsageError
from batchio.providers import traits
from batchio.providers.hosts import parse_host
from batchio.tasklogs import positions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.core.machine import Machine
    from batchio.core.node import Node

_VISIT: Final = r"""
import os, pwd, sys
name, key, task, *words = sys.argv[1:]
home = "/var/tmp/batchio-%d/%s" % (os.getuid(), name)
place, env = home, dict(os.environb)
if key:
    place = "%s/work/%s" % (home, key)
    marks = [b"BATCHIO_AGENT=" + os.fsencode(home), b"BATCHIO_TASK_ID=" + task.encode()]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                found = file.read().split(b"\0")
        except OSError:
            continue
        if all(mark in found for mark in marks):
            env = dict(entry.split(b"=", 1) for entry in found if b"=" in entry)
            env.setdefault(b"TERM", os.environb.get(b"TERM", b"dumb"))
            break
try:
    os.chdir(place)
except OSError:
    sys.exit("batchio: %s is not there any more" % place)
shell = os.environ.get("SHELL") or pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
words = words or [shell, "-i"]
try:
    os.execvpe(words[0], words, env)
except OSError as err:
    sys.exit("batchio: %s: %s" % (words[0], err.strerror))
"""
"""Runs on the node. The environment is read off the task's own process, so that secrets
take no other way; its folder is where the agent put it."""


def command_for(machine: Machine, task: int | None, words: Sequence[str]) -> list[str]:
    """The argv that opens the shell, or runs `words` there.

    Args:
        task: An id; None for any node of the job, in its agent's home.

    Raises:
        UsageError: there is no such task, or it has not started.
        NodeError: nothing of the job runs anywhere.
    """
    key, label, node = "", "", None
    if task is None:
        node = next((n for n in machine.nodes if n.state is NodeState.READY), None)
    else:
        [at] = positions_of(machine, [task]) or [0]
        node = _node_of(machine, at, task)
        key, label = f"{at}.{machine.tasks.attempt[at]}", str(task)
    if node is None or node.handle is None:
        raise NodeError(
            "no node of this job is ready", hint="nodes are given back when the job is done"
        )
    home = f"{machine.running_job.id}.{node.number}"
    visit = ["-I", "-S", "-c", _VISIT, home, key, label, *words]
    if Trait.REMOTE not in traits(machine.running_job.spec.provider):
        return [sys.executable, *visit]
    host = parse_host(node.handle)
    options = ["-t"] if sys.stdin.isatty() else []
    options += ["-p", str(host.port)] if host.port else []
    options += ["-i", os.path.expanduser(host.key)] if host.key else []
    there = f"{host.user}@{host.address}" if host.user else host.address
    python = str(node.facts.get("executable") or "python3")
    return ["ssh", *options, there, shlex.join([python, *visit])]


def _node_of(machine: Machine, at: int, task: int) -> Node:
    state = machine.tasks.state[at]
    if state in (TaskState.PENDING, TaskState.ASSIGNED):
        raise UsageError(f"task {task} has not started yet", hint="batchio explain says why")
    node = machine.nodes[machine.tasks.node[at]]
    if not node.alive:
        raise NodeError(
            f"task {task} ran on {node.name}, which is given back",
            hint=f"what it printed: batchio logs {machine.running_job.id} --task {task}",
        )
    return node
