"""A job that was prepared: to be described as a plan, or to be created."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from batchio import __version__
from batchio.core.cards import TOPIC, first_card
from batchio.core.events import JobSubmitted, encode
from batchio.core.record import SCHEMA
from batchio.core.sizes import format_bytes
from batchio.core.spec import PYTHON
from batchio.core.traits import Trait
from batchio.errors import BatchioError
from batchio.options.to_spec import build
from batchio.ports import Finding
from batchio.providers import check_installed, traits
from batchio.stores.trouble import unusable
from batchio.submit import earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchio.core.spec import JobSpec, Software
    from batchio.options.resolve import Effective
    from batchio.options.to_spec import ResolvedJob
    from batchio.ports import Draft, Workspace
    from batchio.submit.bundle import Bundle
    from batchio.submit.caller import CallerContext
    from batchio.submit.environment import Environment
    from batchio.submit.tasks import Source, Survey


class TaskInput(TypedDict):
    """A task of a plan, and its input."""

    id: int
    input: str | None
    """The input; None where the job maps over nothing."""


class PlannedOption(TypedDict):
    """An option that is in effect, as text, and its origin."""

    option: str
    value: str
    origin: str


class PlanDocument(TypedDict):
    """The plan of a job as JSON."""

    schema: int
    name: str
    provider: str
    argv: list[str]
    """The words of the command; with `shell`, one string for /bin/sh."""
    shell: bool
    tasks: int
    """Number of tasks."""
    first: TaskInput
    last: TaskInput
    files: list[str]
    """Paths at which files arrive in the working directory."""
    bytes: int
    """Size of all files together."""
    implied: dict[str, str]
    """Why files travel that nobody named: "imported by process.py:2", by path."""
    packages: str
    """The Python environment that travels, in one line; "" when none does."""
    options: list[PlannedOption]
    warnings: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a job. `options` are rows of name, value as text, and origin.

    Attributes:
        first: Id and input of the first task; `last` likewise.
        files: Paths at which files arrive in the working directory.
        bytes: Their size together.
        implied: Why files travel that nobody named, by path; that of a package ends in `/`.
        sends: Both in one line, for people.
        packages: The Python environment that travels, in one line; "" when none does.
    """

    name: str
    provider: str
    argv: tuple[str, ...]
    shell: bool
    tasks: int
    first: tuple[int, str | None]
    last: tuple[int, str | None]
    files: tuple[str, ...]
    bytes: int
    implied: Mapping[str, str]
    sends: str
    packages: str
    options: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...]

    def to_json(self) -> PlanDocument:
        """Return the plan as plain JSON values."""
        first, last = (TaskInput(id=task, input=text) for task, text in (self.first, self.last))
        return {
            "schema": SCHEMA,
            "name": self.name,
            "provider": self.provider,
            "argv": list(self.argv),
            "shell": self.shell,
            "tasks": self.tasks,
            "first": first,
            "last": last,
            "files": list(self.files),
            "bytes": self.bytes,
            "implied": dict(self.implied),
            "packages": self.packages,
            "options": [
                {"option": name, "value": value, "origin": origin}
                for name, value, origin in self.options
            ],
            "warnings": list(self.warnings),
        }


