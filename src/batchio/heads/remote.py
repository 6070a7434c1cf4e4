"""A head on another computer, from this side: it is put there, waited for, and taken away.

Whoever submits has the head stand by before the job is made: it waits for the job, and leaves
when none comes. So a client that dies leaves a job with a head, or nothing at all.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from batchio import filestores
from batchio.core.checks import items, text
from batchio.core.events import HeadStarted
from batchio.errors import BatchioError, HeadGone, NodeError, UsageError
from batchio.heads import porter, units
from batchio.heads.bundle import bundle_for
from batchio.heads.platform import platform_of
from batchio.providers.hosts import parse_host
from batchio.providers.ssh import reach
from batchio.runtime.bootstrap import BASE
from batchio.runtime.bridge import blocking
from batchio.runtime.replay import Fold
from batchio.stores.bucket import default_copies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from batchio.core.spec import JobSpec
    from batchio.heads.bundle import Bundle
    from batchio.ports import JobStore, Transport, Workspace

LIMIT_S: Final = 120.0
"""Seconds that a hand-over may take, from the head's start to its first sign in the journal."""

JOB_LIMIT_S: Final = 60.0
"""Seconds for which a head that stands by waits for its job, whose journal is written next."""

PATIENCE_S: Final = 180.0
"""Seconds that one order to the porter may take: a bundle is sent, hosts are tried."""

PATIENT_S: Final = 4.0
"""Seconds after which the host is asked whether the head it started still runs, and how often."""

TIDY_S: Final = 5.0
"""Seconds for which a host of a dead head is asked to remove what is left of it."""

SIGNED_S: Final = 3600.0
"""Seconds for which the URL of a bundle is good."""

CREDENTIALS: Final = ("AWS_", "AZURE_", "GOOGLE_")
"""What the names of variables begin with that open buckets."""

PYTHONS: Final = (
    "python3.13", "python3.12", "python3.11", "python3", "/usr/bin/python3",
    "/usr/local/bin/python3",
)  # fmt: skip
"""Where a host may have a Python that runs a head, in the order in which they are tried."""

NONE: Final = 91
"""The exit code that says that there is no such Python."""

_FIND: Final = (
    "IFS=:; for python in $1; do "
    "\"$python\" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' "
    "</dev/null >/dev/null 2>&1 || continue; "
    "exec \"$python\" -I -S -c 'import sys; exec(sys.stdin.buffer.read(int(sys.argv[1])))' $2; "
    f"done; exit {NONE}"
)


class Looked(NamedTuple):
    """What a host says of itself."""

    python: str
    """Path of the Python that will run the head."""
    system: str
    version: str
    machine: str
    libc: str


def stand_by(
    kind: str, workspace: Workspace, secrets: Mapping[str, str], job: str, spec: JobSpec
) -> list[str]:
    """Have a head wait on its host for a job, which need not be there; return warnings.

    Raises:
        UsageError: that host has no Python 3.11, no room, or reaches not the workspace, or none
            of the job's hosts.
        NodeError: it cannot be reached, or does not do as it is told.
    """
    return blocking(partial(_stand_by, kind, workspace, dict(secrets), job, spec))


def await_lead(kind: str, store: JobStore, after: int = 0) -> None:
    """Return when a head that was started on its host leads the job.

    Args:
        after: Position in the journal behind which its first sign is to stand.

    Raises:
        HeadGone: it does not, within LIMIT_S. What was started is removed; says its last words.
    """
    blocking(partial(_await_lead, kind, store, after))


def start(
    kind: str, workspace: Workspace, job: str, secrets: Mapping[str, str], *, new: bool
) -> None:
    """Start a head on its host, unless it stands by already for a `new` job; wait until it leads.

    Raises:
        UsageError, NodeError: as `stand_by`.
        HeadGone: as `await_lead`. A new job is removed, since nobody leads it.
    """
    store = workspace.job(job)
    if new:
        try:
            await_lead(kind, store)
        except HeadGone:
            with suppress(BatchioError):  # a lease: somebody leads it after all
                workspace.remove(job)
            raise
        return
    with closing(store.reader()) as past:
        after = past.last()
        fold = Fold(past, lenient=True)
        fold.catch_up()
    try:
        stand_by(kind, workspace, secrets, job, fold.machine.running_job.spec)
    except NodeError as err:
        err.hint = f"this computer goes on with the job: batchio recover {job} --head local"
        raise
    await_lead(kind, store, after)


