"""The program of a head on another computer, which runs from its bundle alone.

    python -I -S BUNDLE FOLDER    be the head of the job of that folder; see `porter.py`

First it tries what it reaches, and writes that down for the porter. It begins before the job is
there: whoever submits starts it first, so that a job which is there has a head, whatever becomes
of him. It goes on where the journal ends, and when the job is done, or another head has taken
over, it removes itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchio.core.cards import TOPIC
from batchio.errors import BatchioError, NoSuchJob
from batchio.heads import porter, units
from batchio.heads.detached import be_head
from batchio.runtime.steady import since_boot
from batchio.stores import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchio.core.machine import Machine
    from batchio.core.spec import JobSpec
    from batchio.ports import JobStore

CARD_LIMIT_S: Final = 3.0
"""Seconds to wait for the job's card, which is written just behind its journal: the head's own
comes after that."""

LEASE_LIMIT_S: Final = 90.0
"""Seconds for which another head may hold the lease: after a reboot, that is our own former self.

A lease in a bucket ends a minute after its last sign of life."""

LOOK_S: Final = 0.25
"""Seconds between two looks for a job, a lease, or secrets."""

TRY_S: Final = 45.0
"""Seconds for which hosts are tried, all of them together."""

AT_ONCE: Final = 32
"""Most hosts that are tried at a time."""


def main() -> int:
    """Be a head as long as there is need; return the exit code."""
    [folder] = sys.argv[1:]
    return lead(Path(folder))


# --- before there is a job -----------------------------------------------------------


def _check(folder: Path, order: Mapping[str, Any]) -> bool:
    """Try, once, what is reached from here; write it down, and return whether it is enough."""
    file = folder / porter.CHECKED
    if not file.exists():
        trouble = _workspace_trouble(order["workspace"])
        lost = [] if trouble else asyncio.run(_unreached(order["provider"], order["hosts"]))
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"workspace": trouble, "hosts": lost}))
        part.replace(file)
    return porter.is_enough(json.loads(file.read_text()), order)


def _workspace_trouble(url: str) -> str:
    try:
        _exists(open_workspace(url).job("0"))
    except BatchioError as err:
        return str(err)
    return ""


async def _unreached(provider: str, hosts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the hosts that cannot be reached from here, and why."""
    from batchio import providers
    from batchio.core.arrays import TaskIds
    from batchio.core.spec import JobSpec

    if not hosts:
        return []
    spec = JobSpec(
        name="check", provider=provider, argv=("true",), tasks=TaskIds.count(1), hosts=tuple(hosts)
    )
    source, gate = providers.load(spec), asyncio.Semaphore(AT_ONCE)

    async def one(host: str) -> tuple[str, str] | None:
        try:
            async with asyncio.timeout(TRY_S), gate:
                await (await source.connect(host)).close()
        except TimeoutError:
            return host, f"not within {TRY_S:.0f} s"
        except BatchioError as err:
            return host, err.message
        return None

    found = await asyncio.gather(*map(one, hosts))
    await source.aclose()
    return [trouble for trouble in found if trouble]


# --- leading -------------------------------------------------------------------------


def lead(folder: Path) -> int:
    """Lead the job of a folder until it is done; return 0 when nobody need start a head again."""
    order = json.loads((folder / "order.json").read_text())
    os.environ.update(order["environ"])
    os.environ |= {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
    }
    kept = bool(os.environ.get("NOTIFY_SOCKET"))
    line = "" if kept else sys.stdin.readline()
    sys.stdin.close()
    enough = _check(folder, order)
    units.tell("READY=1")
    if not enough:
        return 0  # the porter removes what is here
    job = order["job"]
    store = open_workspace(order["workspace"]).job(job)
    try:
        if not _wait(lambda: _exists(store), order["patience"]):
            raise NoSuchJob(f"there is no job {job}: whoever submitted it did not go on")
        _wait(lambda: bool(store.shown(TOPIC)), CARD_LIMIT_S)
        machine = _replayed(store)
        spec = machine.running_job.spec
        if kept and _started_too_often(folder, store):
            return 0
        secrets = json.loads(line) if line else _secrets(store, spec, Path(order["secrets"]))
        code = _lead(store, order["kind"], secrets)
    except NoSuchJob as err:
        sys.stderr.write(f"{err}\n")
        _leave(folder, order)
        return 0
    except BatchioError as err:
        sys.stderr.write(f"error: {err}\n")
        return err.exit_code
    if code == 0 and not spec.keep_on_host:
        _leave(folder, order)
    return code


