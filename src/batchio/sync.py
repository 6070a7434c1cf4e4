"""The same verbs, blocking: for scripts and notebooks. No logic.

They work where a loop already runs (a notebook): verbs that read need no loop, and
`head="inline"` has a thread with one of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from batchio import api
from batchio.api import blocking, plainly
from batchio.errors import JobFailed
from batchio.sync_live import Live as Live
from batchio.sync_live import LogPages as LogPages
from batchio.sync_live import each

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path
    from typing import Unpack

    from batchio.api import Download, Finding, LogLine, Plan, Printed, Stream, Words
    from batchio.core.cards import Removed
    from batchio.core.history import AttemptRow
    from batchio.core.views import JobSummary, JobView
    from batchio.options.keywords import RunOptions

T = TypeVar("T")


class Job:
    """A job, by its id; every verb blocks. Mirrors `batchio.Job`."""

    def __init__(self, job: api.Job) -> None:
        self._job = job

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def name(self) -> str:
        """The name that the job was submitted with."""
        return self._job.name

    def __repr__(self) -> str:
        return repr(self._job)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self._job == other._job

    def __hash__(self) -> int:
        return hash(self._job)

    def _repr_html_(self) -> str:
        return self._job._repr_html_()

    def wait(self, *, timeout: float | None = None, check: bool = False) -> api.Result:
        """Wait until every task has an outcome and every node is given back.

        Arguments and errors: see `batchio.Job.wait`.
        """
        try:
            return plainly(self._job.wait(timeout=timeout, check=check))
        except JobFailed as err:
            err.job = self
            raise

    def status(self) -> JobView:
        """Return the job's view as it is now, and whether a head runs it."""
        return plainly(self._job.status())

    def cancel(self, tasks: str | int | None = None, why: str = "") -> None:
        """End the job, or some of its tasks. Returns when that stands in the journal.

        Arguments and errors: see `batchio.Job.cancel`.
        """
        plainly(self._job.cancel(tasks, why))

    def retry(
        self, tasks: str | int | None = None, secrets: dict[str, str] | None = None
    ) -> list[int]:
        """Run tasks again, also of a job that is done; returns their ids.

        Arguments and errors: see `batchio.Job.retry`.
        """
        return plainly(self._job.retry(tasks, secrets))

    def recover(
        self,
        secrets: dict[str, str] | None = None,
        *,
        elsewhere: bool = False,
        head: str | None = None,
    ) -> bool:
        """Start a head for a job that has none; see `batchio.Job.recover`."""
        return plainly(self._job.recover(secrets, elsewhere=elsewhere, head=head))

    def outputs(self) -> Path:
        """Return the folder that the outputs of tasks are copied to, below each task's id."""
        return plainly(self._job.outputs())

    def download(self, folder: str | Path, *, clean: bool = False) -> Download:
        """Copy the outputs of tasks to a folder of yours, below each task's id.

        Arguments and errors: see `batchio.Job.download`.
        """
        return plainly(self._job.download(folder, clean=clean))

    def bring_back(self, folder: str | Path) -> list[str]:
        """Copy what tasks made or changed to the places that it had in a folder.

        Arguments and errors: see `batchio.Job.bring_back`.
        """
        return plainly(self._job.bring_back(folder))

    def changed_files(self, folder: str | Path = ".") -> list[str]:
        """Return which files of the job are different here; see `batchio.Job.changed_files`."""
        return plainly(self._job.changed_files(folder))

    def inputs(self, tasks: Iterable[int]) -> list[str | None]:
        """Return the inputs of the tasks of these ids; see `batchio.Job.inputs`."""
        return plainly(self._job.inputs(tasks))

    def attempts(self, task: int) -> list[AttemptRow]:
        """Return all attempts of the task of this id, oldest first; see `batchio.Job.attempts`."""
        return plainly(self._job.attempts(task))

    def stdout(self, task: int) -> str:
        """Return what the last attempt of this task wrote to stdout; bytes not UTF-8 are U+FFFD.

        Arguments and errors: see `batchio.Job.stdout`.
        """
        return plainly(self._job.stdout(task))

    def stderr(self, task: int) -> str:
        """Return what the last attempt of this task wrote to stderr, as `stdout` does."""
        return plainly(self._job.stderr(task))

    def explain(self, task: int | None = None) -> list[str]:
        """Explain in plain sentences why the job, or one task, is in its state."""
        return plainly(self._job.explain(task))

    def logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """Stream what the tasks printed, in the order in which they did.

        Arguments and errors: see `batchio.Job.logs`.
        """
        which = partial(self._job.logs, task=task, attempt=attempt, stream=stream, follow=follow)
        return _iterate(which(since=since, tail=tail))

    def raw_logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        follow: bool = False,
        since: float | None = None,
    ) -> Iterator[Printed]:
        """Stream what the tasks printed, byte for byte. Arguments as of `logs`."""
        which = partial(self._job.raw_logs, task=task, attempt=attempt, stream=stream)
        return _iterate(which(follow=follow, since=since))

    def log_pages(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        node: int | None = None,
        at_once: bool = False,
    ) -> LogPages:
        """Return what the tasks printed by number of the line, however much it is.

        `with job.log_pages() as pages`. Arguments: see `batchio.Job.log_pages`.
        """
        which = partial(self._job.log_pages, task=task, attempt=attempt, stream=stream)
        return LogPages(which(node=node, at_once=at_once))

    def head_log(self) -> str:
        """Return what the job's head itself wrote to stderr; mostly nothing."""
        return plainly(self._job.head_log())

    def note(self, text: str) -> None:
        """Write a note of yours into the job's journal, for whoever looks at the job.

        Arguments and errors: see `batchio.Job.note`.
        """
        plainly(self._job.note(text))

    def reproduce(self, task: int, attempt: int | None = None) -> str:
        """Return shell lines that run a task by hand; see `batchio.Job.reproduce`."""
        return plainly(self._job.reproduce(task, attempt))

    def report(self) -> str:
        """Return a report of the job as one HTML page, which asks nothing of a network.

        Errors: see `batchio.Job.report`.
        """
        return plainly(self._job.report())

    def save_report(self, path: str | Path, *, force: bool = False) -> None:
        """Write the report of `report` to a file: whole, or not at all.

        Arguments and errors: see `batchio.Job.save_report`.
        """
        plainly(self._job.save_report(path, force=force))

    def command_at(self, task: int | None, words: Sequence[str]) -> list[str]:
        """Return the command line that runs words, or a shell, where a task runs.

        Arguments and errors: see `batchio.Job.command_at`.
        """
        return plainly(self._job.command_at(task, words))

    def live(self, at: float | None = None, *, at_once: bool = False) -> Live:
        """Return a view that follows the job: `with job.live() as live`.

        Arguments and errors: see `batchio.Job.live`.
        """
        return Live(self._job.live(at, at_once=at_once))

    def events(self) -> Iterator[dict[str, Any]]:
        """Stream what happens, from the beginning to the end: one dict a fact, for people.

        Arguments and errors: see `batchio.Job.events`.
        """
        return _iterate(self._job.events())


