"""Requirements of a job that can be known, before there is a job, not to be met.

What a job needs in order to be right (hardware, software, a program) is an error where it
cannot be had; what only says where its nodes should be is a warning (`Effective.unsupported`).
"""

from __future__ import annotations

import os
import posixpath
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Final

from batchio.core.plan import lacking
from batchio.core.reports import Facts
from batchio.core.spec import PYTHON
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.providers import traits
from batchio.submit.caller import blamed

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from batchio.options.command import Command
    from batchio.options.resolve import Effective
    from batchio.options.to_spec import ResolvedJob
    from batchio.submit.caller import CallerContext

_HARDWARE: Final = ("cpu", "memory", "gpu", "arm")


def check(effective: Effective, provider: str, nodes: int, coiled: AbstractSet[str]) -> None:
    """Check that the provider can have what the options require.

    Args:
        nodes: How many nodes the provider has at most, when it rents none.
        coiled: The places of directives for Coiled.

    Raises:
        UsageError: it cannot; names each option, and how to run without.
    """
    able = traits(provider)
    if Trait.RENTS in able:
        _check_types(effective)
    lacks = {
        option.name: why for option, why in effective.refused(provider, able) if option.requirement
    }
    if Trait.REMOTE not in able:
        lacks |= _lacking_here(effective)
    least = effective.value("min-workers") or 1
    if Trait.RENTS not in able and least > nodes:
        lacks["min-workers"] = f"the job needs {least} nodes, but there are {nodes}"
    apart = effective.value("task-on-scheduler") is False
    if Trait.RENTS not in able and Trait.REMOTE in able and apart and nodes < 2:
        lacks["task-on-scheduler"] = "no task may run on the first node, but it is the only one"
    if not lacks:
        return
    first, *more = (blamed(effective, name, UsageError(why)) for name, why in lacks.items())
    places = {place for name in lacks for place in effective.origin(name).split(", ")}
    hint = f"to run without it: --ignore {','.join(lacks)}"
    if places & coiled:
        hint = f"this script is for Coiled; to run it here anyway: --provider {provider} --ignore "
        hint += ",".join(lacks)
    message = "; ".join([first.message, *map(str, more)])
    raise UsageError(message, where=first.where, hint=hint)


def _check_types(effective: Effective) -> None:
    """Raise UsageError when both types of machines and their sizes are asked for."""
    sized = next((name for name in ("cpu", "memory") if effective.value(name)), None)
    if effective.value("vm-type") and sized:
        clash = UsageError(
            f"--vm-type names the machines, so --{sized} cannot choose among them",
            hint=f"leave out --vm-type or --{sized}; --slots says how many tasks share a machine",
        )
        raise blamed(effective, "vm-type", clash)


def _lacking_here(effective: Effective) -> dict[str, str]:
    """Return what this computer lacks for a single task: why, by option."""
    cpu, memory, gpu, arm = map(effective.value, _HARDWARE)
    if not (cpu or memory or gpu or arm):
        return {}
    return lacking(
        node_facts(),
        cpu=cpu.low if cpu else None,
        memory=memory.low if memory else None,
        gpu=int(gpu),
        arm=arm,
    )


def node_facts() -> Facts:
    """Return the facts about this computer that its agent would tell."""
    from batchio.agent import node  # milliseconds that most jobs need not spend

    return Facts(**node.node_facts())  # type: ignore[no-any-return, typeddict-item]


def check_program(resolved: ResolvedJob, here: CallerContext) -> None:
    """Check that this computer has the program that the tasks run, as far as can be known.

    What a host setup script may install, and what a line for the shell says, is not looked at.

    Raises:
        UsageError: it has not.
    """
    command = resolved.command
    if (
        command.shell
        or resolved.host_setup
        or resolved.effective.value("host-setup-script-content")
    ):
        return
    program, where = _program(command, resolved.python, here)
    if program == sys.executable or ("/" in program and not program.startswith("/")):
        return
    env = resolved.effective.with_file("env", resolved.env_file) | dict(resolved.secrets)
    path = env.get("PATH") or here.environ.get("PATH")
    if shutil.which(program, path=path):
        return
    if os.path.exists(program) and program.startswith("/"):
        kind = "is a folder" if os.path.isdir(program) else "is not executable (chmod +x?)"
        raise UsageError(f"{program} {kind}", where=where)
    if program.startswith("/") and not where:
        raise UsageError(f"no such file: {program}")
    hint = None
    if not where and here.look(program).is_file:
        hint = f"for the file of that name in this folder: batchio run ./{program}"
    elif program == "python" and shutil.which("python3", path=path):
        hint = "did you mean python3?"
    elif not where:
        hint = f"if it is an alias or a shell command: --shell {shlex.quote(command.shown)}"
    raise UsageError(f"{program}: no such program on this computer", where=where, hint=hint)


def _program(command: Command, python: str | None, here: CallerContext) -> tuple[str, str | None]:
    """Return the program that runs, and the line of a script that names it, or None."""
    first = command.argv[0]
    if first == PYTHON:
        return python or "python3", None
    sent = next((file for file in command.files if f"./{file.path}" == first), None)
    if sent is None:
        return first, None
    source = sent.source
    text = command.text or "" if source is None else here.look(source).first_line
    line, *_ = text.splitlines() or [""]
    words = line[2:].split() if line.startswith("#!") else []
    if words and posixpath.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return (words[0], f"{source or 'the script'}:1") if words else (first, None)
