"""The syntax of .env files."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchio.errors import UsageError
from batchio.submit.env_file import parse

PEM = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"


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
        ("""KEY='it'"'"'s' # as dash writes it""", "it's"),
        ("""KEY='it\\'s'""", "it's"),
        ("""KEY='C:\\'""", "C:\\"),
        ('declare -x KEY="a\\`b\\$c"', "a`b$c"),
        ("declare -x KEY=$'tab\\there \\303\\274 \\x41 \\u00fc it\\'s'", "tab\there ü A ü it's"),
        ("declare -x OTHER\nKEY=1", "1"),
        ('KEY="-----BEGIN KEY-----\nabc\n-----END KEY-----\n"\n', PEM),
        ("KEY='-----BEGIN KEY-----\nabc\n-----END KEY-----\n'\n# end", PEM),
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


def test_what_follows_a_value_of_several_lines_is_named_by_its_own_line() -> None:
    with pytest.raises(UsageError, match=r"^x\.env:5: B has no value$"):
        parse('A="1\n2\n3"\n\nB\n', "x.env")


@pytest.mark.parametrize("shell", ["sh", "bash"])
@given(
    st.dictionaries(
        st.sampled_from(["A", "B_2"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    )
)
def test_what_a_shell_exports_comes_back(shell: str, given: dict[str, str]) -> None:
    printed = subprocess.run(
        [shell, "-c", "export -p"], env=given, capture_output=True, check=True
    ).stdout.decode()
    found = parse(re.sub(r"(?m)^export \w+$", "", printed), "x.env")
    assert given == {key: found[key] for key in given}


@given(st.text().filter(lambda text: "'" not in text and "\n" not in text))
@example("\\")
def test_between_single_quotes_everything_is_itself(text: str) -> None:
    assert {"KEY": text} == parse(f"KEY='{text}'", "x.env")


@given(st.text())
def test_between_double_quotes_everything_can_be_written(text: str) -> None:
    written = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert {"KEY": text} == parse(f'KEY="{written}"', "x.env")
