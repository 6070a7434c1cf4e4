"""Programs of users run as they stand, and print what they should.

Type checkers read them too: mypy with all tests, pyright by `[tool.basedpyright]`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Final

import jedi
import nbformat
import pytest
from nbclient import NotebookClient

PROGRAMS: Final = Path(__file__).parent / "programs"

PRINTED: Final = {
    "web_app": """
        events end with {'event: job_closed'}
        lines ['0 stdout hello 3', '1 stdout hello 3']
        state succeeded
        cancelled cancelled
        jobs 11
        422 {'error': 'no command given', 'hint': 'batchio.run("process.py", …)', 'code': 'usage'}
        404 {.*, 'hint': 'see: batchio.list_jobs()', 'code': 'no-such-job'}
    """,
    "trio_sweep": """
        {'left': 2, 'right': 2}
        failed (1,) 1
        deadline True cancelled
        printed tick
        cancelled cancelled
        squares [0, 1, 4, 9, 16]
    """,
    "plain_script": """
        failed (1,) ['exit code 4']
        again True job.explain()
        why Task 1 failed with exit code 4 .*
        slowest True
        retried [1]
        after failed [1, 2, 1]
        files ['0/result', '1/result', '2/result']
        line one
        line two
        live True succeeded
        wrong ntasks: must be 1 or more, not 0
    """,
    "parallel_map": """
        cubes ['0', '1', '8', '27', '64', '125']
        first True
        failed True
        unreachable no-such-host.invalid
        job succeeded
    """,
}
"""What each program prints; `.*` stands for anything."""


def runs(name: str, folder: Path, *arguments: str) -> None:
    """Run this program in this folder, and hold it to what it should print."""
    environ = {**os.environ, "BATCHIO_WORKSPACE": str(folder / "ws"), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / f"{name}.py"), *arguments],
        cwd=folder, env=environ, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    lines = [re.escape(line).replace(r"\.\*", ".*") for line in _lines(PRINTED[name])]
    assert re.fullmatch("\n".join(lines), done.stdout.strip()), done.stdout


def _lines(text: str) -> list[str]:
    return textwrap.dedent(text).strip().splitlines()


@pytest.mark.parametrize("name", PRINTED)
def test_a_program_runs_and_prints_what_it_should(name: str, tmp_path: Path) -> None:
    runs(name, tmp_path)


def _cells() -> list[str]:
    """Return the cells of the notebook: the body of its function, cut at `# %%`."""
    source = (PROGRAMS / "notebook.py").read_text()
    body = source.partition('"""Run the cells; the test cuts them out of here."""\n')[2]
    return [cell.strip() for cell in textwrap.dedent(body).split("# %%") if cell.strip()]


def test_a_notebook_runs_where_a_loop_runs_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCHIO_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in _cells()])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zmq and traitlets
        NotebookClient(notebook, timeout=100, kernel_name="python3").execute(cwd=str(tmp_path))

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    assert _lines(printed) == [
        "failed",
        "from a running loop",
        "[0, 1, 0, 1]",
        "True True",
        "['0', '1', '2', '3']",
    ]
    assert "<table>" in outputs[-1]["data"]["text/html"]
    shown = outputs[-1]["data"]["text/plain"]
    assert re.fullmatch(r"<Result \w+ echo: failed, 4 of 4 done, 2 failed>", shown)


_WRITTEN: Final = """
import batchio
from batchio import sync

async def main():
    job = await batchio.run("true")
    result = await job.wait()
    async with batchio.open_nodes() as nodes:
        done = await nodes[0].run("true")
        {}
blocking = sync.run("true")
{}
"""


@pytest.mark.parametrize(
    ("inside", "outside", "name"),
    [
        ("job.", "", "logs"),
        ("result.", "", "failures"),
        ("result.job.", "", "submitted_at"),
        ("done.", "", "stdout"),
        ("", "blocking.", "explain"),
        ("", "blocking.wait().", "exit_code"),
        ("", "batchio.", "JobFailed"),
    ],
)
def test_an_editor_completes_what_verbs_return(inside: str, outside: str, name: str) -> None:
    source = _WRITTEN.format(inside or "pass", outside)
    at = source.index(inside or outside) + len(inside or outside)
    if outside:
        at = source.rindex(outside) + len(outside)
    before = source[:at]

    found = jedi.Script(source, environment=jedi.InterpreterEnvironment()).complete(
        before.count("\n") + 1, len(before.rpartition("\n")[2])
    )

    assert name in {one.name for one in found}
