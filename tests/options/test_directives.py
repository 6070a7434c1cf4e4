"""Directives: every spelling, where they count, and what is said about mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import UsageError
from batchio.options.directives import Directive, ignored, parse, quote


def pairs(text: str, filename: str = "job.txt") -> list[tuple[str, str]]:
    return [(item.key, item.value) for item in parse(text, filename)]


@pytest.mark.parametrize(
    "line",
    [
        "# BATCHIO memory 8GB",
        "#BATCHIO memory 8GB",
        "#  BATCHIO   memory    8GB   ",
        "## BATCHIO memory 8GB",
        "   # BATCHIO memory 8GB",
        "# COILED memory 8GB",
        "# coiled memory 8GB",
        "# batchio memory 8GB",
        "# COILED: memory 8GB",
        "# COILED:memory=8GB",
        "# COILED --memory 8GB",
        "# COILED --memory=8GB",
        "# COILED-memory 8GB",
        "# COILED MEMORY 8GB",
        "# COILED memory=8GB",
        "# COILED memory = 8GB",
        "# COILED memory: 8GB",
        "# COILED memory : 8GB",
        "#\tCOILED\tmemory\t8GB",
        "# COILED memory\t8GB",
        '# COILED memory "8GB"',
        "# COILED memory '8GB'",
        '# COILED memory="8GB"  # a big box',
        "# COILED memory 8GB  # a big box",
        "# COILED memory 8GB #",
        "// BATCHIO memory 8GB",
        "// BATCHIO memory 8GB // a big box",
        "-- BATCHIO memory 8GB",
        "-- BATCHIO --memory=8GB -- a big box",
        "; BATCHIO memory 8GB",
        ";; BATCHIO memory 8GB ; a big box",
        "% BATCHIO memory 8GB",
        "' BATCHIO memory 8GB",
        "# COILED memory 8GB\r",
        "\ufeff# COILED memory 8GB",
    ],
)
def test_one_directive_in_every_spelling(line: str) -> None:
    assert pairs(line + "\n") == [("memory", "8GB")]


@pytest.mark.parametrize(
    "line",
    [
        "# COILEDmemory 8GB",
        "# Coiled is a company",
        "# coiled batch run my_script.py",
        "# batchio run --ntasks 4 hello.sh",
        "# batchio",
        "# the BATCHIO memory 8GB",
        "BATCHIO memory 8GB",
        "echo '# BATCHIO memory 8GB'",
    ],
)
def test_prose_and_code_hold_no_directive(line: str) -> None:
    assert pairs(line + "\n") == []


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("# COILED n-tasks     10", "ntasks", "10"),
        ("# COILED n_tasks 10", "ntasks", "10"),
        ("# COILED container ubuntu:latest", "container", "ubuntu:latest"),
        ("# COILED forward-aws-credentials True", "forward-aws-credentials", "True"),
        ("# COILED memory      8 GiB", "memory", "8 GiB"),
        ("# COILED env FOO=bar", "env", "FOO=bar"),
        ("# COILED env=FOO=bar=baz", "env", "FOO=bar=baz"),
        ("# COILED -e FOO=bar", "env", "FOO=bar"),
        ("# COILED -N 8", "max-workers", "8"),
        ("# COILED max-workers -1", "max-workers", "-1"),
        ('# COILED env FOO="a # b"', "env", "FOO=a # b"),
        ("# COILED env FOO='a # b' # said", "env", "FOO=a # b"),
        ('# COILED env FOO={"a": 1}', "env", 'FOO={"a": 1}'),
        ('# COILED env FOO="a" "b"', "env", 'FOO="a" "b"'),
        ("# COILED env COLOUR=#fff", "env", "COLOUR=#fff"),
        ("# COILED tag note=don't", "tag", "note=don't"),
        (r'# COILED name "a \"b\" \\ c"', "name", r'a "b" \ c'),
        (r"# COILED map-over-delimiter '\n'", "map-over-delimiter", r"\n"),
        ("# COILED gpu", "gpu", "true"),
        ("# COILED gpu # one is enough", "gpu", "true"),
        ("# COILED gpu false", "gpu", "false"),
        ("# COILED no-gpu", "gpu", "false"),
        ("# COILED --no-allow-cross-zone", "allow-cross-zone", "false"),
        ("# COILED no-task-on-scheduler", "task-on-scheduler", "false"),
        ("# COILED no-memory", "memory", ""),
        ("# COILED job-timeout 1 hour", "job-timeout", "1 hour"),
        ("# COILED no-implicit-file-upload", "implicit-upload", "false"),
    ],
)
def test_the_value_is_the_rest_of_the_line(line: str, key: str, value: str) -> None:
    assert [(key, value)] == pairs(line)


def test_a_directive_knows_its_line_and_tag() -> None:
    text = "#!/bin/bash\n\n# COILED ntasks 10\n# batchio gpu\n"
    assert [
        Directive("ntasks", "10", 3, "COILED"),
        Directive("gpu", "true", 4, "BATCHIO"),
    ] == parse(text, "x.sh")


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\n\n",
        "#!/usr/bin/env python3\n",
        "\n#!/bin/bash\n\n",
        "# a comment\n\n",
        '"""One line."""\n',
        '"""One line."""  # with a comment\n',
        '"""Many\n\n# COILED ntasks 3\n\nlines."""\n\n',
        "r'''Raw\n# COILED ntasks 3\n'''\n",
        "'short'\n",
        '# -*- coding: utf-8 -*-\n"""Doc."""\n# more\n',
    ],
)
def test_the_head_of_a_python_script_may_hold_these(head: str) -> None:
    assert pairs(f"{head}# COILED memory 8GB\nimport os\n", "x.py") == [("memory", "8GB")]


