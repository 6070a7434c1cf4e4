"""Tables and packed files as people have them: TSV, JSON arrays, gzip, spreadsheets."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from typing import TYPE_CHECKING, Any

import pytest

from batchio.submit.records import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.submit.conftest import Caller


def inputs(caller: Caller, name: str, data: str | bytes, **options: str) -> list[str]:
    """The inputs of the tasks, as they are stored."""
    caller.file(name, data)
    prepared = caller.typed("true", map_over_file=name, **options)
    assert prepared.spec.inputs in ("values", "records")
    source = prepared._source
    assert source is not None
    return [value.decode() for value in source.read()]


def refusal(caller: Caller, name: str, data: str | bytes) -> tuple[str, str | None]:
    caller.file(name, data)
    return caller.refused("true", map_over_file=name)


def test_a_field_of_tsv_may_begin_with_a_quote_that_nothing_closes(caller: Caller) -> None:
    text = 'A\tB\n"half\t1\n"whole"\t2\n"so" said\t3\n"with ""two"""\t4\n'
    assert [json.loads(row) for row in inputs(caller, "t.tsv", text)] == [
        {"A": '"half', "B": "1"},
        {"A": "whole", "B": "2"},
        {"A": '"so" said', "B": "3"},
        {"A": 'with "two"', "B": "4"},
    ]


@pytest.mark.parametrize(
    ("name", "header", "message", "hint"),
    [
        (
            "a.csv",
            "learning rate,x",
            '"learning rate" is not a valid name',
            "such as learning_rate",
        ),
        ("a.csv", "1st,x", '"1st" is not a valid name', "such as _1st"),
        ("a.csv", ",lr", "a column has no name", "index=False"),
        ("a.csv", "lr;bs", '"lr;bs" is not a valid name', "--map-over-delimiter ';'"),
        ("a.csv", "lr\tbs", "is not a valid name", "--map-over-delimiter '\\t'"),
    ],
)
def test_a_header_that_cannot_be_read_says_what_helps(
    caller: Caller, name: str, header: str, message: str, hint: str
) -> None:
    said, help_ = refusal(caller, name, f"{header}\n1,2\n")
    assert message in said
    assert said.startswith("a.csv:1: ")
    assert hint in (help_ or "")


def test_a_number_in_a_message_is_a_number(caller: Caller) -> None:
    said, _ = refusal(caller, "a.jsonl", '{"A": {"c": 2}}\n')
    assert said == 'a.jsonl:1: A: {"c": 2} is not a simple value'


# --- JSON ----------------------------------------------------------------------------


def test_a_json_array_is_read_however_it_is_laid_out(caller: Caller) -> None:
    assert inputs(caller, "a.json", '[\n  1.50,\n  "b c",\n  true\n]\n') == ["1.50", "b c", "true"]
    table = json.dumps([{"A": 1, "B": None}, {"A": "x"}], indent=2)
    assert inputs(caller, "b.json", table) == ['{"A":"1"}', '{"A":"x"}']
    assert inputs(caller, "c.data", "[1]", map_over_format="json") == ["1"]
    assert inputs(caller, "d.json", "[\n]\n", map_over_format="lines") == ["[", "]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"A": 1}', "a.json: not a JSON array"),
        ('{"A": 1}\n{"A": 2}\n', "a.json: not JSON: Extra data"),
        ('[1, {"A": 2}]', 'a.json: item 2: {"A": "2"} is not a simple value'),
        ('[{"A": 2}, 1]', "a.json: item 2: "),
        ("[1, null]", "a.json: item 2: null is not a value"),
        ("[]", "no values in a.json"),
    ],
)
def test_json_that_is_no_array_of_inputs_is_refused(
    caller: Caller, text: str, message: str
) -> None:
    said, hint = refusal(caller, "a.json", text)
    assert said.startswith(message)
    if "Extra data" in message:
        assert "--map-over-format jsonl" in (hint or "")