def _lead(store: JobStore, kind: str, secrets: dict[str, str]) -> int:
    """Lead until the job is closed, or another head does; return the head's exit code."""
    while True:
        if code := be_head(store, secrets, kind, units.live):
            return code
        if _replayed(store).running_job.closed:
            return 0
        if not _wait(lambda: store.leader() is None, LEASE_LIMIT_S):
            sys.stderr.write(f"another head leads job {store.id}\n")
            return 0


def _wait(true: Callable[[], bool], seconds: float) -> bool:
    """Return whether something has become true; a store that does not answer is asked again."""
    limit, beat = time.monotonic() + seconds, 0.0
    while True:
        if time.monotonic() >= beat:
            units.tell("WATCHDOG=1")
            beat = time.monotonic() + (units.interval() or 60.0)
        with suppress(BatchioError):
            if true():
                return True
        if time.monotonic() >= limit:
            return False
        time.sleep(LOOK_S)


def _secrets(store: JobStore, spec: JobSpec, file: Path) -> dict[str, str]:
    """Return the values of the secrets, which are in memory only; wait for them after a reboot."""
    if not file.exists() and spec.secret_names:
        names = ", ".join(sorted(spec.secret_names))
        again = " ".join(f"--secret-env {name}" for name in sorted(spec.secret_names))
        store.say_last_words(
            f"its head's computer, {os.uname().nodename}, was started again, and the values of its "
            f"secrets are gone: {names}\nbatchio recover {store.id} {again}"
        )
        _wait(file.exists, float("inf"))
    values: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return values


def _started_too_often(folder: Path, store: JobStore) -> bool:
    """Count this start; when there were STARTS of them in a while, say so, as the last word."""
    file, now = folder / "starts", since_boot()
    with suppress(OSError, ValueError):
        times = [float(line) for line in file.read_text().splitlines()]
        recent = [at for at in times if now - units.STARTS_S < at <= now]
        if len(recent) >= units.STARTS:
            said = store.last_words() or (folder / "head.log").read_text(errors="replace")[-500:]
            why = f": {said.strip()}" if said.strip() else "; it said nothing each time"
            store.say_last_words(
                f"its head was started {len(recent)} times within {units.STARTS_S / 60:.0f} "
                f"minutes on {os.uname().nodename}, and is given up{why}"
            )
            return True
    with file.open("a") as out:
        out.write(f"{now}\n")
    return False


def _exists(store: JobStore) -> bool:
    try:
        with closing(store.reader()) as reader:
            return reader.last() > 0
    except NoSuchJob:
        return False


def _replayed(store: JobStore) -> Machine:
    from batchio.runtime.replay import Fold

    with closing(store.reader()) as reader:
        fold = Fold(reader)
        fold.catch_up()
        return fold.machine


def _leave(folder: Path, order: Mapping[str, Any]) -> None:
    """Remove all that the porter put here; this process may go on to its end.

    Until systemd reads its files anew it knows the unit: should this process be killed before
    that, it is started again, and does this again.
    """
    with suppress(OSError):
        Path(order["secrets"]).unlink(missing_ok=True)
        if porter.keeper():
            for file in reversed(porter.unit_files(order["job"])):
                file.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
    if porter.keeper():
        porter.systemctl("daemon-reload")
