"""The command line reads what the table says, and leaves the program's words alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest
from hypothesis import given as anything
from hypothesis import strategies as st

from batchio.cli.options import TableOption, given
from batchio.cli.run import run
from batchio.options.layers import typed_layer
from batchio.options.table import OPTIONS

if TYPE_CHECKING:
    from batchio.options.schema import Option

ROWS = [o for o in OPTIONS if "run" in o.commands and "cli" in o.surfaces]

SAMPLES = {
    "integer": "3",
    "choice": "",
    "size": "8GiB",
    "disk": "10",
    "cpu": "2",
    "duration": "1h",
    "pairs": "A=b",
    "array": "2,4-6",
    "codes": "1,3",
    "dollars": "20",
    "variable": "NAME",
}


def parsed(*words: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What was typed, and the command's words."""
    context = run.make_context("run", list(words))
    return given(context.params), context.params["command"]


def sample(option: Option) -> str:
    return option.choices[-1] if option.choices else SAMPLES.get(option.kind, "text")


@pytest.mark.parametrize("option", ROWS, ids=lambda o: o.name)
def test_every_option_can_be_typed_and_is_understood(option: Option) -> None:
    for name in (*(f"--{s}" for s in option.spellings), *([option.short] if option.short else [])):
        flag = option.kind in ("flag", "tri") and not option.boolean_word
        words = [name] if flag else [name, sample(option)]
        if option.boolean_word:
            words = [f"{name}", "false"]

        typed, command = parsed(*words, "prog", "--flag")

        assert set(typed) == {option.name}
        assert command == ("prog", "--flag")
        (setting, *_) = typed_layer(typed).settings
        assert setting.option is option
        assert setting.origin == "command line"


def test_nothing_typed_is_nothing_said() -> None:
    assert parsed("prog") == ({}, ("prog",))


def test_flags_can_be_taken_back() -> None:
    typed, _ = parsed("--no-wait", "--no-gpu", "--no-cross-zone", "--no-task-on-scheduler", "x")

    assert typed == {
        "wait": False,
        "gpu": False,
        "allow-cross-zone": False,
        "task-on-scheduler": False,
    }


def test_a_yes_or_no_option_takes_a_word_only_when_it_is_one() -> None:
    assert parsed("--run-on-host", "prog") == ({"run-on-host": "true"}, ("prog",))
    assert parsed("--run-on-host", "false", "prog") == ({"run-on-host": "false"}, ("prog",))
    assert parsed("--no-run-on-host", "true") == ({"run-on-host": "false"}, ("true",))
    assert parsed("prog", "--run-on-host", "false")[1] == ("prog", "--run-on-host", "false")
    assert parsed("--name", "--run-on-host", "prog") == ({"name": "--run-on-host"}, ("prog",))
    assert parsed("-N4", "-e", "A=b", "--run-on-host", "p")[0]["run-on-host"] == "true"


def test_lists_keep_their_order() -> None:
    typed, _ = parsed("-e", "B=1", "--env", "A=", "--upload", "x y", "--upload", "z", "prog")

    assert typed == {"env": ("B=1", "A="), "upload": ("x y", "z")}


def test_the_first_word_ends_the_options() -> None:
    words = ("prog", "--wait", "-N", "3", "--", "", "$HOME", "two words", "--help")

    assert parsed("--ntasks", "2", *words) == ({"ntasks": "2"}, words)


@anything(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_after_two_dashes_everything_is_the_programs_byte_for_byte(words: list[str]) -> None:
    assert parsed("--wait", "--", *words) == ({"wait": True}, tuple(words))


def test_bytes_that_are_no_text_arrive_as_they_were() -> None:
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")

    assert parsed("prog", odd)[1] == ("prog", odd)


def test_only_useful_options_are_described_and_the_others_are_named() -> None:
    text = run.get_help(click.Context(run, info_name="run", terminal_width=100))
    described, _, named = text.partition("Options of Coiled Batch")

    for param in run.params:
        if isinstance(param, TableOption):
            assert f"--{param.row.name}" in (described if param.useful else named)
