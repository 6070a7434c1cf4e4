"""The async verbs. The only floor that joins adapters to the runtime.

Every verb works under asyncio and under trio, and only reads unless its name says
otherwise. A job is found by its id, a unique beginning of it, or its name; None means the
newest, and only verbs that change nothing take None.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchio import heads, submit
from batchio.core import views
from batchio.core.explain import why_job, why_task
from batchio.core.job import EXIT_CODES
from batchio.core.news import event_view
from batchio.core.sending import preparing
from batchio.core.task import Outcome, TaskState
from batchio.errors import JobFailed, UsageError
from batchio.heads import asking
from batchio.runtime import cards
from batchio.runtime.bridge import Stream, portable
from batchio.runtime.live_status import LOADS, PREPARING, read_live_status
from batchio.runtime.watching import Watch
from batchio.stores.finding import find
from batchio.tasklogs import Lines, chosen, follow_lines, past_lines, positions_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence
    from typing import Unpack

    from batchio.core.machine import Machine
    from batchio.core.views import JobSummary, JobView, TaskRow
    from batchio.options.keywords import RunOptions
    from batchio.ports import JobStore, Workspace
    from batchio.runtime.copying import Download
    from batchio.stores.logs import LogLine
    from batchio.submit import Plan


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended."""

    job: JobView
    machine: Machine

    @property
    def outcome(self) -> str:
        """`succeeded`, `failed`, `cancelled`, `timed_out` or `lost`."""
        return self.machine.outcome.label

    @property
    def exit_code(self) -> int:
        """What `batchio wait` exits with: 0, 1 failed, 3 lost, 4 cancelled, 5 timed out."""
        return EXIT_CODES[self.machine.outcome]

    @property
    def tasks(self) -> Iterator[TaskRow]:
        """One record a task, in order; made as they are asked for."""
        return views.task_rows(self.machine, time.time())


