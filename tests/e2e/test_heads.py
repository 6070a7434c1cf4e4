"""Who leads a job: a process of its own, forked or spawned, or whoever asks for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import batchio
from batchio import sync
from batchio.core.events import HeadStarted, RequestTaken, encode
from batchio.errors import HeadGone, NodeError, UsageError
from batchio.heads import asking, start
from batchio.heads.needs import need_host
from batchio.ports import Holder
from batchio.stores import open_workspace
from batchio.testing import MemoryWorkspace
from tests.core.machines import spec

if TYPE_CHECKING:
    from batchio.ports import JobStore

SUBMIT = """
import contextlib, json, os, sys
from batchio import api, submit

{before}
forks, fork = [], os.fork
os.fork = lambda: forks.append(1) or fork()
with api.for_command_line() if {typed} else contextlib.nullcontext():
    job, _ = api.launch(submit.prepare(["true"], {{"ntasks": 2}}))
print(json.dumps([job.id, len(forks), len(os.listdir("/proc/self/task"))]))
"""

NATIVE_THREADS = """
import threading
from obstore.store import MemoryStore
import obstore
obstore.put(MemoryStore(), "a", b"b")
assert threading.active_count() == 1, "threads of Rust are none of Python's"
"""


def kinds(store: JobStore) -> list[str]:
    """The kind of each head that a job has had."""
    with closing(store.reader()) as reader:
        return [event.kind for _, event in reader.events() if isinstance(event, HeadStarted)]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="NOT TESTED, there is no /proc")
@pytest.mark.parametrize(
    ("before", "typed", "forked"),
    [
        ("", True, True),
        ("", False, False),
        (
            "import threading; threading.Thread(target=sys.stdin.read, daemon=True).start()",
            True,
            False,
        ),
        (NATIVE_THREADS, True, False),
    ],
    ids=["alone", "a program of a user", "a thread of Python", "threads of a library in Rust"],
)
def test_a_head_is_forked_only_from_a_command_line_of_one_thread(
    workspace: Path, before: str, *, typed: bool, forked: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUBMIT.format(before=before, typed=typed)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        job, forks, threads = json.loads(child.stdout.readline())
        child.communicate()

    assert (forks > 0) == forked
    assert (threads == 1) == (before == "")
    assert sync.wait(job, timeout=60).outcome == "succeeded"
    assert kinds(open_workspace(workspace).job(job)) == ["local"]


@pytest.mark.asyncio
async def test_whoever_asks_something_of_an_inline_job_leads_it(workspace: Path) -> None:
    flag = workspace.parent / "flag"
    job = await batchio.run(f"test -e {flag}", head="inline", ntasks=2)
    store = open_workspace(workspace).job(job.id)
    assert (await job.wait(timeout=5)).outcome == "failed"
    flag.touch()

    assert await job.retry() == [0, 1]

    assert store.leader() is None
    assert (await job.wait(timeout=5)).outcome == "succeeded"
    assert kinds(store) == ["inline", "inline"]


def test_a_lost_inline_job_is_recovered_inside_the_one_who_asks(workspace: Path) -> None:
    flag = workspace.parent / "flag"
    line = f"echo started; while ! test -e {flag}; do sleep 0.05; done"
    program = f"import batchio.sync as b; b.run({line!r}, head='inline', name='mine')"
    place = open_workspace(workspace)
    with subprocess.Popen([sys.executable, "-c", program]) as child:
        while not place.jobs():
            assert child.poll() is None
        job = sync.open_job("mine")
        next(iter(job.logs(follow=True)))
        leader = place.job(job.id).leader()
        child.send_signal(signal.SIGKILL)
    flag.touch()

    assert leader == Holder(child.pid, os.uname().nodename, "inline")
    assert job.recover()
    assert job.wait(timeout=5).outcome == "succeeded"
    assert kinds(place.job(job.id)) == ["inline", "inline"]


def test_a_head_on_a_host_that_nobody_knows_is_refused_by_its_name(tmp_path: Path) -> None:
    workspace = MemoryWorkspace(tmp_path)
    job = workspace.submit(spec(1), 0.0)

    with pytest.raises(NodeError, match=r"^no\.such\.invalid: its name cannot be looked up"):
        start("no.such.invalid", workspace, job, {})


@pytest.mark.parametrize(("head", "wrong"), [("login", "needs the ssh provider"), ("a b", "host")])
def test_a_head_is_not_sent_where_it_reaches_neither_nodes_nor_journal(
    head: str, wrong: str, workspace: Path
) -> None:
    with pytest.raises(UsageError, match=wrong):
        sync.run("true", head=head)
    assert sync.list_jobs() == []
    place = open_workspace(workspace)
    with pytest.raises(UsageError, match=wrong):
        need_host(head, "local", place)
    with pytest.raises(UsageError, match=wrong):
        need_host(head, "ssh", place)


# --- asking ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    workspace = MemoryWorkspace(tmp_path)
    return workspace.job(workspace.submit(spec(1), 0.0))


@pytest.mark.asyncio
async def test_one_head_is_begun_for_a_request_and_the_journal_says_when_it_was_taken(
    store: JobStore,
) -> None:
    begun: list[str] = []

    async def begin() -> None:
        begun.append("a head")
        journal = store.lead()
        [(name, _)] = store.asked()
        taken = RequestTaken(0.0, "another"), RequestTaken(0.0, name)
        await journal.append([encode(HeadStarted(0.0, 1, "here", 1)), *map(encode, taken)])

    await asking.ask(store, {"kind": "cancel"}, begin)

    assert begun == ["a head"]


@pytest.mark.asyncio
async def test_a_head_that_takes_nothing_is_named_with_its_last_words(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_LIMIT_S", 0.1)

    async def begin() -> None:
        store.say_last_words("no room left\nmake room")

    with pytest.raises(HeadGone) as err:
        await asking.lead_again(store, begin)

    assert str(err.value) == f"no head started for job {store.id}: no room left"
    assert err.value.hint == f"see {store.head_log()}"
