"""The async verbs. The only floor that joins adapters to the runtime.

Every verb works under asyncio and under trio, and only reads unless its name says otherwise.
Verbs that read run natively under both; an inline head runs under trio through the bridge. A
job is found by its id, a unique beginning of it, or its name; None means the newest, and only
verbs that change nothing accept None.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from batchio import accounts, heads, providers, submit
from batchio.accounts import end_orphans as end_orphans
from batchio.accounts import estimate as estimate
from batchio.accounts import orphans as orphans
from batchio.accounts import preflight as preflight
from batchio.accounts import prices as prices
from batchio.accounts import regions as regions
from batchio.accounts import setup as setup
from batchio.core.cards import Wanted
from batchio.core.result import Result as Result  # noqa: TC001  (the command line names it)
from batchio.core.sizes import parse_duration
from batchio.core.traits import Trait
from batchio.heads.title import hide_arguments as hide_arguments
from batchio.job import Job as Job
from batchio.options.terms import for_command_line as for_command_line
from batchio.options.terms import in_terms, python_terms
from batchio.runtime import cards, removing
from batchio.runtime.bridge import blocking as blocking
from batchio.runtime.bridge import portable
from batchio.runtime.host import HostClock, in_thread
from batchio.runtime.host import plainly as plainly
from batchio.runtime.live import Live as Live
from batchio.runtime.notices import Notices
from batchio.runtime.streams import Stream as Stream
from batchio.stores.finding import find
from batchio.stores.logs import LogLine as LogLine
from batchio.stores.logs import Printed as Printed
from batchio.submit import Prepared as Prepared
from batchio.submit import create_environment as create_environment
from batchio.submit import dashboard_keys as dashboard_keys
from batchio.submit import delete_environment as delete_environment
from batchio.submit import environments as environments
from batchio.submit import prepare as prepare
from batchio.submit import users_environment as users_environment
from batchio.submit import workspace_of as workspace_of
from batchio.tasklogs import LogPages as LogPages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Unpack

    from batchio.core.cards import Removed
    from batchio.core.views import JobSummary, JobView
    from batchio.heads import Leading as Leading
    from batchio.options.keywords import RunOptions
    from batchio.options.words import Words as Words
    from batchio.ports import Finding as Finding
    from batchio.ports.account import Left as Left
    from batchio.ports.account import Orphan as Orphan
    from batchio.ports.account import PriceList as PriceList
    from batchio.runtime.copying import Download as Download
    from batchio.runtime.live import Change as Change
    from batchio.software.made import Made as Made
    from batchio.submit import Plan as Plan


@in_terms
async def run(command: Words, **options: Unpack[RunOptions]) -> Job:
    """Submit a job and return at once; a head of its own runs it from here on.

    Args:
        command: Words, byte for byte; or one string: the name of a script, the text of
            one (it begins with `#!` or has several lines), or a line for the shell. A path
            is a script or a program.
        **options: As in docs/reference/options.md; `head="inline"` runs the job inside
            this loop and returns when it is done; a cancelled caller cancels the job.

    Warns:
        BatchioWarning: an option is ignored, or another thing to know that stops nothing.

    Raises:
        UsageError: something about the request is wrong; nothing was made.
    """
    prepared, notices = await _prepared(command, options)
    notices.warn(await portable(preflight)(prepared))
    first = heads.forerunner(prepared.head, prepared.workspace, prepared.secrets)
    known = len(prepared.warnings)
    job = Job(prepared.workspace, await in_thread(partial(prepared.create, first)))
    notices.warn(prepared.warnings[known:])
    if notices.has_logger:
        for line in await _begun(prepared, job):
            notices.say(line)
    await heads.begin(prepared.head, prepared.workspace, job.id, prepared.secrets, new=True)
    if notices.has_logger and prepared.head == "inline":
        for line in await job.explain():
            notices.say(line)
    return job


async def _prepared(command: Words, options: Any) -> tuple[submit.Prepared, Notices]:
    """Prepare a job, and warn its caller in Python."""
    notices = Notices(options.get("logger"))
    prepared = await in_thread(partial(submit.prepare, command, options))
    notices.warn(prepared.warnings)
    return prepared, notices


async def _begun(prepared: submit.Prepared, job: Job) -> list[str]:
    """Return what the command line says of a job that begins."""
    left = await unattended(workspace=prepared.workspace.url)
    sends = [f"sending {prepared.sends}"] if prepared.sends else []
    if prepared.packages:
        sends.append(f"sending packages of {prepared.packages}")
    spec = prepared.spec
    return [
        *(
            f"no process runs job {one} any more; to continue it: batchio recover {one}"
            for one in left
        ),
        *sends,
        f"job {job.id}: {spec.name}, {len(spec.tasks)} tasks on {spec.provider}",
    ]


def launch(prepared: submit.Prepared) -> tuple[Job, Leading | None]:
    """Create the job that `submit.prepare` planned, and start its head; needs no loop.

    An inline head leads the job in a thread of this process from here on: it is returned, to
    be waited for, or cancelled.

    Raises:
        KeyboardInterrupt: so was the caller; it names the job if there is one by now.
    """
    first = heads.forerunner(prepared.head, prepared.workspace, prepared.secrets)
    job = prepared.create(first)
    try:
        leading = heads.start(prepared.head, prepared.workspace, job, prepared.secrets, new=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"job {job} was submitted; see: batchio status {job}") from None
    return Job(prepared.workspace, job), leading


@in_terms
async def plan(command: Words, **options: Unpack[RunOptions]) -> Plan:
    """Return what `run` would do: every option and its origin, the tasks, the files.

    Raises:
        UsageError: something about the request is wrong, as for `run`.
    """
    prepared = await in_thread(partial(submit.prepare, command, options))
    found = await in_thread(prepared.plan)
    return replace(found, warnings=tuple(map(python_terms, found.warnings)))


@in_terms
async def check(command: Words = ("true",), **options: Unpack[RunOptions]) -> list[Finding]:
    """Check, before there is a job, what it needs: the workspace, and each node that it could have.

    Every node is reached and greeted as the job would do it, and nothing is left there. A
    finding whose `ok` is False says what is wrong in `said`, and in `hint` what helps.

    Raises:
        UsageError: something about the request is wrong, as for `run`.
    """
    prepared, _ = await _prepared(command, options)
    return [
        found._replace(said=python_terms(found.said), hint=python_terms(found.hint))
        for found in await check_prepared(prepared)
    ]


@portable
async def check_prepared(prepared: submit.Prepared) -> list[Finding]:
    """Check what a job needs that `submit.prepare` planned."""
    from batchio.runtime import checking  # it needs asyncio, as nothing else here does

    spec = await in_thread(lambda: prepared.spec)
    if prepared.rents:  # nothing is rented for a check
        place = await in_thread(prepared.check_workspace)
        return [place, *await accounts.check(prepared)]
    provider = providers.load(spec)
    try:
        return [
            await in_thread(prepared.check_workspace),
            *await provider.check(spec),
            *await checking.check_nodes(provider, spec),
        ]
    finally:
        await provider.aclose()


@portable
async def clean_packages(typed: Mapping[str, Any]) -> list[tuple[Finding, int]]:
    """Remove packed packages from this computer, or from the hosts that options name.

    Args:
        typed: The options of a command line: name to text.

    Returns what each had, in bytes; what a job uses on a host stays.
    """
    from batchio.runtime import cleaning

    prepared = await in_thread(partial(submit.prepare, ("true",), {}, typed=typed))
    if Trait.HOSTS not in providers.traits(prepared.spec.provider):
        size = await in_thread(submit.clean_packages)
        from batchio.ports import Finding

        return [(Finding("this computer", True, ""), size)]
    provider = providers.load(prepared.spec)
    try:
        return await cleaning.clean_nodes(provider, prepared.spec)
    finally:
        await provider.aclose()


@in_terms
async def open_job(job: str | None = None, *, workspace: str | None = None) -> Job:
    """Return the job of that id, beginning of an id, or name; None for the newest.

    Raises:
        NoSuchJob: there is none, or more than one.
    """
    place = submit.workspace_of(workspace)
    return Job(place, await in_thread(partial(find, place, job)))


@in_terms
async def list_jobs(
    workspace: str | None = None,
    limit: int | None = 10,
    *,
    states: Iterable[str] = (),
    tags: Iterable[str] = (),
    name: str = "",
) -> list[JobSummary]:
    """Return the newest jobs, newest first. One that cannot be read is `unreadable`, and says
    why.

    Args:
        workspace: The place where jobs are kept; None: the usual one.
        limit: Most jobs to return; None: all.
        states: Only jobs in one of these states or outcomes: `"running"`, `"failed"`.
        tags: Only jobs with all of these tags: `"team=a"`, or `"team"` for any value.
        name: Only jobs of this name; `*` and `?` stand for any characters.
    """
    place = submit.workspace_of(workspace)
    wanted = Wanted(frozenset(states), tuple(tags), name)
    return await in_thread(partial(cards.list_cards, place, limit, HostClock(), wanted))


def watch_jobs(
    workspace: str | None = None,
    limit: int | None = 10,
    *,
    states: Iterable[str] = (),
    tags: Iterable[str] = (),
    name: str = "",
    every: float = 1.0,
) -> Stream[list[JobSummary]]:
    """Stream what `list_jobs` returns: at once, and then whenever it has changed, without end.

    Of a job that runs the duration changes all the time.

    Args:
        workspace, limit, states, tags, name: As of `list_jobs`.
        every: Seconds between two looks.
    """
    place = submit.workspace_of(workspace)
    wanted = Wanted(frozenset(states), tuple(tags), name)
    verb = in_terms(cards.watch_cards)
    return Stream(lambda: verb(place, limit, HostClock(), wanted, every))


@in_terms
async def unattended(*, limit: int | None = 5, workspace: str | None = None) -> list[str]:
    """Return ids among the newest `limit` jobs that are not done and have no head any more."""
    place = submit.workspace_of(workspace)
    return await in_thread(partial(cards.unattended, place, limit, HostClock()))


@in_terms
async def remove(job: str, *, workspace: str | None = None) -> Removed:
    """Remove a job for good, with its logs and the outputs that are in the workspace.

    Files in a folder named by `download` or `sync` stay.

    Raises:
        UsageError: it is not done; cancel it first.
        NoSuchJob: there is none, or more than one.
    """
    place = submit.workspace_of(workspace)
    found = await in_thread(partial(find, place, job))
    return await in_thread(partial(removing.remove, place, found, HostClock()))


@in_terms
async def prune(
    *, older_than: float | timedelta | str, dry_run: bool = False, workspace: str | None = None
) -> list[Removed]:
    """Remove all jobs that were done long ago, and return which. Those that are not done stay.

    Args:
        older_than: Seconds since they were done, or a text such as `"30d"`.
        dry_run: Remove nothing.

    Raises:
        UsageError: `older_than` is no duration.
    """
    place, before = submit.workspace_of(workspace), HostClock().now() - _seconds(older_than)
    return await in_thread(partial(removing.prune, place, before, dry_run=dry_run))


def _seconds(duration: float | timedelta | str) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    return parse_duration(duration) if isinstance(duration, str) else float(duration)


async def status(job: str | None = None, *, workspace: str | None = None) -> JobView:
    """Return the job's view as it is now.

    Raises:
        NoSuchJob: there is none, or more than one.
    """
    return await (await open_job(job, workspace=workspace)).status()


async def wait(
    job: str | None = None,
    *,
    timeout: float | None = None,
    check: bool = False,
    workspace: str | None = None,
) -> Result:
    """Wait for a job; see `Job.wait`."""
    return await (await open_job(job, workspace=workspace)).wait(timeout=timeout, check=check)
