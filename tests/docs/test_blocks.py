"""The runner of the pages finds blocks, runs them, and notices when they lie."""

import os
from pathlib import Path

import pytest

from tests.docs.blocks import agrees, commands, parse, run

PAGE = """\
Text.

```sh file=hello.sh
echo hello
```

1. In a list:

   ```console
   $ sh hello.sh
   hello
   ```

```python not-run="needs a cloud"
```
"""


def test_blocks_know_their_language_options_and_line() -> None:
    blocks = [(b.language, dict(b.options), b.line) for b in parse(PAGE)]
    assert blocks == [
        ("sh", {"file": "hello.sh"}, 3),
        ("console", {}, 9),
        ("python", {"not-run": "needs a cloud"}, 14),
    ]


def test_a_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    for block in parse(PAGE):
        run(block, tmp_path, os.environ)


@pytest.mark.parametrize(
    "lie",
    [
        "```console\n$ echo yes\nno\n```\n",
        "```console\n$ false\n```\n",
        "```console\n$ echo a; echo b\na\n```\n",
        "```python\nraise SystemExit(3)\n```\n",
        "```python\nimport asyncio\nawait asyncio.sleep(0)\nassert not asyncio\n```\n",
        '```python not-run=""\n```\n',
    ],
)
def test_a_lie_is_noticed(lie: str, tmp_path: Path) -> None:
    [block] = parse(lie)
    with pytest.raises(AssertionError):
        run(block, tmp_path, os.environ)


def test_a_command_may_fail_where_its_exit_code_is_shown(tmp_path: Path) -> None:
    [block] = parse("```console\n$ exit 4\n$ echo $?\n4\n```\n")
    run(block, tmp_path, os.environ)


def test_commands_go_on_after_a_backslash() -> None:
    session = "$ one \\\n    two\nout\n\nput\n$ three\n"
    assert list(commands(session)) == [("one \\\n    two", "out\n\nput\n"), ("three", "")]


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        ("a  b", "a b\n", True),
        ("job … runs", "job 7k2 runs", True),
        ("first\n…\nlast", "first\n1\n2\nlast", True),
        ("first\n…\nlast", "first\nlast", True),
        ("…\nlast", "1\n2\nlast", True),
        ("first\n…", "first\n1\n2", True),
        ("first\n…\nlast", "first\n1\n2", False),
        ("a.b", "axb", False),
    ],
)
def test_an_ellipsis_is_anything(shown: str, printed: str, agree: bool) -> None:
    assert agrees(shown, printed) is agree