def tidy(kind: str, job: str) -> None:
    """Remove what a dead head left on its host, if that can be reached at once."""

    async def briefly() -> None:
        with suppress(BatchioError, TimeoutError):
            async with asyncio.timeout(TIDY_S):
                await take_away(kind, job)

    blocking(briefly)


async def _stand_by(
    kind: str, workspace: Workspace, secrets: dict[str, str], job: str, spec: JobSpec
) -> list[str]:
    transport = await reach(kind)
    try:
        host = _Host(kind, transport)
        looked = await host.look(_sent_by(spec))
        bundle = await asyncio.to_thread(_bundle, looked, workspace.url)
        order = {
            "verb": "bring",
            "job": job,
            "digest": bundle.digest,
            "unit": units.unit(job),
            "secrets": secrets,
            "head": {
                "job": job,
                "workspace": workspace.url,
                "kind": kind,
                "patience": JOB_LIMIT_S,
                "provider": spec.provider,
                "hosts": list(spec.hosts),
                "environ": credentials(os.environ),
            },
        }
        url = await _kept(bundle, workspace.url)
        said = await host.tell({**order, "url": url})
        if not said.get("placed"):  # it has no way to the bucket's URLs: over SSH, then
            said = await host.tell({**order, "url": ""}, bundle.file)
        return _judged(said, kind, workspace, spec)
    finally:
        await transport.close()


def _sent_by(spec: JobSpec) -> int:
    """Return the bytes that a job's head sends to nodes, of which it has a copy."""
    packages = spec.software.size if spec.software else 0
    return packages + sum(file.size for file in spec.files)


def _bundle(looked: Looked, url: str) -> Bundle:
    platform = platform_of(looked.version, looked.machine, looked.libc)
    return bundle_for(platform, default_copies(os.environ) / "heads", urlsplit(url).scheme)


async def _kept(bundle: Bundle, url: str) -> str:
    """Keep a bundle in the workspace, which has it already after the first time; return its URL."""
    store = filestores.open_store(url)
    await store.put(bundle.file)
    return await store.sign(bundle.digest, SIGNED_S)


def _judged(said: dict[str, Any], kind: str, workspace: Workspace, spec: JobSpec) -> list[str]:
    """Return warnings about what a host reaches. Raises UsageError when it started no head."""
    if trouble := text(said.get("workspace", "")):
        raise UsageError(
            f"{kind} does not reach the workspace: {trouble}",
            where=workspace.url,
            hint=f"try it there, with the same credentials: ssh {kind}",
        )
    lost = [(text(host), text(why)) for host, why in items(said.get("hosts", []))]
    if lost and len(lost) == len(spec.hosts):
        raise UsageError(
            f"{kind} reaches none of the hosts: {lost[0][0]}: {lost[0][1]}",
            hint=f"the head goes to them as `ssh` does on {kind}, with its keys, not with yours; "
            f"try it: ssh {kind} ssh {lost[0][0]}",
        )
    return [f"{kind} does not reach {host} now: {why}" for host, why in lost]


def credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that open buckets; paths stay here, for they mean nothing elsewhere."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(CREDENTIALS) and not value.startswith("/") and value
    }