def _iterate(stream: Stream[T]) -> Iterator[T]:
    try:
        yield from each(stream)
    finally:
        plainly(stream.aclose())


def run(command: Words, **options: Unpack[RunOptions]) -> Job:
    """Submit a job and return at once; a head of its own runs it from here on.

    Arguments and errors: see `batchio.run`.
    """
    return Job(plainly(api.run(command, **options)))


def plan(command: Words, **options: Unpack[RunOptions]) -> Plan:
    """Return what `run` would do: every option and its origin, the tasks, the files.

    Arguments and errors: see `batchio.plan`.
    """
    return plainly(api.plan(command, **options))


def check(command: Words = ("true",), **options: Unpack[RunOptions]) -> list[Finding]:
    """Check, before there is a job, what it needs: the workspace, and each node that it could have.

    Arguments and errors: see `batchio.check`.
    """
    return blocking(partial(api.check, command, **options))


def open_job(job: str | None = None, *, workspace: str | None = None) -> Job:
    """Return the job of that id, beginning of an id, or name; None for the newest.

    Arguments and errors: see `batchio.open_job`.
    """
    return Job(plainly(api.open_job(job, workspace=workspace)))


def list_jobs(
    workspace: str | None = None,
    limit: int | None = 10,
    *,
    states: Iterable[str] = (),
    tags: Iterable[str] = (),
    name: str = "",
) -> list[JobSummary]:
    """Return the newest jobs, newest first. Arguments: see `batchio.list_jobs`.

    One that cannot be read is `unreadable`, and says why.
    """
    return plainly(api.list_jobs(workspace, limit, states=states, tags=tags, name=name))


def watch_jobs(
    workspace: str | None = None,
    limit: int | None = 10,
    *,
    states: Iterable[str] = (),
    tags: Iterable[str] = (),
    name: str = "",
    every: float = 1.0,
) -> Iterator[list[JobSummary]]:
    """Stream what `list_jobs` returns: at once, and then whenever it has changed, without end.

    Arguments: see `batchio.watch_jobs`.
    """
    return _iterate(
        api.watch_jobs(workspace, limit, states=states, tags=tags, name=name, every=every)
    )


def remove(job: str, *, workspace: str | None = None) -> Removed:
    """Remove a job for good, with its logs and the outputs that are in the workspace.

    Arguments and errors: see `batchio.remove`.
    """
    return plainly(api.remove(job, workspace=workspace))


def prune(
    *, older_than: float | timedelta | str, dry_run: bool = False, workspace: str | None = None
) -> list[Removed]:
    """Remove all jobs that were done long ago, and return which. Those that are not done stay.

    Arguments and errors: see `batchio.prune`.
    """
    return plainly(api.prune(older_than=older_than, dry_run=dry_run, workspace=workspace))


def unattended(*, limit: int | None = 5, workspace: str | None = None) -> list[str]:
    """Return ids among the newest `limit` jobs that are not done and have no head any more."""
    return plainly(api.unattended(limit=limit, workspace=workspace))


def status(job: str | None = None, *, workspace: str | None = None) -> JobView:
    """Return the job's view as it is now; see `Job.status`."""
    return open_job(job, workspace=workspace).status()


def wait(
    job: str | None = None,
    *,
    timeout: float | None = None,
    check: bool = False,
    workspace: str | None = None,
) -> api.Result:
    """Wait for a job; see `Job.wait`."""
    return open_job(job, workspace=workspace).wait(timeout=timeout, check=check)
