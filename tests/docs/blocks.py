"""The code blocks of a page: what is in them, and how they are run.

    ```console                    each `$ ` line is run by bash, in the page's folder; the lines
                                  below it are its output (`…` stands for anything)
    ```python                     is run as a script, or, with `await` at the top, in a loop
    ```LANGUAGE file=NAME         is written to a file of that name
    ```LANGUAGE not-run="REASON"  is neither
    ```text, toml, …              other languages without `file=` are for reading

A command may fail only where the next one is `$ echo $?`.
"""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMIT_S: Final = 100
"""No block of the documentation takes longer."""

_FENCE: Final = re.compile(
    r"^(?P<indent> *)```(?P<info>\S[^\n]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_ASYNC_RUNNER: Final = """\
import ast, asyncio, inspect, pathlib, sys
source = pathlib.Path(sys.argv[1]).read_text()
code = compile(source, sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
names = {"__name__": "__main__"}
async def main():
    answer = eval(code, names)
    if inspect.isawaitable(answer):
        await answer
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    options: Mapping[str, str]
    text: str
    line: int
    """Of its fence, from 1."""


def parse(page: str) -> list[Block]:
    """Every fenced block that names a language, in order."""
    blocks = []
    for match in _FENCE.finditer(page):
        language, _, rest = match["info"].strip().partition(" ")
        options = {key: a or b for key, a, b in re.findall(r'([\w-]+)=(?:"([^"]*)"|(\S+))', rest)}
        line = page.count("\n", 0, match.start()) + 1
        blocks.append(Block(language, options, textwrap.dedent(match["text"]), line))
    return blocks


def run(block: Block, folder: Path, environ: Mapping[str, str]) -> None:
    """Do what the block says, in `folder`.

    Raises:
        AssertionError: it failed, or printed something else.
    """
    if "not-run" in block.options:
        assert block.options["not-run"], "not-run needs a reason"
    elif name := block.options.get("file"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text)
    elif block.language == "console":
        _run_console(block.text, folder, environ)
    elif block.language == "python":
        _run_python(block.text, folder, environ)


def commands(session: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and the output shown below it."""
    pattern = re.compile(
        r"^\$ (?P<command>(?:[^\n]*\\\n)*[^\n]*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.M
    )
    for match in pattern.finditer(session):
        yield match["command"], match["output"]


def agrees(shown: str, printed: str) -> bool:
    """Whether the output is the one shown: blanks are all alike, `…` is anything."""
    pattern = "".join(
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in _plain(shown)
    )
    printed_lines = "".join(f"{line}\n" for line in _plain(printed))
    return re.fullmatch(pattern, printed_lines) is not None


def _plain(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def _run_console(session: str, folder: Path, environ: Mapping[str, str]) -> None:
    code = 0
    todo = list(commands(session))
    for index, (command, shown) in enumerate(todo):
        done = _call(["bash", "-c", f"(exit {code})\n{command}"], folder, environ)
        code = done.returncode
        may_fail = index + 1 < len(todo) and todo[index + 1][0] == "echo $?"
        assert code == 0 or may_fail, f"$ {command}\nexit code {code}\n{done.stdout}"
        if shown.strip():
            told = f"$ {command}\nprinted:\n{done.stdout}\nbut the page shows:\n{shown}"
            assert agrees(shown, done.stdout), told


def _run_python(source: str, folder: Path, environ: Mapping[str, str]) -> None:
    file = folder / "block.py"
    file.write_text(source)
    words = [str(file)] if _is_script(source) else ["-c", _ASYNC_RUNNER, str(file)]
    done = _call([sys.executable, *words], folder, environ)
    file.unlink()
    assert done.returncode == 0, f"{source}\nexit code {done.returncode}\n{done.stdout}"


def _is_script(source: str) -> bool:
    """Whether a block runs as it stands, with no `await` at the top."""
    try:
        compile(source, "block", "exec")
    except SyntaxError:
        return False
    return True


def _call(
    words: list[str], folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
