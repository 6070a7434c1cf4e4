"""The task's own variables in a command's words, filled in on the node, without a shell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.agent.members import Members
from batchio.agent.setup import Setup

TASK = {
    b"BATCHIO_TASK_ID": b"3",
    b"BATCHIO_TASK_INPUT": b"a $BATCHIO_TASK_ID",
    b"COILED_X": b"",
    b"CITY": b"Bern",
}


def filled(*words: str) -> list[str]:
    setup = Setup({"argv": list(words), "input_var": "CITY"}, "/home", Members())
    return [word.decode() for word in setup.command(TASK, ())]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$BATCHIO_TASK_ID", "3"),
        ("${BATCHIO_TASK_ID}", "3"),
        (r"\$BATCHIO_TASK_ID", "3"),
        (r"\${BATCHIO_TASK_ID}", "3"),
        ("out-$BATCHIO_TASK_ID.txt", "out-3.txt"),
        ("${BATCHIO_TASK_ID}x$BATCHIO_TASK_ID", "3x3"),
        ("$BATCHIO_TASK_INPUT", "a $BATCHIO_TASK_ID"),
        ("$COILED_X", ""),
        ("$BATCHIO_TASK_IDX", "$BATCHIO_TASK_IDX"),
        (r"\$BATCHIO_NOPE", r"\$BATCHIO_NOPE"),
        ("${BATCHIO_TASK_ID", "${BATCHIO_TASK_ID"),
        ("$HOME", "$HOME"),
        (r"\\$BATCHIO_TASK_ID", r"\3"),
        ("$batchio_task_id", "$batchio_task_id"),
        ("$CITY", "Bern"),
        ("$CITYHALL", "$CITYHALL"),
        ("", ""),
    ],
)
def test_task_variables_are_filled_in_without_a_shell(word: str, expected: str) -> None:
    assert filled("echo", word) == ["echo", expected]


@given(st.lists(st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]))))
def test_a_word_without_a_dollar_sign_is_never_touched(words: list[str]) -> None:
    assert filled("echo", *words) == ["echo", *words]
