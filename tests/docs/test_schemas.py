"""What programs read is as its published schema says, to the last field."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import pytest
from jsonschema import Draft202012Validator

from batchio import sync
from batchio.cli.main import COMMANDS, cli
from batchio.core import events as ev
from batchio.core.arrays import TaskIds
from batchio.core.news import event_view, name_of
from docs import schemas
from tests.cli.terminal import terminal as terminal
from tests.core.stories import JOB, mixed
from tests.house.source import ROOT

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal

_FOLDER: Final = ROOT / "docs" / "reference" / "schema"
_GOLDEN: Final = ROOT / "tests" / "core" / "golden" / "v1.jsonl"


def _closed(schema: Any) -> Any:
    """The schema without its leave to add fields: what it does not name is a mistake here."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: _closed(part) for name, part in schema.items()}
    if "properties" in schema:
        out["additionalProperties"] = False
    return out


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((_FOLDER / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(_closed(schema))


def held(name: str, value: Any) -> None:
    """Fail unless the value is as the published schema of that name says."""
    wrong = [error.message for error in _validator(name).iter_errors(value)]

    assert wrong == [], value


def printed(terminal: Terminal, form: str, *words: str) -> list[Any]:
    """The JSON values that a command prints."""
    seen = terminal.type(words[0], "--format", form, *words[1:])
    assert seen.code in (0, 1), seen.err
    if form == "json":
        value = json.loads(seen.out)
        return value if isinstance(value, list) else [value]
    return [json.loads(line) for line in seen.out.splitlines()]


_WORDS: Final = {
    "run": ("run", "--", "true"),
    "run --wait": ("run", "--wait", "--ntasks", "3", "--", "sh", "-c", "exit $BATCHIO_TASK_ID"),
    "run --dry-run": ("run", "--dry-run", "--map-over-values", "a,b", "hello.sh"),
    "plan": ("plan", "--provider", "aws", "--expect", "10m", "hello.sh"),
    "prices": ("prices", "m7i.*", "--region", "us-east-1"),
    "wait": ("wait",),
    "status": ("status",),
    "status --no-tasks": ("status", "--no-tasks"),
    "list": ("list",),
    "nodes": ("nodes",),
    "cancel": ("cancel", "--yes"),
    "retry": ("retry", "--yes"),
    "recover": ("recover", "--yes"),
    "version": ("version",),
    "check": ("check",),
    "doctor": ("doctor", "aws", "--region", "us-east-1"),
    "explain": ("explain",),
    "env show": ("env", "show"),
    "env list": ("env", "list"),
    "env clean": ("env", "clean"),
    "logs --scheduler": ("logs", "--scheduler"),
    "logs": ("logs",),
}
"""What is typed of each way to print."""


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize("one", schemas.PRINTED, ids=lambda one: one.how)
def test_what_a_command_prints_is_as_its_schema_says(
    terminal: Terminal, one: schemas.Printed, form: str
) -> None:
    Path("hello.sh").write_text("echo hello\n")
    script = "echo hello; kill -9 $$"
    terminal.type("run", "--wait", "--ntasks", "2", "--", "sh", "-c", script)

    values = printed(terminal, form, *_WORDS[one.how])

    assert values
    for value in values:
        held(getattr(one, form).partition(",")[0], value)


def test_a_job_with_a_past_is_as_its_schema_says(terminal: Terminal) -> None:
    terminal.keep(mixed())

    for words, name in ((("status", JOB), "status"), (("nodes", JOB), "node")):
        for value in printed(terminal, "json", *words):
            held(name, value)
    [value] = printed(terminal, "json", "explain", f"{JOB}/5")
    held("explanation", value)


def test_every_command_that_prints_json_has_its_schema() -> None:
    context = click.Context(cli)
    prints = {
        name
        for name in COMMANDS
        if (command := cli.get_command(context, name))
        and any(param.name == "format" for param in command.params)
    }

    assert {one.how.split()[0] for one in schemas.PRINTED} == prints
    assert {one.how for one in schemas.PRINTED} == _WORDS.keys()


def test_every_schema_is_of_something() -> None:
    used = {text.partition(",")[0] for one in schemas.PRINTED for text in (one.json, one.jsonl)}

    assert {path.stem for path in _FOLDER.iterdir()} == used | {"event"}


def test_events_of_an_old_journal_are_as_their_schema_says() -> None:
    seen: Counter[str] = Counter()
    for line in _GOLDEN.read_text().splitlines():
        told = event_view(ev.decode(line), TaskIds.count(60))
        held("event", json.loads(json.dumps(told)))
        seen[told["event"]] += 1

    assert len(seen) > 15


def test_events_of_a_job_are_as_their_schema_says(workspace: Path) -> None:
    job = sync.run(["sh", "-c", "exit $BATCHIO_TASK_ID"], ntasks=2, max_retries=1, retry_delay=0)
    told = list(job.events())

    assert told[-1]["event"] == "job_closed"
    for event in told:
        held("event", json.loads(json.dumps(event)))


def test_the_schema_of_events_knows_every_kind() -> None:
    schema = json.loads((_FOLDER / "event.json").read_text())

    assert set(schema["discriminator"]["mapping"]) == {name_of(k) for k in ev._TYPES.values()}