@pytest.mark.parametrize(
    ("filename", "text"),
    [
        ("x.sh", "echo hi\n# COILED ntasks 3\n"),
        ("x.sh", "cat <<EOF\n# COILED ntasks 3\nEOF\n"),
        ("x.sh", "#!/bin/sh\n: <<'EOF'\n# COILED ntasks 3\nEOF\n"),
        ("x.sh", "'cat' <<EOF\n# COILED ntasks 3\nEOF\n"),
        ("job", "#!/usr/bin/env bash\n%1 <<EOF\n# COILED ntasks 3\nEOF\n"),
        ("x.py", "import os\n# COILED ntasks 3\n"),
        ("x.py", '"""doc""" ; x = """\n# COILED ntasks 3\n"""\n'),
        ("x.py", '"""doc"""\n"""\n# COILED ntasks 3\n"""\n'),
        ("x.py", '"""doc"""\n"""more"""\n# COILED ntasks 3\n'),
        ("x.py", '"""never closed\n# COILED ntasks 3\n'),
        ("x.py", '"half" + """\n# COILED ntasks 3\n"""\n'),
    ],
)
def test_after_the_first_line_of_code_nothing_counts(filename: str, text: str) -> None:
    assert parse(text, filename) == []


def test_a_directive_that_comes_too_late_is_pointed_out() -> None:
    text = "#!/bin/sh\n# COILED ntasks 3\necho hi\n# COILED memory 8GB\n# COILED was here\n"
    assert ignored(text, "x.sh") == [
        "x.sh:4: ignored, directives must come before the first line of code: # COILED memory 8GB"
    ]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("# COILED memroy 8GB", 'unknown directive "memroy"', "did you mean memory?"),
        ("# batchio memroy 8GB", 'unknown directive "memroy"', "did you mean memory?"),
        ("# COILED local_upload_pth x", 'unknown directive "local_upload_pth"', "batchio run"),
        ("# COILED command ls", 'unknown directive "command"', ""),
        ("# COILED", "a directive without a key", "batchio run --help lists every option"),
        ("# COILED 12", 'unknown directive "12"', "batchio run --help lists every option"),
        ("# COILED memory", "memory needs a value", "write memory SIZE, or no-memory"),
        ("# COILED memory # big", "memory needs a value", "write memory SIZE, or no-memory"),
        ('# COILED memory "8GB', 'the quote is not closed: "8GB', ""),
        (
            '# COILED memory ""',
            "memory: the value is empty",
            "to clear the value of configuration files: no-memory",
        ),
        ("# COILED no-gpu true", 'no-gpu takes no value, but got "true"', ""),
        ("# COILED dry-run", "dry-run cannot be set in a script", "pass it to batchio run"),
        ("# COILED logger x", "logger cannot be set in a script", "pass it to batchio.run()"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(f"#!/bin/sh\n\n{line}\n", "hello.sh")
    assert f"hello.sh:3: {message}" == str(refused.value)
    assert (refused.value.hint or "").startswith(hint)


ONE_LINE = st.text(max_size=30).filter(
    lambda text: len(f"{text}.".splitlines()) <= 1 and "\0" not in text and text.strip()
)


@given(ONE_LINE, st.sampled_from(["#", "//", "--", ";", "%", "'"]))
def test_a_quoted_value_arrives_as_it_was(value: str, sign: str) -> None:
    assert [("name", value)] == pairs(f"{sign} BATCHIO name {quote(value)} # note")


@given(ONE_LINE)
def test_a_quoted_variable_arrives_as_it_was(value: str) -> None:
    assert [("env", f"A={value}")] == pairs(f"# BATCHIO env A={quote(value)}")


@pytest.mark.parametrize("value", ["a\nb", "a\n", "\r", "\x85x"])
def test_a_line_break_cannot_be_quoted(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        quote(value)


@given(st.text(max_size=200), st.sampled_from(["x.py", "x.sh", "x.lua", "x"]))
def test_any_text_gives_directives_or_a_usage_error(text: str, filename: str) -> None:
    where: str | None = filename
    try:
        parse(f"# BATCHIO gpu\n{text}", filename)
    except UsageError as refused:
        where = refused.where
    assert where is not None
    assert where.startswith(filename)
    assert all(note.startswith(filename) for note in ignored(text, filename))
