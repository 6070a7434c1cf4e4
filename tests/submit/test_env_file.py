"""The syntax of .env files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import UsageError
from batchio.submit.env_file import parse


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("export KEY=value", "value"),
        ("  KEY = value  ", "value"),
        ("KEY=", ""),
        ("KEY=a b", "a b"),
        ("KEY=a # comment", "a"),
        ("KEY= # comment", ""),
        ("KEY=a#b", "a#b"),
        ("KEY=#a", "#a"),
        ("KEY=a=b", "a=b"),
        ("KEY=it's", "it's"),
        ("KEY=$HOME/${X}", "$HOME/${X}"),
        ("KEY='a # \\n b'", "a # \\n b"),
        ("KEY='' # comment", ""),
        ('KEY="a\\n\\"b\\" \\\\ \\$x \\d" # c', 'a\n"b" \\ $x \\d'),
        ("KEY=value\r", "value"),
        ("KEY=one\nKEY=two", "two"),
        ("\n# comment\n\nKEY=ü", "ü"),
    ],
)
def test_a_line_is_a_variable(line: str, value: str) -> None:
    assert {"KEY": value} == parse(line, "x.env")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("KEY", "x.env:2: KEY has no value"),
        ("export KEY", "x.env:2: KEY has no value"),
        ("1KEY=a", "x.env:2: not KEY=value"),
        ("hunter2 hunter2", "x.env:2: not KEY=value"),
        ("KEY='hunter2", "x.env:2: the quotes around the value of KEY do not match"),
        ('KEY="hunter2" more', "x.env:2: the quotes around the value of KEY do not match"),
    ],
)
def test_a_bad_line_is_named_and_not_quoted(line: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(f"A=1\n{line}\n", "x.env")
    assert message == str(refused.value)


@given(st.text().filter(lambda text: "'" not in text and "\n" not in text))
def test_between_single_quotes_everything_is_itself(text: str) -> None:
    assert {"KEY": text} == parse(f"KEY='{text}'", "x.env")


@given(st.text())
def test_between_double_quotes_everything_can_be_written(text: str) -> None:
    written = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert {"KEY": text} == parse(f'KEY="{written}"', "x.env")
