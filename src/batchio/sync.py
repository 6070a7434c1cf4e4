"""The same verbs, blocking: for scripts and notebooks. One engine thread, no logic.

Works where a loop already runs (a notebook), because it blocks only the calling thread.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from batchio import api
from batchio.runtime.bridge import blocking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Unpack

    from batchio.core.views import JobSummary, JobView
    from batchio.options.keywords import RunOptions
    from batchio.runtime.copying import Download
    from batchio.stores.logs import LogLine
    from batchio.submit import Plan


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
        return blocking(partial(self._job.wait, timeout=timeout, check=check))

    def status(self) -> JobView:
        """See `batchio.Job.status`."""
        return blocking(self._job.status)

    def cancel(self, tasks: str | int | None = None, why: str = "") -> None:
        """See `batchio.Job.cancel`."""
        blocking(partial(self._job.cancel, tasks, why))

    def retry(self, tasks: str | int | None = None) -> list[int]:
        """See `batchio.Job.retry`."""
        return blocking(partial(self._job.retry, tasks))

    def recover(self, secrets: dict[str, str] | None = None) -> bool:
        """See `batchio.Job.recover`."""
        return blocking(partial(self._job.recover, secrets))

    def outputs(self) -> Path:
        """See `batchio.Job.outputs`."""
        return blocking(self._job.outputs)

    def download(self, folder: str | Path) -> Download:
        """See `batchio.Job.download`."""
        return blocking(partial(self._job.download, folder))

    def explain(self, task: int | None = None) -> list[str]:
        """See `batchio.Job.explain`."""
        return blocking(partial(self._job.explain, task))

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

    def events(self) -> Iterator[dict[str, Any]]:
        """See `batchio.Job.events`."""
        return _iterate(self._job.events())


def _iterate(stream: Any) -> Iterator[Any]:
    async def step() -> list[Any]:
        async for item in stream:
            return [item]
        return []

    try:
        while found := blocking(step):
            yield found[0]
    finally:
        blocking(stream.aclose)


def run(command: str | Sequence[str], **options: Unpack[RunOptions]) -> Job:
    """See `batchio.run`."""
    return Job(blocking(partial(api.run, command, **options)))


def plan(command: str | Sequence[str], **options: Unpack[RunOptions]) -> Plan:
    """See `batchio.plan`."""
    return blocking(partial(api.plan, command, **options))


def open_job(job: str | None = None, *, workspace: str | None = None) -> Job:
    """See `batchio.open_job`."""
    return Job(blocking(partial(api.open_job, job, workspace=workspace)))


def list_jobs(*, limit: int | None = 10, workspace: str | None = None) -> list[JobSummary]:
    """See `batchio.list_jobs`."""
    return blocking(partial(api.list_jobs, limit=limit, workspace=workspace))


def unattended(*, limit: int | None = 5, workspace: str | None = None) -> list[str]:
    """See `batchio.unattended`."""
    return blocking(partial(api.unattended, limit=limit, workspace=workspace))


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