class Job:
    """A job of a workspace. Cheap: it holds no connection and no process."""

    def __init__(self, workspace: Workspace, job: str) -> None:
        self._workspace = workspace
        self._store: JobStore = workspace.job(job)
        self.id = job
        """Short, sorts by time of submission, unique."""

    def __repr__(self) -> str:
        return f"<batchio job {self.id}>"

    @property
    def name(self) -> str:
        """What the job was called when it was submitted."""
        return self._store.name()

    @portable
    async def wait(self, *, timeout: float | None = None, check: bool = False) -> Result:
        """Wait until every task has an outcome and every node is given back.

        Args:
            timeout: Seconds to wait; the job goes on when they have passed.
            check: Raise when the job ends otherwise than succeeded.

        Raises:
            TimeoutError: `timeout` passed.
            JobFailed: `check`, and it did not succeed.
            HeadGone: nobody runs the job, so waiting is no use.
        """
        watch = Watch(self._store)
        try:
            async with asyncio.timeout(timeout):
                async for _ in watch.news():
                    pass
        finally:
            watch.close()
        result = Result(views.job_view(watch.machine, time.time()), watch.machine)
        if check and result.exit_code:
            raise JobFailed(f"job {self.id} {result.outcome}", hint=f"batchio status {self.id}")
        return result

    def events(self) -> Stream[dict[str, Any]]:
        """What happens, from the beginning to the end: one dict a fact, for people.

        `{"at": 1763900000.0, "event": "tasks_started", "node": 0, "tasks": [{…}]}`; every
        kind stands in `core/events.py`.
        """
        return Stream(self._events)

    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        watch, position = Watch(self._store), 0
        try:
            with closing(self._store.reader()) as reader:
                async for _ in watch.news():
                    ids = watch.machine.running_job.spec.tasks
                    for at, event in await asyncio.to_thread(reader.events, position):
                        position = at
                        yield event_view(event, ids)
        finally:
            watch.close()

    @portable
    async def status(self) -> JobView:
        """The job as it is now, and whether somebody runs it."""
        machine = await self.machine()
        view = views.job_view(machine, time.time())
        if view.state == "done" or view.epoch == 0:  # a new job's head is still to come
            return view
        loads, seen = self._live_status(LOADS), self._live_status(PREPARING)
        nodes = tuple(
            replace(node, load=said.get("load"), disk_free=said.get("disk_free"))
            if node.state == "ready" and (said := loads.get(node.number))
            else replace(node, why=node.why or preparing(machine.nodes[node.number], seen))
            for node in view.nodes
        )
        attended = self._store.leader() is not None
        return replace(view, nodes=nodes, attended=attended)

    async def machine(self) -> Machine:
        """The job's whole state, read only; everything people see is computed from it."""
        with closing(Watch(self._store)) as watch:
            await watch.catch_up()
        return watch.machine

    def logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: str | None = None,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> Stream[LogLine]:
        """What the tasks printed, in the order in which they did.

        Args:
            task: Ids, such as `3` or `"2,4-6"`; None for all.
            attempt: Only this one; None for all.
            stream: `"stdout"` or `"stderr"`; None for both.
            follow: Go on until the job is done.
            since: Unix seconds.
            tail: Only the last so many lines.

        Raises:
            UsageError: there is no such task.
        """
        which = Lines(chosen(task), attempt, stream, since, tail)
        if follow:
            return Stream(lambda: follow_lines(self._store, which))
        return Stream(lambda: past_lines(self._store, which))

    @portable
    async def cancel(self, tasks: str | int | None = None, why: str = "") -> None:
        """End the job, or some of its tasks. Returns when that stands in the journal.

        Pending tasks never start; running ones get TERM, and KILL after the grace.

        Raises:
            UsageError: there is no such task.
        """
        machine = await self.machine()
        positions = positions_of(machine, chosen(tasks))
        if not machine.undone:
            return
        request = {"kind": "cancel", "tasks": positions, "why": why or "cancelled"}
        await asking.ask(self._store, request, lambda: self._begin({}))

    @portable
    async def retry(self, tasks: str | int | None = None) -> list[int]:
        """Run tasks again, also of a job that is done; returns their ids.

        Args:
            tasks: Ids; None for all that ended otherwise than succeeded.

        Raises:
            UsageError: there is no such task, or one of them has not ended.
        """
        machine = await self.machine()
        positions = positions_of(machine, chosen(tasks))
        state, outcome = machine.tasks.state, machine.tasks.outcome
        if positions is None:
            bad = (Outcome.NONE, Outcome.SUCCEEDED)
            positions = [t for t in range(machine.tasks.count) if outcome[t] not in bad]
        ids = machine.running_job.spec.tasks
        for position in positions:
            if state[position] != TaskState.DONE:
                raise UsageError(f"task {ids.at(position)} has not ended yet")
        if positions:
            request = {"kind": "retry", "tasks": positions}
            await asking.ask(self._store, request, lambda: self._begin({}))
        return [ids.at(position) for position in positions]

    @portable
    async def recover(self, secrets: dict[str, str] | None = None) -> bool:
        """Start a head for a job that has none; False when there is nothing to do.

        Raises:
            UsageError: the job needs secrets, and the values were not given.
        """
        machine = await self.machine()
        if machine.running_job.closed or self._store.leader():
            return False
        needed = set(machine.running_job.spec.secret_names) - set(secrets or {})
        if needed:
            names = ", ".join(sorted(needed))
            raise UsageError(
                f"job {self.id} needs the values of its secrets again: {names}",
                hint="values are never written down; give each with --secret-env NAME",
            )
        await asking.lead_again(self._store, lambda: self._begin(secrets or {}))
        return True

    @portable
    async def outputs(self) -> Path:
        """The folder in which what the tasks left behind arrives, below each task's id."""
        collect = (await self.machine()).running_job.spec.collect
        return Path(collect) if collect else self._store.outputs()

    @portable
    async def download(self, folder: str | Path) -> Download:
        """Copy what the tasks left behind to a folder of yours, below each task's id.

        A file there that is newer than the job, and not from it, is kept with a `~` behind its
        name. No link that stands below `folder` is followed.

        Raises:
            UsageError: `folder` is inside the folder of the outputs.
            WorkspaceError: something cannot be read or written.
        """
        from batchio.runtime.copying import copy_outputs  # few ask for it

        job, source = (await self.machine()).running_job, await self.outputs()
        return await asyncio.to_thread(copy_outputs, self._store, job, source, Path(folder))

    @portable
    async def explain(self, task: int | None = None) -> list[str]:
        """Why the job, or one task, is where it is: plain sentences."""
        machine, seen = await self.machine(), self._live_status(PREPARING)
        if task is None:
            return why_job(machine, time.time(), seen)
        positions = positions_of(machine, chosen(task)) or [0]
        return why_task(machine, positions[0], time.time(), seen)

    def _live_status(self, name: str) -> dict[int, Any]:
        return read_live_status(self._store, name)

    async def _begin(self, secrets: dict[str, str]) -> None:
        """Begin a head of the kind that the job was submitted with."""
        spec = (await self.machine()).running_job.spec
        await heads.begin(spec.head, self._workspace, self.id, secrets)


