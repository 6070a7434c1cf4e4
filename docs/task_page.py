"""docs/reference/what-a-task-sees.md, with the table that a test holds a task to."""

from __future__ import annotations

from typing import Final, NamedTuple

from batchio.agent.setup import THREADS
from docs.reference_pages import NOTE


class Variable(NamedTuple):
    """A variable of a task's environment."""

    name: str
    others: str
    """Other names of the same: those of scripts written for Coiled."""
    meaning: str
    when: str = ""
    """When a task has it; "": always."""


VARIABLES: Final = (
    Variable(
        "BATCHIO_TASK_ID",
        "COILED_BATCH_TASK_ID COILED_ARRAY_TASK_ID",
        "The task's id: 0 to N-1 with `--ntasks N`, else the ids that `--array` names.",
    ),
    Variable("BATCHIO_TASK_COUNT", "COILED_BATCH_TASK_COUNT", "Number of tasks of the job."),
    Variable(
        "BATCHIO_TASK_INPUT",
        "COILED_BATCH_TASK_INPUT",
        "The task's input. With a table (CSV, JSONL) each column is a variable instead.",
        "with `--map-over-…`",
    ),
    Variable("BATCHIO_ATTEMPT", "", "1 for the first attempt, 2 for the first retry, and so on."),
    Variable("BATCHIO_JOB_ID", "COILED_CLUSTER_ID", "The job's id."),
    Variable("BATCHIO_JOB_NAME", "COILED_CLUSTER_NAME", "The job's name."),
    Variable(
        "BATCHIO_OUTPUT_DIR",
        "",
        "The working directory. What the task leaves in it comes back, if it is asked for.",
    ),
    Variable(
        "BATCHIO_SCRATCH_DIR",
        "TMPDIR",
        "A folder of the attempt's own for temporary files; it is removed with the attempt.",
    ),
    Variable("BATCHIO_CPUS", "", "Processors that the task may count on."),
    Variable("BATCHIO_MEMORY", "", "Memory in bytes: the limit of `--memory`, else all there is."),
    Variable("BATCHIO_NODE_ID", "", "Number of the machine within the job, from 0."),
    Variable("BATCHIO_HOSTNAME", "", "Name of the machine."),
    Variable(
        "BATCHIO_LOCAL_ADDRESS", "COILED_BATCH_LOCAL_ADDRESS", "Network address of the machine."
    ),
    Variable(
        "BATCHIO_SCHEDULER_ADDRESS",
        "COILED_BATCH_SCHEDULER_ADDRESS COILED_CLUSTER_HOSTNAME",
        "Address of the machine that was ready first, where others may meet.",
    ),
    Variable(
        "BATCHIO_PROCESS_TYPE",
        "COILED_BATCH_PROCESS_TYPE",
        "`scheduler` on that machine, `worker` on all others.",
    ),
    Variable(
        "BATCHIO_READY_WORKERS",
        "COILED_BATCH_READY_WORKERS",
        "Addresses of all machines that are ready, with commas between.",
    ),
    Variable("BATCHIO_AGENT", "", "Folder of the agent that runs the task; not for programs."),
    Variable("CUDA_VISIBLE_DEVICES", "", "The GPUs that the task has for itself.", "with `--gpu`"),
    Variable(
        THREADS[0].decode(),
        " ".join(name.decode() for name in THREADS[1:]),
        "Threads that numerical libraries should use, unless it is set already: the machine's "
        "processors, shared by the tasks that can run beside each other.",
    ),
)
"""All variables that batchio sets for a task."""

PAGE: Final = """\
{note}
# What a task sees

The same on this computer and on machines over SSH; where containers differ it is said.

## Variables

{table}

Besides, in this order, later ones winning: what the agent itself was started with (on this
computer your own environment, over SSH that of a login), `--env` and `--env-file`,
`--secret-env`, and the table above.

In the words of a command `$BATCHIO_TASK_ID` and all the others are filled in for each task, also
as `${{BATCHIO_TASK_ID}}`. Nothing else is touched, and no shell is involved, unless you ask for
one with `--shell`. Values of secrets are never filled in: everybody on a machine can read a
command line.

## Folders and files

The working directory is the task's own, and empty but for the files that travelled with the job
([files in and out](../how-to/files.md)): every attempt begins with fresh copies. It lies in
`/var/tmp/batchio-UID/…` on each machine, this computer included, and is removed when the attempt
has ended and its outputs were brought back.

## Standard streams

stdin is empty. stdout and stderr are kept as they come, each line with its time; short lines of
both may come apart. A program that keeps its output back until it ends, as Python does behind a
pipe, shows it late: `python -u`, or `--env PYTHONUNBUFFERED=1`.

## Limits

`--task-timeout` ends an attempt with TERM, and with KILL after the grace of ten seconds.
`--memory` is enforced where the kernel lets the agent make control groups (as root, or where
systemd delegates them); elsewhere it only decides how many tasks run beside each other, and
`batchio nodes` says so. `ulimit`s and umask are those of whoever started the agent.

## How it ends

The exit code of the program is the task's. 127: there is no such program. 126: it cannot be
started. A program that was ended by signal N shows as its name (`SIGKILL`), and shells report it
as 128+N. Whatever it left running is ended, too.

## In a container

The working directory and the scratch folder are there under the same paths, the network is the
machine's, and the variables above are passed by name. Of the machine's own environment nothing
is.
"""


def page() -> str:
    """Return the page."""
    rows = ["| variable | also as | what it says |", "| --- | --- | --- |"]
    for one in VARIABLES:
        also = ", ".join(f"`{name}`" for name in one.others.split())
        when = f" Only {one.when}." if one.when else ""
        rows.append(f"| `{one.name}` | {also} | {one.meaning}{when} |")
    return PAGE.format(note=NOTE, table="\n".join(rows))
