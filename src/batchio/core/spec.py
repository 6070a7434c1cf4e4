"""What a job is, once every option has been settled: the JobSpec.

Pure data, made once by `build`, journaled as JSON, read by the machine and the
runtime. It holds no secret values and no input texts: those live elsewhere.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from batchio.core.arrays import TaskIds, parse_ids
from batchio.core.command import SCRIPT_NAME
from batchio.core.record import Record
from batchio.errors import BatchioError, UsageError

if TYPE_CHECKING:
    from batchio.core.command import Command
    from batchio.core.resolve import Effective

SPEC_VERSION: Final = 1

Inputs = Literal["none", "values", "records"]


class SentFile(NamedTuple):
    """A file that travels: where it arrives, its size in bytes, its mode bits."""

    path: str
    size: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class JobSpec(Record):
    """One job as it shall run. Times are seconds, sizes bytes."""

    name: str
    provider: str
    argv: tuple[str, ...]
    """The words of the command; with `shell`, one string for /bin/sh -c."""
    shell: bool = False
    python: str | None = None
    """What stands for command.PYTHON in argv; None leaves it to the provider."""
    tasks: TaskIds
    scheduler_tasks: TaskIds | None = None
    task_on_scheduler: bool | None = None
    inputs: Inputs = "none"
    """values: one text a task; records: one JSON object of variables a task."""
    input_var: str | None = None
    """The further variable that holds a task's input."""

    at_once: int | None = None
    """At most so many tasks at a time."""
    max_workers: int | None = None
    """None: the provider's default; -1: no limit."""
    min_workers: int | None = None
    wait_for_ready: bool = False
    slots: int | None = None
    cpu: float | None = None
    cpu_max: float | None = None
    memory: int | None = None
    memory_max: int | None = None
    gpu: int = 0
    hosts: tuple[str, ...] = ()
    container: str | None = None
    run_on_host: bool | None = None
    ignore_entrypoint: bool | None = None
    host_setup: str | None = None
    """The text of the script that prepares each node."""

    env: Mapping[str, str] = field(default_factory=dict)
    secret_names: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    job_timeout: float | None = None
    task_timeout: float | None = None
    node_timeout: float = 180.0
    """How long a node may be silent before its tasks are run again elsewhere."""
    grace: float = 10.0
    max_retries: int = 0
    retry_on: tuple[tuple[int, int], ...] | None = None
    """Inclusive ranges of exit codes; None: every failure is retried."""
    retry_delay: float = 1.0
    max_infra_retries: int = 5

    files: tuple[SentFile, ...] = ()
    bundle: str | None = None
    """Digest of the bundle that holds `files`."""
    input_filestore: str | None = None
    """URL of the store from which nodes fetch the bundle; None: the head sends it."""
    collect: str | None = None
    """Absolute local folder for what the tasks leave behind."""
    pipe_to_files: bool = False
    keep_on_host: bool = False

    options: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For people: option name to its value as text and where that came from."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` of it equals this spec."""
        out: dict[str, Any] = {"version": SPEC_VERSION}
        for item in fields(self):
            value = getattr(self, item.name)
            match value:
                case TaskIds():
                    out[item.name] = str(value)
                case tuple():
                    out[item.name] = [list(v) if isinstance(v, tuple) else v for v in value]
                case Mapping():
                    out[item.name] = {
                        k: list(v) if isinstance(v, tuple) else v for k, v in value.items()
                    }
                case _:
                    out[item.name] = value
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobSpec:
        """The spec that `to_json` wrote.

        Raises:
            BatchioError: written by another version of batchio.
        """
        version = data.get("version")
        known = {item.name for item in fields(cls)}
        if version != SPEC_VERSION or not known.issuperset(data.keys() - {"version"}):
            raise BatchioError(
                f"this job was written in format {version}, and this batchio reads "
                f"format {SPEC_VERSION}",
                hint="use the version of batchio that started the job",
            )
        return cls(
            **{
                name: _READERS.get(name, _same)(value)
                for name, value in data.items()
                if name != "version"
            }
        )


def _same(value: Any) -> Any:
    return value


def _ids(text: str | None) -> TaskIds | None:
    return parse_ids(text) if text else None if text is None else TaskIds()


def _pairs(rows: list[list[int]] | None) -> tuple[tuple[int, int], ...] | None:
    return None if rows is None else tuple((low, high) for low, high in rows)


_READERS: Final[Mapping[str, Any]] = {
    "argv": tuple,
    "hosts": tuple,
    "secret_names": tuple,
    "tasks": _ids,
    "scheduler_tasks": _ids,
    "retry_on": _pairs,
    "files": lambda rows: tuple(SentFile(*row) for row in rows),
    "options": lambda rows: {name: tuple(row) for name, row in rows.items()},
}


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
