"""What a task said last is understood, where it is a common mistake."""

import pytest

from batchio.core.last_words import advice, explained

NO_FILE = "No such file or directory"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"FileNotFoundError: [Errno 2] {NO_FILE}: 'data.csv'", "--upload data.csv"),
        (f"FileNotFoundError: [Errno 2] {NO_FILE}: 'data/a b.csv'", "--upload data"),
        (f"cat: data.csv: {NO_FILE}", "--upload data.csv"),
        (f"cat: 'data.csv': {NO_FILE}", "--upload data.csv"),
        (f"ls: cannot access 'data/x': {NO_FILE}", "--upload data"),
        (f"a.sh: line 3: ./prog: {NO_FILE}", "--upload prog"),
        ("j.sh: 1: ./prog: not found", "--upload prog"),
        (f"FileNotFoundError: [Errno 2] {NO_FILE}: '/scratch/x'", "/scratch/x does not exist"),
        ("PermissionError: [Errno 13] Permission denied: '/root/x'", "may not use /root/x"),
        ("j.sh: 1: ./prog: Permission denied", "chmod +x ./prog"),
        ("sh: 1: samtools: not found", "samtools is not installed"),
        ("bash: line 1: samtools: command not found", "samtools is not installed"),
        ("ModuleNotFoundError: No module named 'utils.deep'", "--upload utils.py"),
        ("SyntaxError: Missing parentheses in call to 'print'. Did you mean …", "Python 2"),
    ],
)
def test_a_common_mistake_is_told_with_the_way_out(words: str, said: str) -> None:
    assert said in advice(words)
    assert list(explained(words)) == [f'Its last words: "{words}"', advice(words)]


@pytest.mark.parametrize("words", ["ValueError: 3", "not found", "404: not found", "Error: x"])
def test_other_words_are_only_repeated(words: str) -> None:
    assert list(explained(words)) == [f'Its last words: "{words}"']


def test_a_silent_task_is_not_explained() -> None:
    assert list(explained("")) == []
