"""The command that opens a shell where a task runs."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from batchio.cli.common import JobArgument, finished, job_and_task
from batchio.cli.options import command


@dataclass(frozen=True, slots=True, kw_only=True)
class SshArgs:
    """Arguments of `batchio ssh`."""

    job: str
    words: tuple[str, ...]
    workspace: str | None


def ssh_to(args: SshArgs) -> int:
    """Open a shell on the node of a task, with the task's folder and environment.

    With WORDS, run them there as a command instead. With JOB alone, use any node of the
    job. Hosts are contacted with your own ssh.

    \b
      batchio ssh 2bbp/3
      batchio ssh 2bbp/3 -- ls -l
    """
    words = args.words[1:] if args.words[:1] == ("--",) else args.words

    async def command_line() -> list[str]:
        job, task = await job_and_task(args.job, args.workspace)
        return await job.command_at(task, words)

    argv = finished(command_line())
    os.execvp(argv[0], argv)


ssh = command(
    "ssh",
    ssh_to,
    SshArgs,
    JobArgument(required=True),
    click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, metavar="[WORDS]..."),
    allow_interspersed_args=False,
)
