"""One job: its verbs, which read its state or change it.

Every verb waits with `runtime.host` only, so it runs natively under asyncio and trio, and
without a loop. Verbs only read unless their name says otherwise.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from batchio import heads, tasklogs
from batchio.core.news import event_view
from batchio.core.table import position_of
from batchio.errors import JobFailed
from batchio.heads import asking
from batchio.options.terms import in_terms, python_terms
from batchio.runtime.cards import told_of
from batchio.runtime.host import in_thread
from batchio.runtime.live import Live
from batchio.runtime.notices import Notices
from batchio.runtime.streams import Stream
from batchio.runtime.waiting import until_done
from batchio.stores.logs import LINES, RAW
from batchio.tasklogs import Lines, chosen, positions_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from batchio.core.history import AttemptRow
    from batchio.core.machine import Machine
    from batchio.core.result import Result
    from batchio.core.views import JobView
    from batchio.ports import JobStore, Workspace
    from batchio.runtime.copying import Download
    from batchio.stores.logs import LogLine, Printed


class Job:
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

    def logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> Stream[LogLine]:
        """Stream what the tasks printed, in the order in which they did.

        Args:
            task: Ids, such as `3` or `"2,4-6"`; None for all.
            attempt: Only this one; None for all.
            stream: `"stdout"` or `"stderr"`; None for both.
            follow: Go on until the job is done.
            since: Unix seconds.
            tail: Only the last so many lines.

        Raises:
            UsageError: there is no such task, or no such stream.
        """
        which = Lines(chosen(task), attempt, stream, since, tail)
        verb = in_terms(tasklogs.follow if follow else tasklogs.past)
        return Stream(lambda: verb(self._store, which, LINES))

    def _watched(self, watch: Callable[[Live], object]) -> Stream[LogLine]:
        """Stream what tasks print until the job is done, while `watch` looks at the job."""
        verb = in_terms(tasklogs.follow)
        return Stream(lambda: verb(self._store, Lines(), LINES, watch=watch))

    def raw_logs(
        self,
        *,
        task: str | int | None = None,
        attempt: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        follow: bool = False,
        since: float | None = None,
    ) -> Stream[Printed]:
        """Stream what the tasks printed, byte for byte. Arguments as of `logs`."""
        which = Lines(chosen(task), attempt, stream, since)
        verb = in_terms(tasklogs.follow if follow else tasklogs.past)
        return Stream(lambda: verb(self._store, which, RAW))

    @in_terms
    async def head_log(self) -> str:
        """Return what the job's head itself wrote to stderr; mostly nothing."""
        return await in_thread(self._store.head_words)

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
        self, secrets: dict[str, str] | None = None, *, elsewhere: bool = False
    ) -> bool:
        """Start a head for a job that has none; return False when there is nothing to do.

        Args:
            secrets: The values of the job's secrets.
            elsewhere: Also when its tasks ran on another computer than this one, which is
                given up with all that may still run there.

        Raises:
            UsageError: the job needs secrets, and the values were not given; or its tasks
                ran on another computer.
        """
        machine = await self._machine()
        if machine.running_job.closed or self._store.leader():
            return False
        begin = partial(self._begin, secrets or {}, elsewhere=elsewhere)
        await asking.lead_again(self._store, begin)
        return True

    @in_terms
    async def outputs(self) -> Path:
        """Return the folder that the outputs of tasks are copied to, below each task's id."""
        collect = (await self._machine()).running_job.spec.collect
        return Path(collect) if collect else self._store.outputs()

    @in_terms
    async def download(self, folder: str | Path, *, clean: bool = False) -> Download:
        """Copy the outputs of tasks to a folder of yours, below each task's id.

        A file there that is newer than the job, and not from it, is kept with a `~` behind its
        name. No link that stands below `folder` is followed.

        Args:
            clean: First remove from there what jobs brought, and nobody has changed since.

        Raises:
            UsageError: `folder` is inside the folder of the outputs.
            WorkspaceError: something cannot be read or written.
        """
        from batchio.runtime.copying import copy_outputs  # few ask for it

        job, source = (await self._machine()).running_job, await self.outputs()
        copy = partial(copy_outputs, self._store, job, source, Path(folder), clean=clean)
        return await in_thread(copy)

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
    async def stdout(self, task: int) -> str:
        """Return what the last attempt of this task wrote to stdout; bytes not UTF-8 are U+FFFD.

        Raises:
            UsageError: the job has no such task.
        """
        return await self._text(task, "stdout")

    @in_terms
    async def stderr(self, task: int) -> str:
        """Return what the last attempt of this task wrote to stderr, as `stdout` does."""
        return await self._text(task, "stderr")

    async def _text(self, task: int, stream: Literal["stdout", "stderr"]) -> str:
        async with Live(self._store, nodes=False) as live:
            [row] = live.rows([position_of(live._machine, task)])
        which = self.raw_logs(task=task, attempt=row.attempt, stream=stream)
        return b"".join([bytes(part.data) async for part in which]).decode(errors="replace")

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

    async def _begin(
        self, secrets: dict[str, str], *, runs_tasks: bool = True, elsewhere: bool = False
    ) -> None:
        """Start a head of the kind that the job was submitted with.

        Args:
            runs_tasks: It may start tasks, which then need their secrets.

        Raises:
            UsageError: this must not be done here, or not without more secrets.
        """
        machine = await self._machine()
        spec = machine.running_job.spec
        if runs_tasks:
            heads.need_secrets(self.id, spec, secrets)
        if not elsewhere:
            heads.need_its_computer(machine)
        await heads.begin(spec.head, self._workspace, self.id, secrets)


def _inputs(store: JobStore, positions: Sequence[int]) -> list[str | None]:
    """Return the inputs of the tasks at these positions. Blocks."""
    with closing(store.inputs()) as inputs:
        return [inputs.value(position) for position in positions]
