"""What a job needs and cannot have is an error before there is a job; --ignore runs it without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio import sync
from batchio.errors import UsageError
from batchio.options.table import OPTIONS
from batchio.submit import requirements

if TYPE_CHECKING:
    from tests.submit.conftest import Caller

REQUIREMENTS: list[tuple[dict[str, Any], str]] = [
    ({"memory": "1TB"}, "a task needs 1 TB of memory, but there is 64 GiB"),
    ({"cpu": "64"}, "a task needs 64 CPUs, but there are 8"),
    ({"gpu": True}, "a task needs 1 GPU, but there are 0"),
    ({"arm": True}, "a task needs an ARM processor, but this one is x86_64"),
    (
        {"vm_type": ["g5.xlarge"]},
        "the local provider rents no machines: tasks run on this computer",
    ),
    ({"software": "env1"}, 'there is no file and no environment called "env1"'),
    ({"scheduler_sidecar_spec": "x.yaml"}, "programs next to the head are not supported"),
    ({"min_workers": "2"}, "the job needs 2 nodes, but there are 1"),
]


@pytest.mark.parametrize(("options", "why"), REQUIREMENTS, ids=lambda each: str(each)[:30])
def test_a_requirement_that_cannot_be_met_is_an_error_and_can_be_left_out(
    caller: Caller, options: dict[str, Any], why: str
) -> None:
    name = next(iter(options)).replace("_", "-")
    assert caller.refused("true", **options) == (
        f"--{name}: {why}",
        f"to run without it: --ignore {name}",
    )

    ignoring = caller.typed("true", **options, ignore=[name])
    assert [line.split(" (")[0].split()[0] for line in ignoring.warnings] == [f"--{name}"]
    assert ignoring.warnings[0].endswith("(command line): left out, as --ignore asks")
    assert len(ignoring.spec.tasks) == 1


def test_every_requirement_of_the_table_is_among_them() -> None:
    tried = {next(iter(options)).replace("_", "-") for options, _ in REQUIREMENTS}
    assert {option.name for option in OPTIONS if option.requirement} <= tried


def test_all_that_lacks_is_named_at_once(caller: Caller) -> None:
    caller.file("a.sh", "#!/bin/sh\n# BATCHIO gpu\n# BATCHIO memory 8GB\ntrue\n")
    assert caller.refused("a.sh", scheduler_sidecar_spec="x.yaml", cpu="100") == (
        "--scheduler-sidecar-spec: programs next to the head are not supported; "
        "--cpu: a task needs 100 CPUs, but there are 8; "
        "a.sh:2: gpu: a task needs 1 GPU, but there are 0",
        "to run without it: --ignore scheduler-sidecar-spec,cpu,gpu",
    )


def test_a_script_for_coiled_is_told_how_it_runs_here_all_the_same(caller: Caller) -> None:
    caller.file("my_gpu_script.py", "# COILED n-tasks 100\n# COILED vm-type g5.xlarge\nprint(1)\n")
    said, hint = caller.refused("my_gpu_script.py")
    assert said == (
        "my_gpu_script.py:2: vm-type: the local provider rents no machines: tasks run on this "
        "computer"
    )
    assert (
        hint
        == "this script is for Coiled; to run it here anyway: --provider local --ignore vm-type"
    )

    prepared = caller.typed("my_gpu_script.py", provider="local", ignore=["vm-type"])
    assert len(prepared.spec.tasks) == 100


def test_what_only_places_nodes_is_a_warning(caller: Caller) -> None:
    placed = {
        "region": "north",
        "disk_size": "100",
        "spot_policy": "spot",
        "allow_ssh_from": "me",
        "allow_cross_zone": False,
    }
    warnings = caller.typed("true", **placed).warnings
    assert len(warnings) == len(placed)
    assert all(": ignored, the local provider" in line for line in warnings)
    assert any(line.startswith("--no-cross-zone (command line)") for line in warnings)


def test_a_computer_that_has_what_is_asked_for_takes_the_job(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {"cpus": 64, "memory": 1 << 40, "gpus": 2, "arch": "aarch64"}
    monkeypatch.setattr(requirements, "node_facts", lambda: big)
    spec = caller.typed("true", cpu="64", memory="1TB", gpu=True, arm=True).spec
    assert (spec.cpu, spec.gpu, spec.arm) == (64, 1, True)


def test_what_this_computer_has_is_what_its_agent_would_say() -> None:
    facts = requirements.node_facts()
    assert facts["arch"] == os.uname().machine
    assert facts["cpus"] >= 1
    assert facts["memory"] > 1 << 20


def test_hosts_are_asked_for_their_hardware_when_they_are_reached(caller: Caller) -> None:
    spec = caller.typed("true", hosts=["a,b"], memory="1TB", gpu=True, arm=True).spec
    assert spec.arm
    assert caller.refused("true", hosts=["a,b"], min_workers="3")[0] == (
        "--min-workers: the job needs 3 nodes, but there are 2"
    )
    assert caller.refused("true", hosts=["a"], task_on_scheduler=False)[0] == (
        "--task-on-scheduler: no task may run on the first node, but it is the only one"
    )
    assert caller.typed("true", hosts=["a,b"], task_on_scheduler=False).spec.hosts
    assert caller.refused("true", hosts=["a"], software="x")[0].startswith("--software: ")


# --- the program ---------------------------------------------------------------------


def test_a_program_that_is_nowhere_is_an_error_here_and_unknown_elsewhere(caller: Caller) -> None:
    assert caller.refused("nosuch", "a b") == (
        "nosuch: no such program on this computer",
        """if it is an alias or a shell command: --shell 'nosuch '"'"'a b'"'"''""",
    )
    assert caller.refused("/opt/nosuch")[0] == "no such file: /opt/nosuch"
    assert caller.typed("nosuch", hosts=["a"]).spec.argv == ("nosuch",)
    assert caller.typed("nosuch", shell=True).spec.shell
    caller.program("podman")
    assert caller.typed("nosuch", container="debian").spec.argv == ("nosuch",)


def test_python_is_python3_where_there_is_no_other(caller: Caller) -> None:
    caller.environ["PATH"] = str(caller.bin)
    caller.program("python3")
    assert caller.refused("python", "-c", "1") == (
        "python: no such program on this computer",
        "did you mean python3?",
    )


def test_a_program_that_a_setup_script_may_install_is_tried(caller: Caller) -> None:
    caller.file("setup.sh", "#!/bin/sh\n")
    assert caller.typed("nosuch", host_setup_script="setup.sh").spec.argv == ("nosuch",)


def test_a_file_of_that_name_in_this_folder_is_pointed_out(caller: Caller) -> None:
    caller.file("mine", "echo hi\n")
    assert caller.refused("mine") == (
        "mine: no such program on this computer",
        "for the file of that name in this folder: batchio run ./mine",
    )


def test_the_tasks_own_path_is_searched(caller: Caller) -> None:
    caller.file("tools/mine", "#!/bin/sh\n", 0o755)
    path = f"PATH={caller.folder}/tools:/usr/bin:/bin"
    assert caller.typed("mine", env=[path]).spec.argv == ("mine",)
    caller.file(".env", path)
    assert caller.typed("mine", env_file=[".env"]).spec.argv == ("mine",)
    assert caller.refused("mine")[0] == "mine: no such program on this computer"


@pytest.mark.parametrize(
    "line", ["#!/usr/bin/env fishy", "#!/opt/fishy -x", "#!/usr/bin/env -S fishy -x"]
)
def test_an_interpreter_that_is_nowhere_is_named_with_its_line(caller: Caller, line: str) -> None:
    caller.file("a.sh", f"{line}\ntrue\n", 0o755)
    said, _ = caller.refused("a.sh")
    assert said.startswith("a.sh:1: ")
    assert said.endswith("fishy: no such program on this computer")


def test_a_program_that_may_not_be_executed_is_named(caller: Caller) -> None:
    program = caller.file("tool", "\x7fELF")
    assert caller.refused(str(program))[0] == f"{program} is not executable (chmod +x?)"


def test_a_line_typed_as_one_word_says_both_ways_to_write_it(caller: Caller) -> None:
    assert caller.refused("echo 'Hello, world'") == (
        """no program or file is named "echo 'Hello, world'" (with the spaces)""",
        "write separate words: batchio run echo 'Hello, world'; or a shell command: "
        """batchio run --shell 'echo '"'"'Hello, world'"'"''""",
    )
    caller.program("odd name")
    assert caller.typed("odd name").spec.argv == ("odd name",)


# --- layers --------------------------------------------------------------------------


def test_hosts_that_are_typed_mean_ssh_whatever_the_configuration_says(caller: Caller) -> None:
    caller.file("hosts.txt", "c\nd\n")
    caller.file("batchio.toml", 'hosts-file = "hosts.txt"\n')
    assert caller.typed("true", hosts=["a,b"]).spec.hosts == ("a", "b")
    caller.file("batchio.toml", 'provider = "local"\n')
    assert caller.typed("true", hosts=["a"]).spec.provider == "ssh"
    assert caller.typed("true", hosts=["a"], provider="local").spec.provider == "local"


def test_a_container_that_is_typed_counts_more_than_run_on_host_in_a_file(caller: Caller) -> None:
    caller.program("podman")
    caller.file("batchio.toml", "run-on-host = true\n")
    assert caller.typed("true", container="debian").spec.container == "debian"
    assert None is caller.typed("true", container="debian", run_on_host=True).spec.container


def test_files_of_variables_are_merged_in_their_order(caller: Caller) -> None:
    caller.file("a.env", "A=1\nB=1\n")
    caller.file("b.env", "B=2\nC=2\n")
    prepared = caller.typed("true", env_file=["a.env", "b.env"], env=["C=3"])
    assert prepared.spec.env == {"A": "1", "B": "2", "C": "3"}
    assert caller.called(["true"], env_file="a.env").spec.env == {"A": "1", "B": "1"}
    secrets = caller.typed("true", secret_env_file=["a.env", "b.env"]).secrets
    assert secrets == {"A": "1", "B": "2", "C": "2"}
    assert caller.refused("true", env_file=["a.env", "no.env"])[0] == (
        "--env-file: no such file: no.env"
    )


def test_a_caller_in_python_is_told_in_python(caller: Caller) -> None:
    with pytest.raises(UsageError) as refused:
        sync.plan("true", gpu=True, scheduler_sidecar_spec="x")
    assert refused.value.hint == 'to run without it: ignore="scheduler-sidecar-spec,gpu"'
    plan = sync.plan("true", allow_cross_zone=False, ignore=["gpu"])
    [line] = [line for line in plan.warnings if "zone" in line]
    assert line.startswith("allow_cross_zone=False: ignored")
