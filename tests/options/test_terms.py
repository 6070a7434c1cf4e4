"""Messages are in the words of their reader: of Python, unless the command line asked."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from batchio.errors import UsageError
from batchio.options.table import find
from batchio.options.terms import for_command_line, in_terms, python_terms
from tests.house.source import PACKAGE, python_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

WORDED: Final = {
    "give them: --hosts alice@gpu1,gpu2, or --hosts-file FILE": (
        'give them: hosts="alice@gpu1,gpu2", or hosts_file=FILE'
    ),
    "to run it without the container: --run-on-host": (
        "to run it without the container: run_on_host=True"
    ),
    "--no-task-on-scheduler (argument task_on_scheduler): ignored": (
        "task_on_scheduler=False: ignored"
    ),
    "--vm-type a, b (argument vm_type): ignored, nothing is rented": (
        'vm_type="a, b": ignored, nothing is rented'
    ),
    "--vm-type g5.xlarge (gpu.py:2): ignored, nothing is rented": (
        "vm-type g5.xlarge (gpu.py:2): ignored, nothing is rented"
    ),
    "--cluster-kwargs 1 items (argument cluster_kwargs): ignored": "cluster_kwargs=…: ignored",
    "2 at a time, not 50; --slots 50 runs more": "2 at a time, not 50; slots=50 runs more",
    "more than --max-output 1.5 GiB": 'more than max_output="1.5 GiB"',
    "--memory asks for more.": "memory= asks for more.",
    "it was not tried again (--max-retries).": "it was not tried again (max_retries=).",
    "cancel it first: batchio cancel 2bcpd5": "cancel it first: job.cancel()",
    "To run it again: batchio retry 2bcpd5 --task 7": "To run it again: job.retry(7)",
    "batchio logs 2bcpd5 --task 7": "job.logs(task=7)",
    "or: batchio recover 2bcpd5 --elsewhere": "or: job.recover(elsewhere=True)",
    "batchio recover 2bcpd5 --secret-env NAME": 'job.recover(secrets={"NAME": "…"})',
    "batchio recover --workspace FOLDER 2bcpd5": (
        'recover() of batchio.open_job("2bcpd5", workspace=FOLDER)'
    ),
    "to see its state: batchio status 2bcpd5": 'to see its state: batchio.status("2bcpd5")',
    "see: batchio list": "see: batchio.list_jobs()",
    "start one: batchio run SCRIPT": 'start one: batchio.run("SCRIPT")',
    "batchio run Rscript a.R": 'batchio.run(["Rscript", "a.R"])',
    "whoever runs batchio must be allowed to": "whoever runs batchio must be allowed to",
    "aws configure export-credentials --format env": (
        "aws configure export-credentials --format env"
    ),
}


@pytest.mark.parametrize("text", WORDED)
def test_a_message_speaks_python_to_python(text: str) -> None:
    assert python_terms(text) == WORDED[text]


@pytest.mark.parametrize("text", WORDED)
def test_a_message_stays_as_it_is_for_the_command_line(text: str) -> None:
    with for_command_line():
        assert python_terms(text) == text
    assert python_terms(text) == WORDED[text]


def _texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module that a person may read; what is filled in stands as X1."""
    tree = ast.parse(path.read_text())
    parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    parts |= {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            filled = (str(v.value) if isinstance(v, ast.Constant) else "X1" for v in node.values)
            yield "".join(filled)
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            yield str(node.value)


_ELSEWHERE: Final = {"cli", "agent", "testing"}
"""Folders whose texts no caller in Python reads."""

_MODULES: Final = [
    path
    for path in python_files("src/batchio")
    if not _ELSEWHERE & set(path.relative_to(PACKAGE).parts)
]


def _left(text: str) -> list[str]:
    """Return what still speaks of the command line, once a text was worded."""
    worded = python_terms(text)
    options = [name for name in re.findall(r"--([a-z][a-z-]+)", worded) if find(name)]
    return re.findall(r"batchio (?:run|status|wait|list|logs|cancel|retry|recover)\b", worded) + [
        name for name in options if (option := find(name)) and option.for_calls
    ]


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_speaks_of_the_command_line_to_python(path: Path) -> None:
    assert [text for text in _texts(path) if _left(text)] == []


def _refuse() -> None:
    raise UsageError("it needs --slots 4", hint="give --gpu")


async def _verb() -> None:
    _refuse()


async def _stream() -> AsyncIterator[int]:
    yield 1
    _refuse()


async def _read() -> None:
    async for _ in in_terms(_stream)():
        pass


@pytest.mark.parametrize("call", [in_terms(_verb), _read])
def test_the_errors_of_a_verb_are_worded(call: object) -> None:
    with pytest.raises(UsageError) as refused:
        call().send(None)  # type: ignore[operator]
    told = refused.value
    assert (str(told), told.message, told.hint, told.args) == (
        "it needs slots=4", "it needs slots=4", "give gpu=True", ("it needs slots=4",),
    )  # fmt: skip
