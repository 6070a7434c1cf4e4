"""What a command is told is a dataclass: a field for each parameter, of the type it really has."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Final, get_args

import click
import pytest

from batchio.cli.main import COMMANDS, cli
from batchio.cli.options import TableCommand, TableOption, command
from batchio.cli.output import Format
from batchio.core.arrays import Array, parse_array
from batchio.options.table import get

_MADE: Final = {name: cli.get_command(click.Context(cli), name) for name in COMMANDS}
_TABLE: Final = {name: made for name, made in _MADE.items() if isinstance(made, TableCommand)}

_TYPES: Final = {
    "flag": "bool",
    "tri": "bool",
    "integer": "int",
    "text": "str",
    "path": "str",
    "duration": "float",
    "array": "Array",
    "choice": "Format",
}
"""How the typed value of an option of that kind is written."""


def test_only_commands_without_options_of_the_table_have_no_dataclass() -> None:
    assert _MADE.keys() - _TABLE.keys() == {"completion", "help"}


@pytest.mark.parametrize("name", _TABLE)
def test_each_parameter_has_a_field_and_each_field_a_parameter(name: str) -> None:
    command = _TABLE[name]
    told = {item.name for item in fields(command.takes)}
    typed = {str(param.name) for param in command.params}

    if "typed" in told:  # submit weighs what was typed against all else
        assert told - typed == {"typed"}
    else:
        assert told == typed


@pytest.mark.parametrize("name", _TABLE)
def test_a_field_has_the_type_of_its_option(name: str) -> None:
    command = _TABLE[name]
    types = {item.name: (str(item.type), item.default) for item in fields(command.takes)}
    for param in command.params:
        if isinstance(param, TableOption) and param.name in types:
            written, own = types[param.name]
            default = param.row.default if own is MISSING else own
            optional = " | None" if default is None else ""

            assert written == _TYPES[param.row.kind] + optional, param.name


def test_the_formats_are_those_of_the_table() -> None:
    assert get("format").choices == get_args(Format)


@dataclass(frozen=True, kw_only=True)
class Told:
    """Some of what `logs` takes, and a parameter of its own."""

    job: str | None
    task: Array | None
    tail: int | None
    limit: int = 7
    follow: bool
    format: Format


def told(*words: str) -> Told:
    """What arrives when these words are typed."""
    heard: list[Told] = []

    def call(args: Told) -> int:
        heard.append(args)
        return 0

    made = command("logs", call, Told, click.Argument(["job"], required=False), _LIMIT)
    made.main(list(words), standalone_mode=False)
    return heard[0]


_LIMIT: Final = TableOption(get("limit"))


def test_what_was_typed_arrives_typed() -> None:
    args = told("--task", "2,4-6", "--tail", "3", "--limit", "9", "--follow", "2c4d")

    assert args == Told(
        job="2c4d", task=parse_array("2,4-6"), tail=3, limit=9, follow=True, format="table"
    )


def test_what_was_not_typed_is_the_fields_default_or_else_the_tables() -> None:
    assert told() == Told(job=None, task=None, tail=None, limit=7, follow=False, format="table")
