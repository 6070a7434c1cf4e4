"""The same verbs, blocking: for scripts and notebooks. No logic.

They work where a loop already runs (a notebook): verbs that read need no loop, and `run` has
a thread with one of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from batchio import api
from batchio.api import blocking, plainly
from batchio.core.lens import ALL

if TYPE_CHECKING:
    from array import array
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path
    from typing import Unpack

    from batchio.api import Change, Download, Finding, LogLine, Plan, Printed, Stream
    from batchio.core.cards import Removed
    from batchio.core.history import AttemptRow
    from batchio.core.lens import Order, Where
    from batchio.core.rows import FailureGroup, TaskRow
    from batchio.core.sending import Sending
    from batchio.core.views import JobHeader, JobSummary, JobView
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
        """See `batchio.Job.name`."""
        return self._job.name

    def __repr__(self) -> str:
        return f"<batchio.sync job {self.id}>"

    def wait(self, *, timeout: float | None = None, check: bool = False) -> api.Result:
        """See `batchio.Job.wait`."""
        return plainly(self._job.wait(timeout=timeout, check=check))

    def status(self) -> JobView:
        """See `batchio.Job.status`."""
        return plainly(self._job.status())

    def cancel(self, tasks: str | int | None = None, why: str = "") -> None:
        """See `batchio.Job.cancel`."""
        plainly(self._job.cancel(tasks, why))

    def retry(
        self, tasks: str | int | None = None, secrets: dict[str, str] | None = None
    ) -> list[int]:
        """See `batchio.Job.retry`."""
        return plainly(self._job.retry(tasks, secrets))

    def recover(self, secrets: dict[str, str] | None = None, *, elsewhere: bool = False) -> bool:
        """See `batchio.Job.recover`."""
        return plainly(self._job.recover(secrets, elsewhere=elsewhere))

    def outputs(self) -> Path:
        """See `batchio.Job.outputs`."""
        return plainly(self._job.outputs())

    def download(self, folder: str | Path, *, clean: bool = False) -> Download:
        """See `batchio.Job.download`."""
        return plainly(self._job.download(folder, clean=clean))

    def explain(self, task: int | None = None) -> list[str]:
        """See `batchio.Job.explain`."""
        return plainly(self._job.explain(task))

    def logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: str | None = None,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """See `batchio.Job.logs`."""
        which = partial(self._job.logs, task=task, attempt=attempt, stream=stream, follow=follow)
        return _iterate(which(since=since, tail=tail))

    def raw_logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: str | None = None,
        follow: bool = False,
        since: float | None = None,
    ) -> Iterator[Printed]:
        """See `batchio.Job.raw_logs`."""
        which = partial(self._job.raw_logs, task=task, attempt=attempt, stream=stream)
        return _iterate(which(follow=follow, since=since))

    def head_log(self) -> str:
        """See `batchio.Job.head_log`."""
        return plainly(self._job.head_log())

    def command_at(self, task: int | None, words: Sequence[str]) -> list[str]:
        """See `batchio.Job.command_at`."""
        return plainly(self._job.command_at(task, words))

    def live(self, at: float | None = None) -> Live:
        """See `batchio.Job.live`."""
        return Live(self._job.live(at))

    def events(self) -> Iterator[dict[str, Any]]:
        """See `batchio.Job.events`."""
        return _iterate(self._job.events())


class Live:
    """A job that is watched while it goes on; mirrors `batchio.Live`."""

    def __init__(self, live: api.Live) -> None:
        self._live = live

    def __enter__(self) -> Live:
        plainly(self._live.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        plainly(self._live.__aexit__())

    @property
    def view(self) -> JobHeader:
        """See `batchio.Live.view`."""
        return self._live.view

    @property
    def position(self) -> int:
        """See `batchio.Live.position`."""
        return self._live.position

    @property
    def done(self) -> bool:
        """See `batchio.Live.done`."""
        return self._live.done

    @property
    def gone(self) -> bool:
        """See `batchio.Live.gone`."""
        return self._live.gone

    def select(self, where: Where = ALL, *order: Order) -> array[int]:
        """See `batchio.Live.select`."""
        return self._live.select(where, *order)

    def rows(self, positions: Iterable[int]) -> list[TaskRow]:
        """See `batchio.Live.rows`."""
        return self._live.rows(positions)

    def failures(self) -> list[FailureGroup]:
        """See `batchio.Live.failures`."""
        return self._live.failures()

    def why(self, task: int | None = None) -> list[str]:
        """See `batchio.Live.why`."""
        return self._live.why(task)

    def sending(self) -> Sending | None:
        """See `batchio.Live.sending`."""
        return self._live.sending()

    def attempts(self, task: int) -> list[AttemptRow]:
        """See `batchio.Live.attempts`."""
        return plainly(self._live.attempts(task))

    def seek(self, moment: float | None) -> None:
        """See `batchio.Live.seek`."""
        plainly(self._live.seek(moment))

    def look(self) -> Change | None:
        """See `batchio.Live.look`."""
        return plainly(self._live.look())

    def changes(
        self,
        *,
        at_most: float = 0.1,
        at_least: float | None = None,
        must_run: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Change]:
        """See `batchio.Live.changes`."""
        return _each(
            self._live.changes(
                at_most=at_most, at_least=at_least, must_run=must_run, timeout=timeout
            )
        )


def _each(items: AsyncIterator[T]) -> Iterator[T]:
    async def step() -> list[T]:
        async for item in items:
            return [item]
        return []

    while found := plainly(step()):
        yield found[0]


def _iterate(stream: Stream[T]) -> Iterator[T]:
    try:
        yield from _each(stream)
    finally:
        plainly(stream.aclose())


def run(command: str | Sequence[str], **options: Unpack[RunOptions]) -> Job:
    """See `batchio.run`."""
    return Job(blocking(partial(api.run, command, **options)))


def plan(command: str | Sequence[str], **options: Unpack[RunOptions]) -> Plan:
    """See `batchio.plan`."""
    return plainly(api.plan(command, **options))


def check(command: str | Sequence[str] = ("true",), **options: Unpack[RunOptions]) -> list[Finding]:
    """See `batchio.check`."""
    return blocking(partial(api.check, command, **options))


def open_job(job: str | None = None, *, workspace: str | None = None) -> Job:
    """See `batchio.open_job`."""
    return Job(plainly(api.open_job(job, workspace=workspace)))


def list_jobs(*, limit: int | None = 10, workspace: str | None = None) -> list[JobSummary]:
    """See `batchio.list_jobs`."""
    return plainly(api.list_jobs(limit=limit, workspace=workspace))


def remove(job: str, *, workspace: str | None = None) -> Removed:
    """See `batchio.remove`."""
    return plainly(api.remove(job, workspace=workspace))


def prune(
    *, older_than: float | timedelta | str, dry_run: bool = False, workspace: str | None = None
) -> list[Removed]:
    """See `batchio.prune`."""
    return plainly(api.prune(older_than=older_than, dry_run=dry_run, workspace=workspace))


def unattended(*, limit: int | None = 5, workspace: str | None = None) -> list[str]:
    """See `batchio.unattended`."""
    return plainly(api.unattended(limit=limit, workspace=workspace))


def status(job: str | None = None, *, workspace: str | None = None) -> JobView:
    """See `batchio.status`."""
    return open_job(job, workspace=workspace).status()


def wait(
    job: str | None = None,
    *,
    timeout: float | None = None,
    check: bool = False,
    workspace: str | None = None,
) -> api.Result:
    """See `batchio.wait`."""
    return open_job(job, workspace=workspace).wait(timeout=timeout, check=check)
