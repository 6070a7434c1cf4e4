"""Make a JobSpec from settled options and a command. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from batchio.core.arrays import TaskIds
from batchio.core.spec import SCRIPT_NAME, Inputs, JobSpec, SentFile
from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.options.command import Command
    from batchio.options.resolve import Effective


def build(
    effective: Effective,
    command: Command,
    *,
    folder: str,
    count: int | None = None,
    inputs: Inputs = "none",
    env_file: Mapping[str, str] | None = None,
    secret_names: Sequence[str] = (),
    hosts: Sequence[str] | None = None,
    host_setup: str | None = None,
    files: Sequence[SentFile] | None = None,
    bundle: str | None = None,
) -> JobSpec:
    """The spec of the job that these options and this command make.

    Args:
        effective: the settled options.
        command: what runs.
        folder: the caller's current folder, absolute; --download is relative to it.
        count: how many inputs a map has; None when the job maps over nothing.
        inputs: what the inputs are.
        env_file: what the file of --env-file holds.
        secret_names: names from --secret-env and its file.
        hosts: all hosts when a hosts file was read, else those of --hosts count.
        host_setup: the text of --host-setup-script.
        files: everything that travels; None: what the command names.
        bundle: digest of the bundle that holds them.

    Raises:
        UsageError: no inputs to map over, or tasks for the head that do not exist.
    """
    value = effective.value
    tasks, at_once = _tasks(effective, count)
    on_head = value("scheduler-task-array")
    if on_head and (missing := [i for i in on_head.ids if i not in tasks]):
        raise UsageError(f"scheduler-task-array: the job has no task {missing[0]}")
    memory, cpu = value("memory"), value("cpu")
    secrets = {*secret_names, *value("secret-env")}
    env = effective.with_file("env", env_file or {})
    if files is None:
        files = [SentFile(file.path, file.size, file.mode) for file in command.files]
    return JobSpec(
        **{name: value(option) for name, option in _AS_THEY_ARE.items()},
        name=value("name") or default_name(command),
        argv=command.argv,
        shell=command.shell,
        tasks=tasks,
        scheduler_tasks=on_head.ids if on_head else None,
        inputs=inputs,
        at_once=at_once,
        cpu=cpu.low if cpu else None,
        cpu_max=cpu.high if cpu else None,
        memory=int(memory.low) if memory else None,
        memory_max=int(memory.high) if memory else None,
        gpu=int(value("gpu")),
        hosts=tuple(value("hosts") if hosts is None else hosts),
        host_setup=host_setup or value("host-setup-script-content"),
        env={key: text for key, text in env.items() if key not in secrets},
        secret_names=tuple(sorted(secrets)),
        files=tuple(files),
        bundle=bundle,
        collect=_absolute(folder, value("download") or value("sync")),
        options={row.name: (row.text, row.origin) for row in effective.rows()},
    )


_AS_THEY_ARE: Final[Mapping[str, str]] = {
    "provider": "provider",
    "head": "head",
    "python": "python",
    "task_on_scheduler": "task-on-scheduler",
    "input_var": "map-over-input-var",
    "max_workers": "max-workers",
    "min_workers": "min-workers",
    "wait_for_ready": "wait-for-ready-cluster",
    "slots": "slots",
    "container": "container",
    "run_on_host": "run-on-host",
    "ignore_entrypoint": "ignore-container-entrypoint",
    "tags": "tag",
    "job_timeout": "job-timeout",
    "task_timeout": "task-timeout",
    "node_timeout": "node-timeout",
    "grace": "grace",
    "max_retries": "max-retries",
    "retry_on": "retry-on",
    "retry_delay": "retry-delay",
    "max_infra_retries": "max-infra-retries",
    "max_output": "max-output",
    "pipe_to_files": "pipe-to-files",
    "keep_on_host": "keep-on-host",
}
"""Fields of the spec that are the value of an option, unchanged."""


def default_name(command: Command) -> str:
    """A name for a job that was given none: that of its script, or its first word."""
    if command.text is not None:
        return SCRIPT_NAME
    line = command.argv[0].split() if command.shell else command.argv
    return posixpath.basename((command.sources or line)[0]) or "job"


def _tasks(effective: Effective, count: int | None) -> tuple[TaskIds, int | None]:
    """The ids of the tasks, and how many of them may run at a time."""
    array = effective.value("array")
    if array is not None:
        return array.ids, array.at_once
    if count is None:
        return TaskIds.count(effective.value("ntasks") or 1), None
    if count == 0:
        name = next((n for n in _MAPS if effective.is_set(n)), "map-over-values")
        raise UsageError(f"{name}: there are no values to map over")
    return TaskIds.count(count), None


_MAPS: Final = ("map-over-file", "map-over-values", "map-over-task-var-dicts")


def _absolute(folder: str, path: str | None) -> str | None:
    return posixpath.normpath(posixpath.join(folder, path)) if path else None