@portable
async def run(command: str | Sequence[str], **options: Unpack[RunOptions]) -> Job:
    """Submit a job and return at once; a head of its own runs it from here on.

    Args:
        command: Words, byte for byte; or one string: the name of a script, the text of
            one (it begins with `#!` or has several lines), or a line for the shell.
        **options: As in docs/reference/options.md; `head="inline"` runs the job inside
            this loop and returns when it is done; who is cancelled meanwhile cancels it.

    Raises:
        UsageError: something about the request is wrong; nothing was made.
    """
    prepared = await asyncio.to_thread(submit.prepare, command, options)
    if prepared.head != "inline":
        return await asyncio.to_thread(launch, prepared)
    job = await asyncio.to_thread(prepared.create)
    await heads.begin("inline", prepared.workspace, job, prepared.secrets)
    return Job(prepared.workspace, job)


def launch(prepared: submit.Prepared) -> Job:
    """Make the job that `submit.prepare` planned, and start its head. Blocks; needs no loop."""
    job = prepared.create()
    heads.start(prepared.head, prepared.workspace, job, prepared.secrets)
    return Job(prepared.workspace, job)


@portable
async def plan(command: str | Sequence[str], **options: Unpack[RunOptions]) -> Plan:
    """What `run` would do: every option and where it comes from, the tasks, the files."""
    prepared = await asyncio.to_thread(submit.prepare, command, options)
    return await asyncio.to_thread(prepared.plan)


@portable
async def open_job(job: str | None = None, *, workspace: str | None = None) -> Job:
    """The job of that id, beginning of an id, or name; None for the newest.

    Raises:
        NoSuchJob: there is none, or more than one.
    """
    place = submit.workspace_of(workspace)
    return Job(place, await asyncio.to_thread(find, place, job))


@portable
async def list_jobs(*, limit: int | None = 10, workspace: str | None = None) -> list[JobSummary]:
    """The newest jobs, newest first. One that cannot be read is `unreadable`, and says why."""
    place = submit.workspace_of(workspace)
    return await asyncio.to_thread(cards.list_cards, place, limit, time.time())


@portable
async def unattended(*, limit: int | None = 5, workspace: str | None = None) -> list[str]:
    """Ids among the newest `limit` jobs that are not done, and that nobody runs any more."""
    place = submit.workspace_of(workspace)
    return await asyncio.to_thread(cards.unattended, place, limit)


@portable
async def status(job: str | None = None, *, workspace: str | None = None) -> JobView:
    """The job as it is now."""
    return await (await open_job(job, workspace=workspace)).status()


@portable
async def wait(
    job: str | None = None,
    *,
    timeout: float | None = None,
    check: bool = False,
    workspace: str | None = None,
) -> Result:
    """Wait for a job; see `Job.wait`."""
    return await (await open_job(job, workspace=workspace)).wait(timeout=timeout, check=check)
