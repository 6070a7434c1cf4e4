"""The JobSpec: what a job is, once the value of every option is known.

Pure data, made once by `options.to_spec.build`, journaled as JSON, read by the machine and
the runtime. It holds no secret values and no input texts: those live elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, NamedTuple

from batchio.core.arrays import TaskIds, parse_ids
from batchio.core.record import Record
from batchio.core.sizes import format_bytes
from batchio.errors import BatchioError

SPEC_VERSION: Final = 1

PYTHON: Final = "{python}"
"""Placeholder in argv for the node's Python interpreter; the provider replaces it."""

HEADS_HERE: Final = ("local", "inline")
"""The kinds of heads on the computer of whoever starts them; any other is the word of a host."""

SHELL: Final = "/bin/sh"
SCRIPT_NAME: Final = "script"
"""The file name of a script that was given as text."""

Inputs = Literal["none", "values", "records"]


class SentFile(NamedTuple):
    """A file that travels: where it arrives, its size in bytes, its mode bits."""

    path: str
    size: int
    mode: int


class Software(NamedTuple):
    """The Python environment that travels."""

    digest: str
    """Digest of its recipe."""
    python: str
    """Version of the Python that it was found with, "3.12.1"."""
    packages: int
    """Number of packages and folders in it."""
    size: int
    """Bytes of all its pieces."""

    def __str__(self) -> str:
        """Describe it in one line: "Python 3.12.1, 55 packages (575 MiB), 4f2a90c1"."""
        count = "1 package" if self.packages == 1 else f"{self.packages} packages"
        return f"Python {self.python}, {count} ({format_bytes(self.size)}), {self.digest[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class JobSpec(Record):
    """One job as it shall run. Times are seconds, sizes bytes."""

    name: str
    provider: str
    argv: tuple[str, ...]
    """The words of the command; with `shell`, one string for /bin/sh -c."""
    shell: bool = False
    python: str | None = None
    """The interpreter that replaces PYTHON in argv; None: the provider chooses it."""
    tasks: TaskIds
    scheduler_tasks: TaskIds | None = None
    task_on_scheduler: bool | None = None
    inputs: Inputs = "none"
    """values: one text a task; records: one JSON object of variables a task."""
    input_var: str | None = None
    """The further variable that holds a task's input."""

    at_once: int | None = None
    """How many tasks may run at the same time, at most; None: any number."""
    max_workers: int | None = None
    """None: the provider's default; -1: no limit."""
    min_workers: int | None = None
    wait_for_ready: bool = False
    slots: int | None = None
    cpu: float | None = None
    """Least number of cores of a task's node; `cpu_max` is the most, for providers that rent."""
    cpu_max: float | None = None
    memory: int | None = None
    """Least number of bytes of memory of a task's node; `memory_max` is the most."""
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
    """Labels of the job and of everything rented for it."""

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
    """Absolute path of the local folder for the tasks' output files."""
    sync: str | None = None
    """Absolute path of the local folder to which outputs come back when all tasks are done."""
    max_output: int | None = None
    """Bytes of output files that one attempt may write; None: any number."""
    head: str = "local"
    """Kind of head that leads the job first: local, inline, or the word of a host."""
    pipe_to_files: bool = False
    keep_on_host: bool = False

    options: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For people: by option name, its value as text and the source of that value."""
    arm: bool = False
    """Whether the tasks need an ARM processor."""
    output_filestore: str | None = None
    """URL below which output files are stored, as `<job>/<task>/<path>`; None: nowhere."""
    software: Software | None = None
    """The user's Python environment, which each node gets; None: none travels."""
    keep_software: bool = True
    """Whether nodes keep its pieces after the job, for the next one."""
    max_cost: float | None = None
    """US dollars that rented nodes may cost at most; None: any number."""
    regions: tuple[str, ...] = ()
    """Where nodes may be rented, in this order; (): the account's usual region."""
    vm_types: tuple[str, ...] = ()
    """The only types of nodes to rent; (): any that fits."""
    spot_policy: str | None = None
    """on-demand, spot or spot_with_fallback; None: the provider's default."""
    cross_zone: bool | None = None
    """Whether nodes may be in several zones; None: the provider chooses."""
    disk: int | None = None
    """Bytes of a rented node's disk; None: the provider's default."""
    image: str | None = None
    """Id of the machine image that rented nodes boot."""
    subnet: str | None = None
    """Id of the only subnet that rented nodes may be in."""
    allow_ssh_from: str | None = None
    """From where rented nodes let SSH in: me, everyone or a CIDR."""
    profile: str | None = None
    """Name of the instance profile of rented nodes."""
    package_sync_strict: bool = False
    """Whether a node of another kind gets no packages that differ from those of `software`."""

    def to_json(self) -> dict[str, Any]:
        """Return this spec as plain JSON values; `from_json` makes an equal spec of them."""
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
        """Read the spec that `to_json` wrote.

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
    "regions": tuple,
    "vm_types": tuple,
    "secret_names": tuple,
    "tasks": _ids,
    "scheduler_tasks": _ids,
    "retry_on": _pairs,
    "files": lambda rows: tuple(SentFile(*row) for row in rows),
    "software": lambda row: None if row is None else Software(*row),
    "options": lambda rows: {name: tuple(row) for name, row in rows.items()},
}
