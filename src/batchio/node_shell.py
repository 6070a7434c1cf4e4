"""A shell where a task runs: on its node, in its folder, with its environment.

For hosts over SSH the user's own `ssh` is used, with everything it is configured for.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from batchio import agent
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


def command_for(machine: Machine, task: int | None, words: Sequence[str]) -> list[str]:
    """Return the argv that opens the shell, or runs `words` there.

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
            "no node of this job is ready", hint="nodes are released when the job is done"
        )
    python = node.facts.get("executable", "python3")
    home = os.path.dirname(node.facts["socket"])
    visit = agent.command(python, "visit", home, key, label, *words)
    if Trait.REMOTE not in traits(machine.running_job.spec.provider):
        return visit
    host = parse_host(node.handle)
    options = ["-t"] if sys.stdin is not None and sys.stdin.isatty() else []
    options += ["-p", str(host.port)] if host.port else []
    options += ["-i", os.path.expanduser(host.key)] if host.key else []
    there = f"{host.user}@{host.address}" if host.user else host.address
    return ["ssh", *options, there, shlex.join(visit)]


def _node_of(machine: Machine, at: int, task: int) -> Node:
    state = machine.tasks.state[at]
    if state in (TaskState.PENDING, TaskState.ASSIGNED):
        raise UsageError(f"task {task} has not started yet", hint="batchio explain says why")
    node = machine.nodes[machine.tasks.node[at]]
    if not node.alive:
        raise NodeError(
            f"task {task} ran on {node.name}, which was released",
            hint=f"to see its output: batchio logs {machine.running_job.id} --task {task}",
        )
    return node