# --- packed files --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pack", "end"), [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")]
)
def test_packed_files_are_unpacked(
    caller: Caller, pack: Callable[[bytes], bytes], end: str
) -> None:
    assert inputs(caller, f"a.txt.{end}", pack(b"x\ny\n")) == ["x", "y"]
    assert inputs(caller, f"a.csv.{end}", pack(b"A,B\n1,2\n")) == ['{"A":"1","B":"2"}']
    assert inputs(caller, "plain-name", pack(b"x\n")) == ["x"]
    for broken in (pack(b"x\ny\n" * 99)[:-9], pack(b"x\n" * 99)[:12] + b"garbage" * 9):
        said, _ = refusal(caller, f"a.txt.{end}", broken)
        assert said.startswith(
            (f"a.txt.{end}: it is compressed, and damaged", f"cannot read a.txt.{end}")
        )


@pytest.mark.parametrize(
    ("begin", "what"),
    [
        (b"PK\x03\x04\x14\x00", "a zip archive (.xlsx files are zip archives, too)"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed with zstd"),
        (b"PAR1\x15\x04", "a Parquet file"),
    ],
)
def test_what_is_no_list_of_inputs_is_named(caller: Caller, begin: bytes, what: str) -> None:
    said, hint = refusal(caller, "a.bin", begin + b"\0" * 99)
    assert said == f"a.bin: it is {what}"
    assert hint


# --- values that tasks cannot be given -----------------------------------------------


def test_the_longest_value_is_the_longest_that_a_program_can_be_given(caller: Caller) -> None:
    assert inputs(caller, "a.txt", "x" * LONGEST) == ["x" * LONGEST]
    too_long = "longer than 128 KiB, the limit of an environment variable; is the delimiter right?"
    assert refusal(caller, "a.txt", f"a\n{'x' * (LONGEST + 1)}\nb\n")[0] == f"a.txt:2: {too_long}"
    assert (
        refusal(caller, "a.json", json.dumps(["y" * 200_000]))[0] == f"a.json: item 1: {too_long}"
    )
    assert refusal(caller, "a.csv", f"A\n{'x' * 200_000}\n")[0].endswith(too_long)
    assert caller.refused("true", map_over_values="x" * 200_000)[0].endswith(too_long)


def test_an_input_that_the_command_names_and_no_task_has_is_said(caller: Caller) -> None:
    caller.file("a.csv", "A\n1\n")
    warned = caller.typed("echo", "in=${BATCHIO_TASK_INPUT}", map_over_file="a.csv").warnings
    assert warned == [
        "${BATCHIO_TASK_INPUT} in the command is not replaced: each column of a table is its own "
        "variable"
    ]
    [line] = caller.typed("echo", "$COILED_BATCH_TASK_INPUT").warnings
    assert line.endswith("is not replaced: there is no --map-over option")


def test_inputs_that_nothing_uses_are_said_as_the_shell_may_have_replaced_the_variable(
    caller: Caller,
) -> None:
    def warned(*words: str, **options: Any) -> list[str]:
        return caller.typed(*words, map_over_values="a,b", **options).warnings

    said = (
        "the command does not use $BATCHIO_TASK_INPUT, so all tasks do the same; if your shell "
        "replaced it, quote it: '$BATCHIO_TASK_INPUT'"
    )
    caller.file("argv.py", "import sys\nprint(sys.argv[1])\n")
    caller.file("reads.py", "import os\nprint(os.environ['BATCHIO_TASK_INPUT'])\n")
    caller.file("coiled.sh", "echo $COILED_BATCH_TASK_INPUT\n")
    caller.file("own.sh", "echo $MINE\n")
    caller.file("by_id.sh", "sed -n ${BATCHIO_TASK_ID}p list\n")
    caller.file("data/a.txt")

    assert warned("echo") == warned("argv.py") == [said]
    assert warned("own.sh", map_over_input_var="MINE") == []
    assert warned("argv.py", "$BATCHIO_TASK_INPUT") == []
    assert warned("reads.py") == warned("coiled.sh") == warned("by_id.sh") == []
    assert caller.called("echo", map_over_values="a,b").warnings == []  # no shell was between
    assert warned("argv.py", upload=["data"]) == []  # what was sent may read it
    caller.file("argv.py", "import reads\n")
    assert warned("argv.py") == []
    assert caller.typed("echo", "$BATCHIO_TASK_INPUT", map_over_values="a").warnings == []
