"""One job: its verbs, which read its state or change it.

Every verb waits with `runtime.host` only, so it runs natively under asyncio and trio, and
without a loop. Verbs only read unless their name says otherwise.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchio import heads
from batchio.core.news import event_view
from batchio.core.reproduce import reproduce
from batchio.core.table import position_of
from batchio.errors import JobFailed, UsageError
from batchio.extras import how_to_install
from batchio.heads import asking
from batchio.job_logs import JobLogs
from batchio.options.terms import in_terms, python_terms
from batchio.runtime.cards import told_of
from batchio.runtime.host import in_thread
from batchio.runtime.live import Live
from batchio.runtime.notices import Notices
from batchio.runtime.streams import Stream
from batchio.runtime.waiting import until_done
from batchio.tasklogs import chosen, positions_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from batchio.core.history import AttemptRow
    from batchio.core.machine import Machine
    from batchio.core.result import Result
    from batchio.core.views import JobView
    from batchio.ports import JobStore, Workspace
    from batchio.runtime.copying import Download


class Job(JobLogs):
    """A job of a workspace. Cheap: it holds no connection and no process."""

    def __init__(self, workspace: Workspace, job: str) -> None:
        self._workspace = workspace
        self._store: JobStore = workspace.job(job)
        self.id = job
        """The job's id: short, unique, sorts by time of submission."""

    def __repr__(self) -> str:
        return f"<Job {self.id}{told_of(self._store)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self._where() == other._where()

    def __hash__(self) -> int:
        return hash(self._where())

    def _where(self) -> tuple[str, str]:
        return self._workspace.url, self.id

    def _repr_html_(self) -> str:
        from html import escape  # only notebooks ask for it

        return f"<code>{escape(repr(self))}</code>"

    @property
    def name(self) -> str:
        """The name that the job was submitted with."""
        return self._store.name()

    @in_terms
    async def wait(self, *, timeout: float | None = None, check: bool = False) -> Result:
        """Wait until every task has an outcome and every node is released.

        Args:
            timeout: Seconds to wait; the job goes on when they have passed.
            check: Raise when the job ends otherwise than succeeded.

        Warns:
            BatchioWarning: something to know of its nodes, each once: one cannot be reached, …

        Raises:
            TimeoutError: `timeout` passed.
            JobFailed: `check`, and it did not succeed.
            HeadGone: nobody runs the job, so waiting is no use.
            JournalCorrupt: a damaged journal does not tell how it ended.
        """
        notices = Notices()
        result = await until_done(self._store, lambda text: notices.warn([text]), timeout)
        if check and result.exit_code:
            raise self._failed(result)
        return result

    async def _ended(self) -> Result:
        """Wait as `wait` does, for a caller that shows by itself what it must know."""
        return await until_done(self._store)

    def _failed(self, result: Result) -> JobFailed:
        error = JobFailed(result.cause, hint=f"batchio explain {self.id}")
        error.job, error.result, error.failed = self, result, result.failed
        return error

    def live(self, at: float | None = None, *, at_once: bool = False) -> Live:
        """Return a view that follows the job: `async with job.live() as live`.

        `live.view` is the job without its tasks, `live.changes()` tells what happens, and
        `select`, `rows`, `attempts` and `why` look at tasks; `seek` shows another moment.

        Args:
            at: Begin at this moment of its life: Unix seconds, or the number of an event (an
                int); None: now.
            at_once: Do not wait until a long journal was read; `live.reading` is how much was.
        """
        return Live(self._store, at=at, at_once=at_once)

    def events(self) -> Stream[dict[str, Any]]:
        """Stream what happens, from the beginning to the end: one dict a fact, for people.

        `{"at": 1763900000.0, "event": "tasks_started", "node": "laptop", "tasks": [{…}]}`; every
        kind stands in `core/events.py`.
        """
        return Stream(self._events)

    @in_terms
    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        async with Live(self._store, whole=True, nodes=False) as live:
            machine = live._machine
            ids = machine.running_job.spec.tasks

            def name_of(node: int) -> str:
                return machine.nodes[node].name if node < len(machine.nodes) else str(node)

            async for change in live.changes(at_most=0.0, must_run=True):
                for event in change.events:
                    yield event_view(event, ids, name_of)

    @in_terms
    async def status(self) -> JobView:
        """Return the job's view as it is now, and whether a head runs it."""
        async with Live(self._store) as live:
            return live._whole_view()

    async def _machine(self) -> Machine:
        """Return the job's whole state, as far as it was read; it does not change any more."""
        async with Live(self._store, nodes=False) as live:
            return live._machine

    @in_terms
    async def cancel(self, tasks: str | int | None = None, why: str = "") -> None:
        """End the job, or some of its tasks. Returns when that stands in the journal.

        Pending tasks never start; running ones get TERM, and KILL after the grace.

        Raises:
            UsageError: there is no such task.
        """
        machine = await self._machine()
        positions = positions_of(machine, chosen(tasks))
        if not machine.undone:
            return
        request = {"kind": "cancel", "tasks": positions, "why": why or "cancelled"}
        await self._ask(request, {}, runs_tasks=positions is not None)

    @in_terms
    async def retry(
        self, tasks: str | int | None = None, secrets: dict[str, str] | None = None
    ) -> list[int]:
        """Run tasks again, also of a job that is done; returns their ids.

        What meanwhile runs again, or succeeded, is left alone.

        Args:
            tasks: Ids; None for all that ended otherwise than succeeded.
            secrets: The values of the job's secrets; a job that somebody runs has them.

        Raises:
            UsageError: there is no such task, or one of them has not ended; or the job needs
                secrets, and the values were not given.
        """
        machine = await self._machine()
        positions, request = asking.retry_of(machine, positions_of(machine, chosen(tasks)))
        if positions:
            await self._ask(request, secrets or {}, runs_tasks=True)
        return [machine.running_job.spec.tasks.at(position) for position in positions]

    @in_terms
    async def changed_files(self, folder: str | Path = ".") -> list[str]:
        """Return which files of the job are different below a folder by now, scripts first.

        The job runs what it was sent, also when tasks are retried.
        """
        from batchio.submit.changed import changed_files

        sent = (await self._machine()).running_job.spec.files
        if not sent:
            return []
        return await in_thread(lambda: changed_files(self._store.bundle(), sent, Path(folder)))

    @in_terms
    async def recover(
        self,
        secrets: dict[str, str] | None = None,
        *,
        elsewhere: bool = False,
        head: str | None = None,
    ) -> bool:
        """Start a head for a job that has none; return False when there is nothing to do.

        Args:
            secrets: The values of the job's secrets.
            head: `"local"`, `"inline"` or a host; None: where the last one ran.
            elsewhere: Also when its tasks ran on another computer than this one, which is
                given up with all that may still run there.

        Raises:
            UsageError: the job needs secrets, and the values were not given; or its tasks
                ran on another computer; or a head cannot be on that host.
            NodeError: that host cannot be reached.
        """
        machine = await self._machine()
        if machine.running_job.closed or await asking.is_led(self._store):
            return False
        begin = partial(self._begin, secrets or {}, elsewhere=elsewhere, kind=head)
        await asking.lead_again(self._store, begin)
        return True

    @in_terms
    async def outputs(self) -> Path:
        """Return the folder of outputs, below each task's id; UsageError: they are in a store."""
        from batchio import taskoutputs  # few ask for them

        job = (await self._machine()).running_job
        return await in_thread(partial(taskoutputs.folder, self._store, job))

    @in_terms
    async def download(self, folder: str | Path, *, clean: bool = False) -> Download:
        """Copy the outputs of tasks to a folder of yours, below each task's id.

        A file there that is newer than the job, and not from it, is kept with a `~` behind its
        name. No link that stands below `folder` is followed.

        Args:
            clean: First remove from there what jobs brought, and nobody has changed since.

        Raises:
            UsageError: `folder` is inside the folder of the outputs; or they are in a store.
            WorkspaceError: something cannot be read or written.
        """
        from batchio import taskoutputs

        job = (await self._machine()).running_job
        bring = partial(taskoutputs.bring, self._store, job, Path(folder), clean=clean)
        return await in_thread(bring)

    @in_terms
    async def bring_back(self, folder: str | Path) -> list[str]:
        """Copy what tasks made or changed to a folder, each file to the place that it had there.

        A head on this computer does so for `local_sync_path`. Nothing of yours is replaced but
        inputs as they were sent. Returns a sentence for each file that is below its task's id.

        Raises:
            UsageError, WorkspaceError: as `download`.
        """
        from batchio import taskoutputs

        job = (await self._machine()).running_job
        return await in_thread(partial(taskoutputs.bring_back, self._store, job, Path(folder)))

    @in_terms
    async def explain(self, task: int | None = None) -> list[str]:
        """Explain in plain sentences why the job, or one task, is in its state."""
        async with Live(self._store) as live:
            told = list(map(python_terms, live.why(task)))
        if task is not None and (given := (await self.inputs([task]))[0]) is not None:
            told.append(f"Its input is {given!r}.")
        return told

    @in_terms
    async def inputs(self, tasks: Iterable[int]) -> list[str | None]:
        """Return the inputs of the tasks of these ids, in their order, as their programs see them.

        The input of a task that got a record is JSON; None stands for a job that maps over
        nothing.

        Raises:
            UsageError: the job has no such task.
        """
        machine = await self._machine()
        positions = [position_of(machine, task) for task in tasks]
        if machine.running_job.spec.inputs == "none":
            return [None] * len(positions)
        return await in_thread(partial(_inputs, self._store, positions))

    @in_terms
    async def attempts(self, task: int) -> list[AttemptRow]:
        """Return all attempts of the task of this id, oldest first.

        Raises:
            UsageError: the job has no such task.
        """
        async with Live(self._store) as live:
            return await live.attempts(task)

    @in_terms
    async def note(self, text: str) -> None:
        """Write a note of yours into the job's journal, for whoever looks at the job.

        Returns when it stands there. A job that is done is not begun anew.

        Raises:
            UsageError: the text is empty, or longer than 1,000 characters; or the job is done.
        """
        if not text.strip() or len(text) > asking.MOST_NOTE:
            raise UsageError("a note has 1 to 1,000 characters")
        if (await self._machine()).running_job.closed:
            raise UsageError(f"job {self.id} is done, and nobody writes its journal any more")
        await self._ask({"kind": "note", "text": text}, {}, runs_tasks=False)

    @in_terms
    async def reproduce(self, task: int, attempt: int | None = None) -> str:
        """Return shell lines that run a task by hand: folder and files, variables, command.

        Args:
            attempt: Its number; None: the newest.

        Raises:
            UsageError: the job has no such task.
        """
        machine = await self._machine()
        newest = machine.tasks.attempt[position_of(machine, task)]
        job, [given] = machine.running_job, await self.inputs([task])
        bundle = str(await in_thread(self._store.bundle)) if job.spec.files else None
        number = attempt or newest
        return reproduce(job.spec, job.id, task, attempt=number, given=given, bundle=bundle)

    @in_terms
    async def report(self) -> str:
        """Return a report of the job as one HTML page, which asks nothing of a network.

        It needs jinja2, which the extra `report` installs.

        Raises:
            UsageError: jinja2 is missing.
        """
        try:
            from batchio.report.gathering import gather
            from batchio.report.page import page
        except ModuleNotFoundError:
            raise UsageError("a report needs jinja2", hint=how_to_install("report")) from None
        found = await gather(self._store, self.reproduce)
        return await in_thread(partial(page, found))

    @in_terms
    async def save_report(self, path: str | Path, *, force: bool = False) -> None:
        """Write the report of `report` to a file: whole, or not at all.

        Args:
            force: Write over a file that is there.

        Raises:
            UsageError: it cannot be written there; or jinja2 is missing.
        """
        from batchio.report import saving  # few ask for it

        await in_thread(partial(saving.check, Path(path), force=force))
        text = await self.report()
        await in_thread(partial(saving.save, text, Path(path), force=force))

    @in_terms
    async def command_at(self, task: int | None, words: Sequence[str]) -> list[str]:
        """Return the command line that runs words, or a shell, where a task runs.

        Args:
            task: In whose folder and environment; None: on any node of the job.

        Raises:
            UsageError: there is no such task, or it is on no node.
        """
        from batchio.node_shell import command_for

        return command_for(await self._machine(), task, words)

    async def _ask(
        self, request: dict[str, Any], secrets: dict[str, str], *, runs_tasks: bool
    ) -> None:
        begin = partial(self._begin, secrets, runs_tasks=runs_tasks)
        await asking.ask(self._store, request, begin)

    async def _begin(self, secrets: dict[str, str], **how: Any) -> None:
        """Start a head that goes on with the job. Arguments and errors: see `heads.go_on`."""
        await heads.go_on(self._workspace, await self._machine(), secrets, **how)


def _inputs(store: JobStore, positions: Sequence[int]) -> list[str | None]:
    """Return the inputs of the tasks at these positions. Blocks."""
    with closing(store.inputs()) as inputs:
        return [inputs.value(position) for position in positions]
