"""Shell lines that run one task of a job again, by hand. Pure."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Final

from batchio.core.spec import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchio.core.spec import JobSpec

_VARIABLE: Final = re.compile(r"\$(?:\{((?:BATCHIO|COILED)_\w+)\}|((?:BATCHIO|COILED)_\w+))")


def reproduce(
    spec: JobSpec,
    job: str,
    task: int,
    *,
    attempt: int = 1,
    given: str | None = None,
    bundle: str | None = None,
) -> str:
    """Return shell lines that run the task of this id: folder and files, variables, command.

    Values of secrets are not kept, so their lines are to be filled in. Variables about the node,
    such as BATCHIO_HOSTNAME, are left out.

    Args:
        given: The task's input, as its program sees it; None for a job that maps over nothing.
        bundle: Path of the tar of the files that travelled with the job; None: there are none.
    """
    folder = f"{job}-{task}"
    lines = [f"mkdir -p {folder} && cd {folder}"]
    if bundle is not None:
        lines.append(f"tar -xf {shlex.quote(bundle)}")
    variables = _variables(spec, job, task, attempt, given)
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines += [f"export {name}=  # a secret: its value is not kept" for name in spec.secret_names]
    if spec.container:
        lines.append(f"# it ran in the container {_one_line(spec.container)}")
    return "\n".join([*lines, _command(spec, variables)])


def _variables(
    spec: JobSpec, job: str, task: int, attempt: int, given: str | None
) -> dict[str, str]:
    """Return the variables of the task by name."""
    found = dict(spec.env)
    if given is not None and spec.inputs == "records":
        found |= {name: str(value) for name, value in json.loads(given).items()}
    elif given is not None:
        names = (spec.input_var, "BATCHIO_TASK_INPUT", "COILED_BATCH_TASK_INPUT")
        found |= {name: given for name in names if name}
    ids = ("BATCHIO_TASK_ID", "COILED_BATCH_TASK_ID", "COILED_ARRAY_TASK_ID")
    found |= dict.fromkeys(ids, str(task))
    found |= {"BATCHIO_TASK_COUNT": str(len(spec.tasks)), "BATCHIO_ATTEMPT": str(attempt)}
    return found | {"BATCHIO_JOB_ID": job, "BATCHIO_JOB_NAME": spec.name}


def _command(spec: JobSpec, variables: Mapping[str, str]) -> str:
    if spec.shell:
        return shlex.join(["sh", "-c", spec.argv[0]])
    python = spec.python or "python3"
    return shlex.join(python if word == PYTHON else _filled(word, variables) for word in spec.argv)


def _filled(word: str, variables: Mapping[str, str]) -> str:
    """Return a word of the command with the task's variables filled in, as the agent does."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], found[0]), word)


def _one_line(text: str) -> str:
    return " ".join(text.split())
