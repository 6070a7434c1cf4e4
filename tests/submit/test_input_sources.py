"""What tasks map over: every way to give it, and what is wrong said with file and line."""

from __future__ import annotations

import io
import os
from typing import IO, TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import UsageError
from batchio.submit.input_sources import Format, format_of, from_file, from_values
from batchio.submit.records import from_records

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Trickle(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, at_once: int) -> None:
        self._data = io.BytesIO(data)
        self._at_once = at_once

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(self._at_once)


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def lines_of(data: bytes, delimiter: str | None = None) -> list[bytes]:
    return list(from_file("-", "lines", delimiter, stdin=io.BytesIO(data)))


def records_of(folder: Path, kind: Format, text: str, delimiter: str | None = None) -> list[str]:
    path = folder / "in"
    path.write_bytes(text.encode())
    return [record.decode() for record in from_file(str(path), kind, delimiter)]


def refusal(inputs: Iterable[bytes]) -> str:
    with pytest.raises(UsageError) as err:
        list(inputs)
    return str(err.value)


# --- lines ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"a\n\n\nb\n", [b"a", b"", b"", b"b"]),
        (b"\na\n", [b"", b"a"]),
        (b"a\n\n\n", [b"a"]),
        (b"a\r\n\r\n", [b"a"]),
        (b'  "a, b" # c\n', [b'  "a, b" # c']),
        (b"\xef\xbb\xbfa\n", [b"a"]),
        (b"\xff\xfe\n", [b"\xff\xfe"]),
        (b"", []),
        (b"\n\n", []),
    ],
)
def test_each_line_is_a_value_as_it_stands(data: bytes, values: list[bytes]) -> None:
    assert lines_of(data) == values


@pytest.mark.parametrize(
    ("data", "delimiter", "values"),
    [
        (b"a,b,c", ",", [b"a", b"b", b"c"]),
        (b"a, b,\n", ",", [b"a", b" b"]),
        (b"a,,b", ",", [b"a", b"", b"b"]),
        (b"a\nb;-c\n", ";-", [b"a\nb", b"c"]),
        (b"a;-b-;", ";-", [b"a", b"b-;"]),
        (b"a b\0c\nd\0", "\0", [b"a b", b"c\nd"]),
    ],
)
def test_a_delimiter_stands_between_values(
    data: bytes, delimiter: str, values: list[bytes]
) -> None:
    assert lines_of(data, delimiter) == values


TEXTS = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=5)


@given(st.lists(TEXTS), st.sampled_from(["\n", "\r\n"]), st.integers(1, 7))
def test_however_a_pipe_is_cut_up_the_same_lines_come_out(
    texts: list[str], ending: str, at_once: int
) -> None:
    wanted = [text.encode() for text in [*texts, "last"]]
    data = b"".join(value + ending.encode() for value in wanted)
    slow: IO[bytes] = Trickle(data + b"\n\n", at_once)  # type: ignore[assignment]

    assert list(from_file("-", "lines", stdin=slow)) == wanted


def test_a_nul_byte_is_named_by_its_line() -> None:
    stream = io.BytesIO(b"a\n\nb\0\n")

    assert refusal(from_file("-", "lines", stdin=stream)) == (
        "standard input:3: a NUL byte, which an environment variable cannot contain"
    )


def test_a_wrong_delimiter_does_not_fill_the_memory() -> None:
    stream = io.BytesIO(b"ok|" + b"x" * (3 << 20))

    assert refusal(from_file("-", "lines", "|", stdin=stream)) == (
        "standard input: value 2: longer than 128 KiB, the limit of an environment variable; is "
        "the delimiter right?"
    )


def test_a_terminal_is_no_list_of_values() -> None:
    with pytest.raises(UsageError, match="standard input is a terminal"):
        from_file("-", "lines", stdin=Terminal())


def test_a_file_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^cannot read no-such\.txt: No such file or directory$"):
        from_file("no-such.txt", "lines")
    with pytest.raises(UsageError, match=r"^cannot read .*: Is a directory$"):
        from_file(str(tmp_path), "lines")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.csv", "csv"), ("a.TSV", "csv"), ("a.jsonl", "jsonl"), ("a.txt", "lines"), ("-", "lines")],
)
def test_a_file_is_read_by_its_extension(path: str, kind: Format) -> None:
    assert format_of(path) == kind