async def _await_lead(kind: str, store: JobStore, after: int) -> None:
    loop = asyncio.get_running_loop()
    limit, look = loop.time() + LIMIT_S, loop.time() + PATIENT_S
    pause, slow = store.pace.news
    with closing(await asyncio.to_thread(store.reader)) as past:
        while loop.time() < limit:
            runs = True
            if loop.time() >= look:
                runs = await _runs(kind, store.id)
                look = loop.time() + PATIENT_S
            for position, event in await asyncio.to_thread(past.events, after):
                after = position
                if isinstance(event, HeadStarted):
                    return
            if not runs:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, slow)
    said = await asyncio.to_thread(store.last_words)
    left = f"what was started there is removed; try there: ssh {kind}"
    try:
        words = await take_away(kind, store.id)
    except BatchioError as err:
        words, left = str(err), f"what was started there may still be there: ssh {kind}"
    raise HeadGone(
        f"no head started on {kind} for job {store.id}: {_last(said or words)}", hint=left
    )


async def _runs(kind: str, job: str) -> bool:
    """Return whether a head runs on its host, as far as that can be told."""
    with suppress(BatchioError, TimeoutError):
        transport = await reach(kind)
        try:
            said = await _Host(kind, transport).tell({"verb": "ask", "job": job})
            return bool(said.get("runs"))
        finally:
            await transport.close()
    return True


async def take_away(kind: str, job: str) -> str:
    """End a head on its host, remove all there is of it, and return the end of its log.

    Raises:
        NodeError: nobody knows whether that was done.
    """
    transport = await reach(kind)
    try:
        said = await _Host(kind, transport).tell({"verb": "end", "job": job})
        return text(said.get("words", ""))
    finally:
        await transport.close()


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else "it gives no reason"


class _Host:
    """A computer for heads that is connected now."""

    def __init__(self, kind: str, transport: Transport) -> None:
        self._transport = transport
        self._base = transport.work or BASE
        named = parse_host(kind).python
        self._pythons = (named,) if named else PYTHONS

    async def look(self, room: int) -> Looked:
        """Ask what it is.

        Args:
            room: Bytes that the job's head needs there besides its own.

        Raises:
            UsageError: no head can run there.
        """
        said = await self.tell({"verb": "look", "room": room})
        known = ("executable", "system", "python", "machine", "libc")
        looked = Looked(*(text(said.get(name, "")) for name in known))
        if looked.system != "linux":
            raise UsageError(f"{self._transport.where} is no Linux, so no head can run there")
        self._pythons = (looked.python,)
        return looked

    async def tell(self, order: dict[str, Any], more: Path | None = None) -> dict[str, Any]:
        """Have the porter carry out an order, and return its answer.

        Raises:
            UsageError: there is no Python 3.11, or it cannot be used for a head.
            NodeError: it could not be carried out.
        """
        source = _porter()
        argv = ["/bin/sh", "-c", _FIND, "sh", ":".join(self._pythons), str(len(source))]
        line = json.dumps({"base": self._base, **order}).encode() + b"\n"
        where, sent = self._transport.where, _sent(source + line, more)
        try:
            done = await self._transport.run(argv, stdin=sent, timeout=PATIENCE_S)
        except TimeoutError:
            raise NodeError(f"it did not answer within {PATIENCE_S:.0f} s", where=where) from None
        if done.exit_code == NONE:
            raise UsageError(
                f"{where} has no Python 3.11 or newer, which a head needs",
                hint="install one, or say where it is: HOST?python=PATH",
            )
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = lines[-1].removeprefix("porter: ") if lines else f"exit code {done.exit_code}"
        if done.exit_code and order["verb"] == "look":
            hint = "to use another folder there: HOST?work=PATH"
            raise UsageError(f"no head can run on {where}: {why}", hint=hint)
        if done.exit_code:
            raise NodeError(f"it cannot be given a head: {why}", where=where)
        try:
            answer = json.loads(done.stdout.decode("utf-8", "replace").splitlines()[-1])
        except (ValueError, IndexError):
            answer = None
        if not isinstance(answer, dict):
            raise NodeError(f"it answers what is none: {done.stdout[:80]!r}", where=where)
        return answer


def _porter() -> bytes:
    return Path(porter.__file__).read_bytes() + b"\n\nraise SystemExit(main())\n"


async def _sent(first: bytes, more: Path | None) -> AsyncIterator[bytes]:
    yield first
    if more is not None:
        with more.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, 1 << 20):
                yield chunk
