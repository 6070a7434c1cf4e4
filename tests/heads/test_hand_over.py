"""A head is put on a host step by step; whatever ends a step, a job runs, or nothing is left.

The host is a folder of this computer behind a local transport; the porter, the bundle and the
heads are real.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from batchio import sync
from batchio.errors import NodeError, Unreachable
from batchio.heads import bundle, remote
from batchio.stores.folder import FolderDraft
from batchio.submit import prepare
from batchio.transports.local import LocalTransport
from tests.e2e.elsewhere import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from batchio.ports import Completed


class Host(LocalTransport):
    """A host on which one step of the hand-over, counted from 0, ends as it is told.

    Args:
        base: Its folder, as /var/tmp is.
        fault: What is raised at the step; None: nothing.
        late: Raise it when the step was done, not before.
    """

    def __init__(self, base: Path, step: int, fault: BaseException | None, *, late: bool) -> None:
        super().__init__()
        self.work = str(base)
        self._left, self._fault, self._late = step, fault, late
        self.orders = 0

    async def run(self, *words: Any, **more: Any) -> Completed:
        """Run the porter with an order."""
        self._left -= 1
        self.orders += 1
        if self._left == -1 and self._fault and not self._late:
            raise self._fault
        done = await super().run(*words, **more)
        if self._left == -1 and self._fault:
            raise self._fault
        return done


@pytest.fixture
def submit(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Host], str]:
    """Submit a job whose head is on a host; return its id."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bundle, "ROOTS", ())  # a local head in a folder needs no other library
    monkeypatch.setattr(remote, "JOB_LIMIT_S", 1.0)

    async def kept(*_: object) -> str:
        return "http://127.0.0.1:1/bundle"  # it cannot be fetched from there: over SSH, then

    monkeypatch.setattr(remote, "_kept", kept)

    def submit(host: Host) -> str:
        async def reach(_: str) -> Host:
            return host

        monkeypatch.setattr(remote, "reach", reach)
        prepared = prepare(["sh", "-c", f"echo $BATCHIO_JOB_ID >> {tmp_path}/ran"], {})
        job = prepared.create(partial(remote.stand_by, "there", prepared.workspace, {}))
        remote.start("there", prepared.workspace, job, {}, new=True)
        return job

    return submit


def test_whatever_ends_a_step_a_job_runs_once_or_nothing_is_left(
    submit: Callable[[Host], str], workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base := tmp_path / "base").mkdir()
    host = Host(base, 0, None, late=False)
    jobs = [submit(host)]
    for step in range(host.orders):
        for late in (False, True):
            for fault in (asyncio.CancelledError(), Unreachable("it is gone", where="there")):
                with pytest.raises((asyncio.CancelledError, NodeError)):
                    submit(Host(base, step, fault, late=late))
    with pytest.raises(NodeError, match="it did not answer within 180 s"):
        submit(Host(base, 1, TimeoutError(), late=False))
    commit = FolderDraft.commit

    def never(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def at_once_after(draft: FolderDraft, events: Sequence[str], **more: str) -> None:
        commit(draft, events, **more)
        raise KeyboardInterrupt

    for interrupted in (never, at_once_after):
        monkeypatch.setattr(FolderDraft, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            submit(Host(base, 0, None, late=False))
    monkeypatch.setattr(FolderDraft, "commit", commit)

    until(lambda: not list(base.iterdir()), "the host to be as it was")
    made = sync.list_jobs()
    assert [job.outcome for job in made] == ["succeeded"] * 2
    assert jobs[0] in {job.id for job in made}
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(job.id for job in made)
    assert host.orders == len(("look", "bring, by its URL", "bring"))
