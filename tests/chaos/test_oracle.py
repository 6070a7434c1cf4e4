"""The judge of the campaigns sees each thing that must not be, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.campaign import play
from tests.chaos.faults import Fault
from tests.chaos.oracle import KINDS, judge
from tests.chaos.places import Here
from tests.chaos.story import PROGRAM, Entry, Evidence, Injected, Shape

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = Shape(tasks=2, slots=1, lines=1, size=3, seconds=0)
DIARY = [
    Entry("here", "begin", 0, 1, 10.0),
    Entry("here", "end", 0, 1, 11.0),
    Entry("here", "begin", 1, 1, 11.0),
    Entry("here", "end", 1, 1, 12.0),
]
ROWS = {task: {"state": "done", "outcome": "succeeded", "attempt": 1} for task in (0, 1)}
LOST = {"state": "running", "outcome": None, "attempt": 1}
FAILED = {"state": "done", "outcome": "failed", "attempt": 1}
CANCELLED = {"state": "done", "outcome": "cancelled", "attempt": 1}
LINES = {(task, 1): ["1 0", "1 end"] for task in (0, 1)}
AGAIN = [Entry("here", "begin", 0, 2, 20.0), Entry("here", "end", 0, 2, 21.0)]
SECOND = {**ROWS, 0: {**ROWS[0], "attempt": 2}}


def good(folder: Path) -> Evidence:
    """Return what a job of two tasks leaves that went well."""
    for task in (0, 1):
        kept = folder / str(task) / "kept"
        kept.mkdir(parents=True)
        (kept / "name").write_text(f"{task} 1\n")
        (kept / "bytes").write_bytes(bytes(3))
    return Evidence(shape=SHAPE, diary=DIARY, rows=ROWS, lines=LINES, outputs=folder)


def injected(fault: str, at: float, *, reruns: bool) -> Injected:
    """Return a fault of an instant."""
    return Injected(fault, "", at, at, reruns)


def test_a_job_that_went_well_is_clean(tmp_path: Path) -> None:
    assert judge(good(tmp_path)) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("lost", {"rows": {0: ROWS[0]}}),
        ("lost", {"rows": {**ROWS, 1: LOST}}),
        ("lost", {"diary": DIARY[:3]}),
        ("lost", {"rows": {**ROWS, 1: FAILED}, "exit_code": 1}),
        ("lost", {"rows": {**ROWS, 1: CANCELLED}, "exit_code": 4}),
        ("doubled", {"diary": [*DIARY, DIARY[0]]}),
        ("doubled", {"diary": [*DIARY, AGAIN[0]]}),
        ("doubled", {
            "diary": [*DIARY, AGAIN[0]], "injected": [injected("kill agent", 5, reruns=True)],
        }),
        ("doubled", {
            "diary": [*DIARY, AGAIN[0]], "injected": [injected("kill head", 15, reruns=False)],
        }),
        ("doubled", {
            "diary": [*DIARY, AGAIN[0]], "counted": {(0, 1): 12.0},
            "injected": [injected("kill agent", 15, reruns=True)],
        }),
        ("two at once", {"diary": [*DIARY, Entry("here", "twice", 0, 2, 10.5)]}),
        ("output", {"lines": {**LINES, (0, 1): ["1 end"]}}),
        ("output", {"lines": {**LINES, (0, 1): ["1 0", "1 0", "1 end"]}}),
        ("output", {"lines": {**LINES, (0, 1): ["1 end", "1 0"]}}),
        ("output", {"lines": {(0, 1): LINES[0, 1]}}),
        ("output", {"lines": {**LINES, (0, 2): ["2 1", "2 0"]}}),
        ("output", {"shape": replace(SHAPE, size=4)}),
        ("left over", {"left": ["process 7: sleep"]}),
        ("hung", {"hung": ["`batchio wait` in 60 s"]}),
        ("exit code", {"exit_code": 1}),
        ("exit code", {"exit_code": -1}),
        ("traceback", {"words": {"head.log": "Traceback (most recent call last):\n…"}}),
    ],
)  # fmt: skip
def test_what_must_not_be_is_seen(tmp_path: Path, kind: str, change: dict[str, Any]) -> None:
    found = judge(replace(good(tmp_path), **change))

    assert {finding.kind for finding in found} == {kind}


@pytest.mark.parametrize("name", ["kept/name", "kept/bytes", "more"])
def test_a_file_that_is_torn_or_not_wanted_is_seen(tmp_path: Path, name: str) -> None:
    evidence = good(tmp_path)
    (tmp_path / "0" / name).write_text("?")

    assert [finding.kind for finding in judge(evidence)] == ["output"]


def test_a_result_that_nobody_could_keep_excuses_a_second_run(tmp_path: Path) -> None:
    evidence = good(tmp_path)
    (tmp_path / "0/kept/name").write_text("0 2\n")
    evidence.injected = [injected("kill agent", 11.5, reruns=True)]
    evidence.diary = [*DIARY, *AGAIN]
    evidence.rows = SECOND
    evidence.lines = {**LINES, (0, 2): ["2 0", "2 end"]}

    assert judge(evidence) == []


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("/usr/lib/python3.11/site.py", []),
        ("/home/me/batchio/src/batchio/__init__.py", []),
        ("/home/me/batchio/src/batchio/cli/main.py", ["traceback"]),
    ],
)
def test_only_python_itself_may_answer_ctrl_c_by_a_traceback(
    tmp_path: Path, file: str, kinds: list[str]
) -> None:
    evidence = good(tmp_path)
    words = f'Traceback (most recent call last):\n  File "{file}", line 1\nKeyboardInterrupt\n'
    evidence.words = {"run": words}

    assert [finding.kind for finding in judge(evidence)] == kinds


def test_what_a_note_admits_to_be_left_on_a_lost_host_is_none_of_it(tmp_path: Path) -> None:
    evidence = good(tmp_path)
    evidence.left = ["vm1: 2bcpbpkktv.1"]
    assert [finding.kind for finding in judge(evidence)] == ["left over"]

    evidence.admitted = "vm1: 2bcpbpkktv.1 may still be there"
    assert judge(evidence) == []


def test_every_kind_is_tried_here() -> None:
    [marks] = [
        mark for mark in test_what_must_not_be_is_seen.pytestmark if mark.name == "parametrize"
    ]
    assert {kind for kind, _ in marks.args[1]} == {*KINDS}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("doubled", '"$@" && exec "$@"'),
        ("two at once", '"$@" & sleep 0.1; "$@"; wait'),
        ("lost", "exit 0"),
        ("output", 'echo "1 0"; exec "$@"'),
        ("output", 'exec "$@" >/dev/null'),
        ("left over", ': >"$TMPDIR_OF_USER/forgotten"; exec "$@"'),
    ],
)
def test_a_program_that_lies_is_found_out_in_a_real_job(
    tmp_path: Path, kind: str, body: str
) -> None:
    """The program is a double that does what a broken product would have done."""
    double = tmp_path / "double" / "task.sh"
    double.parent.mkdir()
    tmp = tmp_path / "job" / "tmp"
    double.write_text(f'TMPDIR_OF_USER={tmp}\nset -- sh {PROGRAM} "$@"\n{body}\n')
    nothing = [Fault("nothing", 1, lambda _: None)]

    verdict = play(3, 0, Here(), tmp_path / "job", nothing, most=1, program=double)

    assert verdict.job
    assert kind in {finding.kind for finding in verdict.findings}


def test_a_program_that_tells_the_truth_is_believed(tmp_path: Path) -> None:
    nothing = [Fault("nothing", 1, lambda _: None)]

    verdict = play(3, 0, Here(), tmp_path / "job", nothing, most=1)

    assert verdict.findings == []
    assert not (tmp_path / "job").exists()
