"""What the tasks of a job printed: the verbs of `Job` that read logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from batchio import tasklogs
from batchio.core.table import position_of
from batchio.options.terms import in_terms
from batchio.runtime.host import in_thread
from batchio.runtime.live import Live
from batchio.runtime.streams import Stream
from batchio.stores.logs import LINES, RAW
from batchio.tasklogs import Lines, LogPages, chosen

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.ports import JobStore
    from batchio.stores.logs import LogLine, Printed


class JobLogs:
    """The verbs of a job that read what its tasks printed."""

    _store: JobStore

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

        `async with job.log_pages() as pages`: `len(pages)` lines, of which `page(first, count)`
        returns some; `find` and `at` say which have a text or a time.

        Args:
            task, attempt, stream: As of `logs`.
            node: Only what was printed on the node of this number; None: on all.
            at_once: Do not wait until all was read; `read` reads on.
        """
        return LogPages(self._store, Lines(chosen(task), attempt, stream), node, at_once=at_once)

    @in_terms
    async def head_log(self) -> str:
        """Return what the job's head itself wrote to stderr; mostly nothing."""
        return await in_thread(self._store.head_words)

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
