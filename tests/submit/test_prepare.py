"""From a command line or a call to a job: what counts, what is made, what is told."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.errors import UsageError
from batchio.stores.finding import find
from batchio.stores.folder import FolderWorkspace
from batchio.submit import Plan
from tests.making import texts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.submit.conftest import Caller

DOCS_HELLO = """#!/bin/bash

# COILED ntasks 10
# COILED memory 32GB
# COILED container ubuntu:latest

echo Hello from $COILED_BATCH_TASK_ID
"""

DOCS_PROCESS = """# COILED memory      8 GiB
# COILED region      us-east-2

import sys
"""


# --- what is made --------------------------------------------------------------------


def test_a_job_stands_in_the_workspace_with_its_spec_as_the_first_event(caller: Caller) -> None:
    caller.file("hello.sh", DOCS_HELLO)
    prepared = caller.typed("hello.sh", ignore=["container"])
    job = prepared.create()
    spec = caller.submitted(prepared, job)
    assert prepared.spec == spec
    assert spec.argv == ("./hello.sh",)
    assert len(spec.tasks) == 10
    assert (spec.memory, spec.name) == (32_000_000_000, "hello.sh")
    assert find(FolderWorkspace(caller.workspace), "hello.sh") == job


def test_inputs_are_in_the_job_folder(caller: Caller) -> None:
    caller.file("process.py", DOCS_PROCESS)
    caller.file("inputs.txt", "s3://b/one\ns3://b/two\n")
    words = ("process.py", r"\$COILED_BATCH_TASK_INPUT")
    prepared = caller.typed(*words, map_over_file="inputs.txt")
    job = prepared.create()
    assert texts(prepared.workspace.job(job)) == ["s3://b/one", "s3://b/two"]
    spec = caller.submitted(prepared, job)
    assert (spec.inputs, len(spec.tasks)) == ("values", 2)
    assert ("{python}", *words) == spec.argv


def test_ids_may_be_chosen(caller: Caller) -> None:
    prepared = caller.typed("echo", array="2,4-6,8-10%3")
    assert (str(prepared.spec.tasks), prepared.spec.at_once) == ("2,4-6,8-10", 3)


def test_the_command_arrives_byte_for_byte(caller: Caller) -> None:
    words = ("./a.out", "--flag", "", "two words", "$HOME", "line\nbreak", "\udcff")
    caller.file("a.out", b"\x7fELF\0\0", 0o755)
    prepared = caller.typed(*words)
    job = prepared.create()
    assert ("./a.out", *words[1:]) == caller.submitted(prepared, job).argv


def test_the_same_from_the_command_line_and_from_python(caller: Caller) -> None:
    caller.file("process.py", DOCS_PROCESS)
    caller.file("in.txt", "a\nb\n")
    words = ["process.py", "$BATCHIO_TASK_INPUT"]
    typed = caller.typed(*words, map_over_file="in.txt", max_workers="4", env=["A=1"])
    called = caller.called(words, map_over_file="in.txt", max_workers=4, env={"A": 1})
    one, other = typed.spec.to_json(), called.spec.to_json()
    origins = [{name: row[0] for name, row in spec.pop("options").items()} for spec in (one, other)]
    assert one == other
    assert origins[0] == origins[1]
    assert typed.warnings == called.warnings


def test_nothing_is_left_when_a_file_cannot_be_packed(caller: Caller) -> None:
    caller.file("work.py")
    prepared = caller.typed("work.py")
    (caller.folder / "work.py").unlink()
    with pytest.raises(UsageError) as refused:
        prepared.create()
    assert str(refused.value) == "no such file: work.py"
    assert caller.left_behind() == []


def test_preparing_and_planning_make_nothing(caller: Caller) -> None:
    caller.file("work.py")
    before = sorted(caller.folder.rglob("*"))
    caller.typed("work.py", upload=["."]).plan()
    assert not caller.workspace.exists()
    assert before == sorted(caller.folder.rglob("*"))


# --- what there is to map over -------------------------------------------------------


def test_values_are_split_at_commas_or_at_the_delimiter(caller: Caller) -> None:
    assert len(caller.typed("echo", map_over_values="first,second,third").spec.tasks) == 3
    split = caller.typed("echo", map_over_values="a,b;c", map_over_delimiter=";")
    assert (split.plan().tasks, split.plan().last) == (2, (1, "c"))


def test_columns_become_variables(caller: Caller) -> None:
    caller.file("in.csv", "NAME,SIZE\na,1\nb,2\n")
    prepared = caller.typed("echo", map_over_file="in.csv")
    job = prepared.create()
    inputs = prepared.workspace.job(job).inputs()
    assert inputs.record(1) == {"NAME": "b", "SIZE": "2"}
    inputs.close()
    assert caller.submitted(prepared, job).inputs == "records"


def test_dictionaries_of_python_become_variables(caller: Caller) -> None:
    prepared = caller.called("echo $FOO", map_over_task_var_dicts=[{"FOO": 1}, {"FOO": 3}])
    assert prepared.plan().first == (0, '{"FOO":"1"}')


def test_a_generator_can_be_planned_and_then_made(caller: Caller) -> None:
    prepared = caller.called(["echo"], map_over_values=(f"v{n}" for n in range(5)))
    assert prepared.plan().last == (4, "v4")
    job = prepared.create()
    assert [f"v{n}" for n in range(5)] == texts(prepared.workspace.job(job))


@pytest.mark.parametrize("plan_first", [True, False])
def test_standard_input_is_read_once(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, plan_first: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo\n")))
    prepared = caller.typed("echo", map_over_file="-")
    if plan_first:
        assert (prepared.plan().tasks, prepared.plan().last) == (2, (1, "two"))
    job = prepared.create()
    assert texts(prepared.workspace.job(job)) == ["one", "two"]


def test_a_pipe_is_read_once(caller: Caller) -> None:
    for plan_first in (True, False):
        reading, writing = os.pipe()
        os.write(writing, b"one\ntwo\n")
        os.close(writing)
        prepared = caller.typed("echo", map_over_file=f"/dev/fd/{reading}")
        if plan_first:
            assert prepared.plan().first == (0, "one")
        assert len(caller.submitted(prepared, prepared.create()).tasks) == 2
        os.close(reading)


# --- where settings come from --------------------------------------------------------


def test_the_first_script_with_directives_counts(caller: Caller) -> None:
    caller.file("plain.sh", "#!/bin/sh\necho\n")
    caller.file("a.py", "# COILED ntasks 2\n# BATCHIO slots 3\n# COILED slots 4\n")
    caller.file("b.py", "# COILED ntasks 5\n")
    spec = caller.typed("./plain.sh", "a.py", "b.py").spec
    assert (len(spec.tasks), spec.slots) == (2, 3)
    assert spec.options["slots"] == ("3", "a.py:2")


def test_a_script_given_as_text_has_directives_too(caller: Caller) -> None:
    prepared = caller.called("#!/bin/sh\n# COILED ntasks 4\necho $BATCHIO_TASK_ID\n")
    assert len(prepared.spec.tasks) == 4
    assert prepared.spec.options["ntasks"] == ("4", "script:2")


def test_a_directive_that_stands_too_late_is_told(caller: Caller) -> None:
    caller.file("late.sh", "#!/bin/sh\necho\n# COILED ntasks 9\n")
    prepared = caller.typed("late.sh")
    expected = (
        "late.sh:3: ignored, directives must come before the first line of code: # COILED ntasks 9"
    )
    assert expected in prepared.warnings
    assert len(prepared.spec.tasks) == 1


def test_directives_may_say_how_the_command_is_read(caller: Caller) -> None:
    caller.file("tool.py", "# BATCHIO no-implicit-upload\n")
    caller.file("data.txt")
    assert caller.typed("tool.py", "data.txt").plan().files == ("tool.py",)


def test_hosts_without_a_provider_mean_ssh(caller: Caller) -> None:
    spec = caller.typed("hostname", hosts=["alice@gpu1,gpu2"]).spec
    assert (spec.provider, spec.hosts, spec.python) == ("ssh", ("alice@gpu1", "gpu2"), None)
    assert spec.options["provider"] == ("ssh", "because of --hosts")
    caller.file("lab.txt", "gpu3 slots=4\n")
    assert caller.typed("hostname", hosts_file="lab.txt").spec.hosts == ("gpu3?slots=4",)


def test_a_provider_that_was_chosen_stays(caller: Caller) -> None:
    prepared = caller.typed("hostname", hosts=["gpu1"], provider="local")
    assert (prepared.spec.provider, prepared.spec.hosts) == ("local", ())
    assert prepared.warnings == [
        "--hosts gpu1 (command line): ignored, the local provider does not use hosts; leave out "
        "--provider to reach them over SSH"
    ]


# --- the scripts of the docs page, unchanged -----------------------------------------


def test_a_script_of_the_docs_page_runs_here_and_says_what_is_ignored(caller: Caller) -> None:
    caller.file("my_script.py", DOCS_PROCESS)
    prepared = caller.typed("my_script.py")
    assert prepared.warnings == [
        "--region us-east-2 (my_script.py:2): ignored, "
        "the local provider has one region: this computer"
    ]


def test_a_coiled_container_without_an_engine_runs_on_the_computer(caller: Caller) -> None:
    caller.environ["PATH"] = str(caller.bin)
    caller.file("hello.sh", DOCS_HELLO)
    prepared = caller.typed("hello.sh")
    assert None is prepared.spec.container
    assert prepared.warnings == [
        "--container ubuntu:latest (hello.sh:5): ignored, neither podman nor docker is "
        "installed here; tasks run without it"
    ]


def test_with_an_engine_the_container_counts(caller: Caller) -> None:
    caller.program("podman")
    caller.file("hello.sh", DOCS_HELLO)
    assert caller.typed("hello.sh").spec.container == "ubuntu:latest"
    assert None is caller.typed("hello.sh", run_on_host=True).spec.container


# --- python --------------------------------------------------------------------------


def test_python_is_that_of_the_active_environment(caller: Caller) -> None:
    caller.file("work.py")
    assert caller.typed("work.py").spec.python == sys.executable
    python = caller.file("venv/bin/python", "", 0o755)
    conda = caller.file("conda/bin/python", "", 0o755)
    caller.environ["CONDA_PREFIX"] = str(conda.parent.parent)
    assert caller.typed("work.py").spec.python == str(conda)
    caller.environ["VIRTUAL_ENV"] = str(python.parent.parent)
    assert caller.typed("work.py").spec.python == str(python)
    assert caller.typed("work.py", python="venv/bin/python").spec.python == str(python)
    caller.program("pypy3")
    assert caller.typed("work.py", python="pypy3").spec.python == "pypy3"


# --- variables and secrets -----------------------------------------------------------


def test_variables_come_from_files_and_words(caller: Caller) -> None:
    caller.file("x.env", "A=file\nB='file b'\n")
    assert caller.typed("env", env_file="x.env", env=["A=word"]).spec.env == {
        "A": "word",
        "B": "file b",
    }


def test_secrets_are_nowhere_but_in_the_secrets(caller: Caller) -> None:
    caller.file("s.env", "TOKEN=hunter2-file\n")
    caller.environ["PASSWORD"] = "hunter2-environ"
    prepared = caller.typed(
        "env",
        secret_env=["KEY=hunter2-word", "PASSWORD"],
        secret_env_file="s.env",
        env=["KEY=public"],
    )
    assert prepared.secrets == {
        "KEY": "hunter2-word",
        "PASSWORD": "hunter2-environ",
        "TOKEN": "hunter2-file",
    }
    job = prepared.create()
    spec = caller.submitted(prepared, job)
    assert spec.secret_names == ("KEY", "PASSWORD", "TOKEN")
    told = json.dumps([spec.to_json(), prepared.plan().to_json(), prepared.warnings])
    assert "hunter2" not in told
    for path in caller.workspace.rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes()


# --- the plan ------------------------------------------------------------------------


def test_a_plan_tells_everything(caller: Caller) -> None:
    caller.file("process.py", DOCS_PROCESS)
    caller.file("data/a.csv", "1,2,3\n")
    prepared = caller.typed("process.py", "data/a.csv", array="3-9", map_over_format="csv")
    plan = prepared.plan()
    assert plan == Plan(
        name="process.py",
        provider="local",
        argv=(sys.executable, "process.py", "data/a.csv"),
        shell=False,
        tasks=7,
        first=(3, None),
        last=(9, None),
        files=("process.py", "data/a.csv"),
        implied={},
        bytes=len(DOCS_PROCESS) + 6,
        sends=f"process.py, data/a.csv (2 files, {len(DOCS_PROCESS) + 6} B)",
        packages="",
        options=plan.options,
        warnings=(
            "--region us-east-2 (process.py:2): ignored, the local provider has one region: "
            "this computer",
            "--map-over-format (command line): ignored, there is no --map-over option",
        ),
    )
    assert ("memory", "8 GiB", "process.py:1") in plan.options
    assert ("array", "3-9", "command line") in plan.options
    assert json.loads(json.dumps(plan.to_json())) == plan.to_json()


def test_long_values_are_shown_short(caller: Caller) -> None:
    prepared = caller.typed("echo", map_over_values="value," * 1000)
    assert len(prepared.spec.options["map-over-values"][0]) < 210
    script = caller.called(["echo"], host_setup_script_content="set -e\napt install x\n")
    assert script.spec.options["host-setup-script-content"][0] == "set -e …"
    assert script.spec.host_setup == "set -e\napt install x\n"


def test_outputs_go_to_an_absolute_folder(caller: Caller, tmp_path: Path) -> None:
    assert str(caller.folder / "out") == caller.typed("echo", download="out").spec.collect
    assert caller.typed("echo", pipe_to_files=True).warnings == []
