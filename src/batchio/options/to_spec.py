"""The JobSpec, made from resolved options and a command. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from batchio.core.arrays import TaskIds
from batchio.core.spec import SCRIPT_NAME, Inputs, JobSpec, SentFile, Software
from batchio.errors import UsageError
from batchio.options.naming import program_name
from batchio.options.table import OPTIONS, get

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.options.command import Command
    from batchio.options.resolve import Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedJob:
    """The request for one job, once every place that says something about it has been read."""

    command: Command
    effective: Effective
    provider: str
    python: str | None = None
    """The interpreter for .py scripts; None: the node chooses."""
    environment: tuple[str, str] | None = None
    """The Python of the environment that the job names itself, and what names it."""
    activated: Mapping[str, str] = field(default_factory=dict)
    """Variables by which tasks on this computer are in that environment."""
    container: str | None = None
    """The image to run in."""
    input_filestore: str | None = None
    """URL of the store from which nodes fetch the bundle."""
    output_filestore: str | None = None
    """URL of the store for output files."""
    hosts: tuple[str, ...] = ()
    """The hosts of --hosts and of the hosts file."""
    host_setup: str | None = None
    """The text of --host-setup-script."""
    env_file: Mapping[str, str] = field(default_factory=dict)
    """The variables in the files of --env-file."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Names and values of all secrets."""
    ignored: frozenset[str] = frozenset()
    """Names of options that the provider ignores: the job has their defaults."""
    coiled: frozenset[str] = frozenset()
    """Origins of the settings that are meant as Coiled means them, such as "hello.sh:3"."""
    warnings: tuple[str, ...] = ()

    def value(self, name: str) -> Any:
        """Return the value that an option has for the job."""
        return get(name).default if name in self.ignored else self.effective.value(name)


def build(
    resolved: ResolvedJob,
    *,
    folder: str,
    files: Sequence[SentFile],
    count: int | None = None,
    inputs: Inputs = "none",
    bundle: str | None = None,
    software: Software | None = None,
) -> JobSpec:
    """Return the spec of the job that was asked for.

    Args:
        resolved: The command and the options.
        folder: The caller's current folder, absolute; --download is relative to it.
        files: Every file that travels.
        count: How many inputs a map has; None when the job maps over nothing.
        inputs: What the inputs are.
        bundle: Digest of the bundle that holds the files.
        software: The Python environment that travels, once it is packed.

    Raises:
        UsageError: no inputs to map over, or tasks for the head that do not exist.
    """
    effective, value = resolved.effective, resolved.value
    tasks, at_once = _tasks(effective, count)
    on_head = value("scheduler-task-array")
    if on_head and (missing := [i for i in on_head.ids if i not in tasks]):
        raise UsageError(f"scheduler-task-array: the job has no task {missing[0]}")
    env = effective.with_file("env", resolved.env_file)
    return JobSpec(
        **{option.spec: value(option.name) for option in OPTIONS if option.spec},
        **_hardware(resolved),
        provider=resolved.provider,
        python=resolved.python,
        container=resolved.container,
        input_filestore=resolved.input_filestore,
        output_filestore=resolved.output_filestore,
        name=value("name") or default_name(resolved.command),
        argv=resolved.command.argv,
        shell=resolved.command.shell,
        tasks=tasks,
        scheduler_tasks=on_head.ids if on_head else None,
        inputs=inputs,
        at_once=at_once,
        hosts=resolved.hosts,
        host_setup=resolved.host_setup or value("host-setup-script-content"),
        env={
            key: text
            for key, text in {**resolved.activated, **env}.items()
            if key not in resolved.secrets
        },
        secret_names=tuple(sorted(resolved.secrets)),
        files=tuple(files),
        bundle=bundle,
        software=software,
        collect=_absolute(folder, value("download")),
        sync=_absolute(folder, value("sync")),
        options={row.name: (row.text, row.origin) for row in effective.rows(short=True)},
    )


def _hardware(resolved: ResolvedJob) -> dict[str, Any]:
    """Return the fields of the spec that say what a task's node must have."""
    memory, cpu = resolved.value("memory"), resolved.value("cpu")
    return {
        "cpu": cpu.low if cpu else None,
        "cpu_max": cpu.high if cpu else None,
        "memory": int(memory.low) if memory else None,
        "memory_max": int(memory.high) if memory else None,
        "gpu": int(resolved.effective.value("gpu")),  # there are some, or the job was refused
    }


def default_name(command: Command) -> str:
    """Return a name for a job that was given none: that of its script, or what runs."""
    if command.text is not None:
        return SCRIPT_NAME
    if command.sources:
        return posixpath.basename(command.sources[0])
    return program_name(command.argv[0] if command.shell else command.argv)


def _tasks(effective: Effective, count: int | None) -> tuple[TaskIds, int | None]:
    """Return the ids of the tasks, and how many of them may run at a time."""
    array = effective.value("array")
    if array is not None:
        return array.ids, array.at_once
    if count is None:
        return TaskIds.count(effective.value("ntasks") or 1), None
    if count == 0:
        name = next((n for n in _MAPS if effective.is_set(n)), "map-over-values")
        raise UsageError(f"{name}: no values given")
    return TaskIds.count(count), None


_MAPS: Final = ("map-over-file", "map-over-values", "map-over-task-var-dicts")


def _absolute(folder: str, path: str | None) -> str | None:
    return posixpath.normpath(posixpath.join(folder, path)) if path else None
