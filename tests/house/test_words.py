"""A function's docstring says what the function does: it opens with a verb, not with a riddle."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import PACKAGE

FOLDERS: Final = (
    ".",
    "agent",
    "cli",
    "core",
    "filestores",
    "heads",
    "installer",
    "options",
    "ports",
    "providers",
    "runtime",
    "software",
    "stores",
    "submit",
    "testing",
    "transports",
)
"""Folders of the package that keep to the rule; "." stands for the modules at its root."""

_OPENINGS: Final = """
    a all an as at by each every everything for from he here how if in it its less more no nobody
    none not nothing of on one only some such that the their there these they this those to up
    what when where whether which who whoever why with
"""
OPENINGS: Final = frozenset(_OPENINGS.split())
"""Articles, pronouns, question words and the like: after these the subject must be guessed."""


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(one) for one in node.decorator_list)


def _riddles(text: str) -> Iterator[str]:
    """Yield line, name and first line of each docstring that opens with one of OPENINGS."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if first and first.split()[0].strip(".,:;`").lower() in OPENINGS:
                yield f"{node.lineno}: {node.name}: {first}"


def _modules(folder: str) -> list[Path]:
    return sorted((PACKAGE / folder).glob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_docstring_of_a_function_opens_with_a_verb(folder: str) -> None:
    found = [f"{path}:{one}" for path in _modules(folder) for one in _riddles(path.read_text())]
    assert _modules(folder), "there is no such folder"
    assert not found, "\n".join(["begin with a verb, and name the subject:", *found])


@pytest.mark.parametrize("opening", ["Where it ends.", "The end.", "`It` ends.", "One: the end."])
def test_a_riddle_is_found(opening: str) -> None:
    assert list(_riddles(f'def end() -> int:\n    """{opening}"""\n'))


def test_a_property_may_be_a_noun() -> None:
    assert not list(_riddles('@property\ndef end(self) -> int:\n    """The end."""\n'))