class Prepared:
    """A job in which nothing is wrong that can be seen without reading its inputs."""

    def __init__(
        self,
        resolved: ResolvedJob,
        source: Source | None,
        bundle: Bundle,
        environment: Environment | None,
        workspace: Workspace,
        here: CallerContext,
        warnings: list[str],
    ) -> None:
        self.workspace = workspace
        self.secrets = dict(resolved.secrets)
        """Names and values of secrets; for the head's eyes only."""
        self.warnings = warnings
        """Warnings for the user, a line each; `create` may add to them."""
        self._resolved = resolved
        self._source = source
        self._bundle = bundle
        self._environment = environment
        self._here = here
        self._survey: Survey | None = None
        self._spec: JobSpec | None = None

    @property
    def head(self) -> str:
        """The kind of head that shall run the job, as `JobSpec.head`."""
        return str(self.effective.value("head"))

    @property
    def rents(self) -> bool:
        """Whether the job's nodes cost money."""
        return Trait.RENTS in traits(self._resolved.provider)

    @property
    def effective(self) -> Effective:
        """Every option, and its origin."""
        return self._resolved.effective

    @property
    def sends(self) -> str:
        """The files that travel, for people: "process.py, data/a.csv (2 files, 12 KiB)"; or ""."""
        return str(self._bundle)

    @property
    def packages(self) -> str:
        """The Python environment that travels, for people; "" when none does."""
        return "" if self._environment is None else str(self._environment)

    @property
    def spec(self) -> JobSpec:
        """The job's spec. Before `create`, asking for it reads all inputs once.

        Raises:
            UsageError: something is wrong with the inputs, or there are none.
        """
        if self._spec is None:
            survey = self._surveyed()
            self._spec = self._built(survey.count if survey else None, None, None)
        return self._spec

    def plan(self) -> Plan:
        """Return what would run; nothing does, and nothing is left behind.

        Raises:
            UsageError: something is wrong with the inputs, or there are none.
        """
        spec, survey = self.spec, self._surveyed()
        return Plan(
            name=spec.name,
            provider=spec.provider,
            argv=_with_python(spec),
            shell=spec.shell,
            tasks=len(spec.tasks),
            first=(spec.tasks.at(0), survey.first if survey else None),
            last=(spec.tasks.at(len(spec.tasks) - 1), survey.last if survey else None),
            files=tuple(file.path for file in spec.files),
            bytes=self._bundle.size,
            implied=dict(self._bundle.implied),
            sends=self.sends,
            packages=self.packages,
            options=tuple(self.effective.rows(short=True)),
            warnings=tuple(self.warnings),
        )

    def check_workspace(self) -> Finding:
        """Check that a job can be written; what is tried is removed again."""
        place, folder = self.workspace.url, self.workspace.local
        try:
            with self.workspace.draft(time.time()):
                room = f", {format_bytes(shutil.disk_usage(folder).free)} free" if folder else ""
        except BatchioError as err:
            return Finding("workspace", False, str(err), err.hint or "")
        return Finding("workspace", True, place + room)

    def create(self, first: Callable[[str, JobSpec], list[str]] | None = None) -> str:
        """Create the job, whole or not at all, and return its id. No head runs it yet.

        Args:
            first: Called with the job's id and spec just before it is there; returns warnings.
                What it raises leaves no job.

        Raises:
            UsageError: something is wrong with the inputs, or a file has changed.
            JournalFull, WorkspaceError: it cannot be written, or what earlier jobs brought
                cannot be removed.
        """
        check_installed(self._resolved.provider)
        now = time.time()
        with self.workspace.draft(now) as draft:
            count = software = None
            if self._environment:
                pieces = self.workspace.job(draft.id).pieces()
                software, warning = self._environment.pack(self._here, pieces)
                self.warnings += [warning] if warning else []
            if self._source is not None:
                count = draft.put_inputs(self._source.read(), self._source.what)
            spec = self._spec = self._built(count, self._packed(draft), software)
            submitted = _storable(encode(JobSubmitted(now, draft.id, spec.to_json())))
            draft.show(TOPIC, first_card(draft.id, spec, now))
            if first:
                draft.send()
                self.warnings += first(draft.id, spec)
            earlier.clean(self.effective, self._here, self.workspace)
            draft.commit([submitted], name=spec.name, made_by=__version__)
            return draft.id

    def _surveyed(self) -> Survey | None:
        if self._survey is None and self._source is not None:
            self._survey = self._source.survey()
        return self._survey

    def _packed(self, draft: Draft) -> str | None:
        if not self._bundle.files:
            return None
        target = draft.bundle()
        known = len(self._bundle.warnings)
        try:
            return self._bundle.pack(target)
        except OSError as err:
            raise unusable(target, err) from err
        finally:
            self.warnings += self._bundle.warnings[known:]

    def _built(self, count: int | None, digest: str | None, software: Software | None) -> JobSpec:
        return build(
            self._resolved,
            folder=self._here.folder,
            files=self._bundle.files,
            count=count,
            inputs=self._source.kind if self._source else "none",
            bundle=digest,
            software=software,
        )


def _with_python(spec: JobSpec) -> tuple[str, ...]:
    """Return the words of the command, with the interpreter that will run it as far as known."""
    program, *words = spec.argv
    return (spec.python or "python3" if program == PYTHON else program, *words)


def _storable(text: str) -> str:
    r"""Return JSON in which bytes of argv that are not UTF-8 (PEP 383) are written as \udc80."""
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)