# --- CSV and JSONL -------------------------------------------------------------------


def test_the_columns_of_csv_become_variables(tmp_path: Path) -> None:
    text = '\ufeffNAME,n\r\n"a, ""b""",1\r\n\r\n"two\nlines",\r\n'

    assert records_of(tmp_path, "csv", text) == [
        r'{"NAME":"a, \"b\"","n":"1"}', r'{"NAME":"two\nlines","n":""}',
    ]  # fmt: skip


def test_columns_may_be_separated_by_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("A\tB\n1,5\t2\n")

    assert list(from_file(str(tmp_path / "a.tsv"), "csv")) == [b'{"A":"1,5","B":"2"}']
    assert records_of(tmp_path, "csv", "A;B\n1;2\n", ";") == ['{"A":"1","B":"2"}']


def test_the_objects_of_jsonl_become_variables_written_as_they_stood(tmp_path: Path) -> None:
    text = '{"A": 1e5, "B": 0.10, "C": true, "D": null}\n\n{"A": 123456789012345678901}\n{}'

    assert records_of(tmp_path, "jsonl", text) == [
        '{"A":"1e5","B":"0.10","C":"true"}', '{"A":"123456789012345678901"}', "{}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("csv", "A,B\n1,2\n3\n", "in:3: 1 values under 2 columns"),
        ("csv", "A,A\n", 'in:1: two columns are named "A"'),
        ("csv", "file name\n", 'in:1: "file name" is not a valid name of an environment variable'),
        ("csv", 'A\n"x"y\n', "in:2: not CSV: ',' expected after '\"'"),
        ("csv", "A\na\0b\n", "in:2: a NUL byte, which an environment variable cannot contain"),
        ("jsonl", '{"A": 1}\n{"A": [1]}\n', "in:2: A: [1] is not a simple value"),
        ("jsonl", '\n"text"\n', 'in:2: "text" is not an object with variables'),
        ("jsonl", "{}\n{'A': 1}\n", "in:2: not JSON: Expecting property name"),
        ("jsonl", '{"a-b": 1}\n', 'in:1: "a-b" is not a valid name of an environment variable'),
        ("jsonl", '{"A": "\\u0000"}', "in:1: a NUL byte, which an environment variable"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_by_file_and_line(
    tmp_path: Path, kind: Format, text: str, message: str
) -> None:
    with pytest.raises(UsageError) as err:
        records_of(tmp_path, kind, text)

    assert str(err.value).startswith(f"{tmp_path}/{message}")


# --- Python callers ------------------------------------------------------------------


def test_a_caller_gives_texts_numbers_and_paths(tmp_path: Path) -> None:
    assert list(from_values(["ä", 1, 2.5, tmp_path, b"\xff"])) == [
        "ä".encode(), b"1", b"2.5", os.fsencode(tmp_path), b"\xff",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "[1] is not a simple value"),
        (None, "None is not a value"),
        ("a\0", "a NUL byte, which an environment variable cannot contain"),
        (
            "\ud800",
            r"it contains an incomplete character ('\ud800'), which cannot be written as "
            r"UTF-8",
        ),
    ],
)
def test_a_caller_s_bad_value_is_named_by_its_number(value: object, message: str) -> None:
    assert refusal(from_values(["ok", value])) == f"map_over_values: value 2: {message}"


def test_a_caller_gives_the_variables_of_each_task() -> None:
    assert list(from_records([{"A": 1, "B": False, "C": None}])) == [b'{"A":"1","B":"false"}']
    assert refusal(from_records([{"A": "\udfff"}])) == (
        r"map_over_task_var_dicts: item 1: A: it contains an incomplete character ('\udfff'), "
        "which cannot be written as UTF-8"
    )
    assert refusal(from_records([{}, ["A"]])) == (
        'map_over_task_var_dicts: item 2: ["A"] is not an object with variables'
    )
