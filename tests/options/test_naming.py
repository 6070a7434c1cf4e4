"""A job is named by what runs, never by the shell or the interpreter that runs it."""

import pytest

from batchio.options.naming import program_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["./a.out", "--flag"], "a.out"),
        (["sh", "-c", "echo hi; sleep 3"], "echo"),
        (["bash", "-lc", "cd /tmp && set -e; make all"], "make"),
        (["bash", "run-all"], "run-all"),
        (["/usr/bin/python3.12", "-m", "pkg.train", "--epochs", "3"], "pkg.train"),
        (["python", "-u", "train"], "train"),
        (["python3", "-c", "\nprint(1)\n"], "print(1)"),
        (["perl", "-ne", "print if /x/"], "print if /x/"),
        (["env", "A=1", "timeout", "-k", "5", "10m", "python", "-m", "x"], "x"),
        (["nice", "-n", "10", "sh", "-c", "A=1 exec ffmpeg -i a"], "ffmpeg"),
        (["sh"], "sh"),
        ("A=1 B=2 gzip -9 x | cat", "gzip"),
        ("for i in 1 2; do echo $i; done", "echo"),
        ("echo 'not closed", "echo"),
        ("A=1", "A=1"),
        ("cd x", "cd x"),
        ("", "job"),
    ],
)
def test_the_name_is_that_of_what_does_the_work(words: list[str] | str, name: str) -> None:
    assert program_name(words) == name
