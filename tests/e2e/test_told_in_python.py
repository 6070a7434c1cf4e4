"""What a caller in Python is told: warnings at its line, errors in words of Python, a logger."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import queue
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import trio

import batchio
import batchio.sync
from batchio.errors import NodeError
from batchio.primitives import Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("default::batchio.BatchioWarning")

IGNORED = {"region": "us-east-2", "disk_size": 50, "spot_policy": "spot", "allow_ssh_from": "me"}
"""Options that only place a node; this computer is where it is."""

REFUSED = {"vm_type": "g5.xlarge", "software": "env", "cpu": 4000, "memory": "900TB"}
"""Options that a task may need, and that cannot be honoured here."""


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "ws")


def _line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def _in_sync(place: str) -> int:
    line = _line() + 1
    batchio.sync.run("true", workspace=place, region="us-east-2")
    return line


async def _awaited(place: str) -> int:
    line = _line() + 1
    await batchio.run("true", workspace=place, region="us-east-2")
    return line


@pytest.mark.parametrize(
    "call",
    [
        _in_sync,
        lambda place: asyncio.run(_awaited(place)),
        lambda place: trio.run(_awaited, place),
    ],
    ids=["sync", "asyncio", "trio"],
)
def test_a_warning_comes_once_at_the_line_that_called(
    place: str, call: Callable[[str], int]
) -> None:
    with pytest.warns(batchio.BatchioWarning) as caught:
        line = call(place)

    [told] = caught
    said = 'region="us-east-2": ignored, the local provider has one region: this computer'
    assert (str(told.message), told.filename, told.lineno) == (said, __file__, line)


def test_a_call_that_another_task_awaits_warns_all_the_same(place: str) -> None:
    async def main() -> None:
        await asyncio.create_task(batchio.run("true", workspace=place, region="x"))

    with pytest.warns(batchio.BatchioWarning, match=r"^region="):
        asyncio.run(main())


def test_who_waits_is_warned_once_of_what_must_be_known(place: str) -> None:
    job = batchio.sync.run("true", workspace=place, hosts=["127.0.0.1:1"])  # nobody listens
    told = queue.SimpleQueue[tuple[str, str]]()
    with warnings.catch_warnings(), ThreadPoolExecutor() as threads:
        warnings.showwarning = lambda said, _, file, *__: told.put((str(said), file))
        waiting = threads.submit(lambda: job.wait())
        first, file = told.get(timeout=60)
        job.cancel()
        result = waiting.result()

    assert "127.0.0.1:1 cannot be reached: cannot connect to port 1" in first
    assert file == __file__
    assert not [said for said in _all(told) if "cannot be reached" in said]
    assert result.outcome == "cancelled"


def _all(told: queue.SimpleQueue[tuple[str, str]]) -> Iterator[str]:
    while not told.empty():
        yield told.get()[0]


@pytest.mark.parametrize("option", IGNORED)
def test_an_option_that_is_ignored_warns_by_its_keyword(place: str, option: str) -> None:
    given: Any = {option: IGNORED[option]}
    with pytest.warns(batchio.BatchioWarning, match=f"^{option}=.*: ignored, "):
        batchio.sync.run("true", workspace=place, **given)


@pytest.mark.parametrize("option", REFUSED)
def test_an_option_that_cannot_be_honoured_is_refused_by_its_keyword(
    place: str, option: str
) -> None:
    given: Any = {option: REFUSED[option]}
    with pytest.raises(batchio.UsageError, match=f"^{option}: ") as refused:
        batchio.sync.run("true", workspace=place, **given)
    assert "--" not in f"{refused.value} {refused.value.hint}"


def test_where_warnings_are_errors_nothing_is_made(place: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(batchio.BatchioWarning, match=r"^region="):
            batchio.sync.run("true", workspace=place, region="us-east-2")
    assert batchio.sync.list_jobs(place) == []


def test_a_check_warns_too(place: str) -> None:
    with pytest.warns(batchio.BatchioWarning, match=r"^region="):
        batchio.sync.check(workspace=place, region="us-east-2")


def test_a_logger_is_told_what_the_command_line_prints(
    place: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.sh").write_text("echo hello\n")
    caplog.set_level(logging.DEBUG)

    with pytest.warns(batchio.BatchioWarning):
        job = batchio.sync.run(
            "hello.sh", ntasks=2, workspace=place, region="x", head="inline",
            logger=logging.getLogger("of.mine"),
        )  # fmt: skip

    told = [(r.name, r.levelname, r.getMessage()) for r in caplog.records if r.name == "of.mine"]
    assert told[0][1:] == (
        "WARNING",
        'region="x": ignored, the local provider has one region: this computer',
    )
    assert told[1][2].startswith("sending hello.sh")
    assert told[2][1:] == ("INFO", f"job {job.id}: hello.sh, 2 tasks on local")
    assert told[3][2].startswith("The job succeeded after ")


class _Breaking:
    """The transport of a node whose connection breaks with the first command."""

    async def run(self, *_: object, **__: object) -> Any:
        raise NodeError("the connection broke", where="flaky")


async def _dispatched(commands: Any, nodes: list[Node]) -> list[batchio.Done]:
    return [done async for done in batchio.dispatch(commands, nodes)]


@pytest.mark.parametrize("run", [asyncio.run, lambda work: trio.run(lambda: work)])
def test_a_node_that_is_lost_in_a_dispatch_warns_once(run: Callable[[Any], Any]) -> None:
    async def main() -> tuple[int, list[batchio.Done]]:
        flaky = Node("flaky", _Breaking(), slots=3)  # type: ignore[arg-type]
        async with batchio.connect() as here:
            line = _line() + 1
            stream = batchio.dispatch([["echo", str(n)] for n in range(6)], [flaky, here])
            return line, [done async for done in stream]

    with pytest.warns(batchio.BatchioWarning) as caught:
        line, done = run(main())

    [told] = caught
    assert "flaky: the connection broke; its commands run on other nodes" in str(told.message)
    assert (told.filename, told.lineno) == (__file__, line)
    assert sorted(one.stdout for one in done) == [f"{n}\n" for n in range(6)]


@pytest.mark.parametrize(
    ("commands", "error", "words"),
    [
        ([["echo", 3]], batchio.UsageError, "word 2 of the command is 3, of type int"),
        (['echo "'], batchio.UsageError, "cannot be split: no closing quotation"),
        ([[]], batchio.UsageError, "no command given"),
        ((1 // 0 for _ in range(2)), ZeroDivisionError, "by zero"),
    ],
)
def test_commands_that_are_none_end_a_dispatch_with_their_error(
    commands: Any, error: type[Exception], words: str
) -> None:
    async def main() -> None:
        async with batchio.open_nodes(slots=2) as nodes:
            await _dispatched(commands, nodes)

    with pytest.raises(error, match=words):
        asyncio.run(main())


def test_nodes_say_whether_they_are_open() -> None:
    async def main() -> None:
        nodes = batchio.open_nodes("local", slots=2)
        assert repr(nodes) == "<open_nodes local: not open>"
        async with nodes as [node]:
            assert repr(nodes) == "<open_nodes local: 1 open>"
            assert repr(node) == f"<Node {node.name}, 2 slots>"
            with pytest.raises(batchio.UsageError, match="open already"):
                await nodes.__aenter__()
        assert repr(batchio.connect("gpu1")) == "<connect ssh gpu1: not open>"
        async with nodes as again:  # given back, so they can be had anew
            assert len(again) == 1

    asyncio.run(main())


async def _open_nodes(**options: Any) -> None:
    async with batchio.open_nodes(**options):
        pass


HINTS: dict[str, tuple[Callable[[str], Awaitable[Any]], str]] = {
    "no hosts": (lambda _: batchio.run("true", provider="ssh"), 'hosts="alice@gpu1,gpu2"'),
    "no nodes": (lambda _: _open_nodes(provider="ssh"), 'hosts="alice@gpu1,gpu2"'),
    "no job": (lambda place: batchio.status("nope", workspace=place), "batchio.list_jobs()"),
    "no jobs": (lambda place: batchio.open_job(workspace=place), 'batchio.run("SCRIPT")'),
    "a strange option": (lambda _: batchio.run("true", xyzzy=1), "help(batchio.RunOptions)"),  # type: ignore[call-arg]
    "empty hosts": (lambda _: batchio.run("true", hosts=[]), 'provider="local"'),
}


@pytest.mark.parametrize("case", HINTS)
def test_a_hint_is_what_can_be_written_in_python(place: str, case: str) -> None:
    call, words = HINTS[case]
    if case == "no job":
        batchio.sync.run("true", workspace=place)

    async def main() -> None:
        await call(place)

    with pytest.raises(batchio.BatchioError) as refused:
        asyncio.run(main())

    assert words in (refused.value.hint or ""), refused.value.hint
    assert "--" not in (refused.value.hint or "")


def test_a_bad_request_is_a_value_error() -> None:
    with pytest.raises(batchio.UsageError, match="ntasks: must be 1 or more, not 0"):
        batchio.sync.run("true", ntasks=0)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["echo", 3], "word 2 of the command is 3, of type int, not a string"),
        (7, "the command is 7, of type int, not a string"),
        (b"true", "the command is b'true', of type bytes, not a string"),
    ],
)
def test_a_command_that_is_no_text_is_named(command: Any, words: str) -> None:
    with pytest.raises(batchio.UsageError) as refused:
        batchio.sync.run(command)
    assert str(refused.value) == words


def test_paths_are_commands_and_words(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "with blanks.sh"
    script.write_text("echo $1\n")

    bare = type(script)(script.name)
    one = batchio.sync.run(script, workspace=place)
    other = batchio.sync.run([bare, tmp_path / "out"], workspace=place)

    assert [job.wait().outcome for job in (one, other)] == ["succeeded", "succeeded"]
    assert other.stdout(0) == f"{tmp_path}/out\n"
    with pytest.raises(batchio.UsageError, match=r"no such file: \./true"):
        batchio.sync.run(type(script)("true"), workspace=place)


def test_a_child_made_by_fork_has_an_engine_of_its_own(place: str) -> None:
    batchio.sync.run("true", workspace=place, head="inline").wait()  # the engine's thread is there
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, in newer Pythons
        child = os.fork()
    if not child:
        try:
            result = batchio.sync.run("true", workspace=place, head="inline").wait(timeout=60)
            os.write(writer, result.outcome.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        assert answer.read() == b"succeeded"
    os.waitpid(child, 0)
