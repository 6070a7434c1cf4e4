"""Which layer counts, what is merged, what excludes what, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.sizes import Span
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.options.layers import (
    Layer,
    config_layer,
)
from batchio.options.resolve import Row, resolve
from batchio.options.table import get
from batchio.providers import traits
from tests.options.resolving import resolved


def test_each_layer_wins_over_those_below() -> None:
    layers: dict[str, Any] = {
        "typed": {"name": "a"},
        "script": "# COILED name c\n# BATCHIO name b\n",
        "project": {"name": "d"},
        "user": {"name": "e"},
    }
    expected = [
        ("typed", "a", "command line"),
        ("script", "b", "hello.sh:2"),
        ("project", "d", "pyproject.toml [tool.batchio]"),
        ("user", "e", "~/.config/batchio/batchio.toml"),
    ]
    for layer, value, origin in expected:
        effective = resolved(**layers)
        assert (value, origin) == (effective.value("name"), effective.origin("name"))
        del layers[layer]
    assert (resolved().value("name"), resolved().origin("name")) == (None, "default")


def test_the_environment_stands_between_script_and_project_file() -> None:
    environ = {"BATCHIO_REGION": "mars", "BATCHIO_SLOTS": "3", "BATCHIO_HEAD": "  "}
    effective = resolved(
        script="# COILED region venus\n", environ=environ, project={"slots": 2, "head": "inline"}
    )
    assert (effective.value("region"), effective.origin("region")) == (("venus",), "hello.sh:1")
    assert (effective.value("slots"), effective.origin("slots")) == (3, "BATCHIO_SLOTS")
    assert effective.value("head") == "inline"


def test_batchio_directives_win_over_coiled_ones_wherever_they_stand() -> None:
    effective = resolved(script="# BATCHIO memory 4GB\n# COILED memory 8GB\n# COILED ntasks 2\n")
    assert Span(4e9, 4e9) == effective.value("memory")
    assert effective.value("ntasks") == 2


def test_the_last_of_two_directives_counts() -> None:
    effective = resolved(script="# COILED ntasks 2\n# COILED ntasks 3\n")
    assert (effective.value("ntasks"), effective.origin("ntasks")) == (3, "hello.sh:2")


def test_a_list_comes_whole_from_the_highest_layer_that_names_it() -> None:
    script = "# COILED vm-type a\n# COILED vm-type b, c\n"
    assert resolved(script=script).value("vm-type") == ("a", "b", "c")
    assert resolved(script=script).origin("vm-type") == "hello.sh:1, hello.sh:2"
    assert resolved({"vm-type": ["z"]}, script).value("vm-type") == ("z",)
    assert resolved({"ignore": ["vm-type"]}, script).value("vm-type") == ()


def test_variables_are_merged_key_by_key() -> None:
    effective = resolved(
        {"env": ["A=cli", "B=cli"]},
        "# COILED env B=script\n# COILED env C=script\n",
        project={"env": {"C": "project", "D": 4}},
    )
    expected = {"A": "cli", "B": "cli", "C": "script", "D": "4"}
    assert expected == effective.value("env")
    origins = "command line, hello.sh:1, hello.sh:2, pyproject.toml [tool.batchio]"
    assert origins == effective.origin("env")


def test_a_clear_in_the_middle_forgets_what_its_own_layer_said_before() -> None:
    script = "# BATCHIO vm-type a\n# BATCHIO no-vm-type\n# BATCHIO vm-type b\n"
    assert resolved(script=script).value("vm-type") == ("b",)


def test_no_in_a_script_clears_the_configuration() -> None:
    script = "# BATCHIO no-container\n# BATCHIO no-tag\n"
    effective = resolved(script=script, user={"container": "ubuntu", "tag": ["a=b"]})
    assert None is effective.value("container")
    assert effective.value("tag") == {}
    assert effective.origin("tag") == "hello.sh:2"


def test_a_clear_in_a_script_stops_only_the_layers_below_it() -> None:
    effective = resolved({"env": ["A=1"]}, "# BATCHIO no-env\n", user={"env": {"B": "2"}})
    assert effective.value("env") == {"A": "1"}


def test_nothing_given_is_the_default() -> None:
    effective = resolved({"ntasks": None, "vm-type": (), "env": []})
    assert not effective.is_set("ntasks")
    assert not effective.is_set("vm-type")
    assert effective.value("grace") == 10.0
    assert effective.value("env") == {}


def test_the_api_and_the_command_line_settle_the_same() -> None:
    typed = resolved(
        {"ntasks": "4", "env": ["A=1"], "upload": ["data"], "max-workers": "2", "memory": "1GB"}
    )
    call = resolved(
        call={
            "n_tasks": 4,
            "env": {"A": 1},
            "local_upload_path": "data",
            "max_workers": 2,
            "memory": 10**9,
            "gpu": None,
        }
    )
    assert [(r.name, r.text) for r in typed.rows()] == [(r.name, r.text) for r in call.rows()]
    assert call.origin("ntasks") == "argument n_tasks"


# ---- which tasks ----


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"ntasks": "5", "array": "1-3"}, "--ntasks and --array cannot be used together"),
        (
            {"map-over-values": "a,b", "ntasks": "2"},
            "--map-over-values and --ntasks cannot be used together",
        ),
        (
            {"map-over-file": "x", "map-over-values": "a"},
            "--map-over-file and --map-over-values cannot be used together",
        ),
    ],
)
def test_one_layer_says_in_one_way_which_tasks_there_are(
    typed: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        resolved(typed)
    assert message == str(refused.value)


def test_a_script_that_contradicts_itself_is_told_both_lines() -> None:
    with pytest.raises(UsageError) as refused:
        resolved(script="# COILED ntasks 2\n# COILED array 5\n")
    expected = "ntasks (hello.sh:1) and array (hello.sh:2) cannot be used together"
    assert expected == str(refused.value)


def test_a_call_that_contradicts_itself_is_told_both_arguments() -> None:
    with pytest.raises(UsageError) as refused:
        resolved(call={"ntasks": 2, "map_over_values": ["a"]})
    assert str(refused.value) == "ntasks and map_over_values cannot be used together"


def test_a_script_with_ntasks_can_be_run_again_as_an_array() -> None:
    effective = resolved({"array": "5"}, "# COILED ntasks 10\n", user={"map-over-file": "x"})
    assert str(effective.value("array")) == "5"
    assert None is effective.value("ntasks")
    assert None is effective.value("map-over-file")


def test_an_empty_map_is_still_a_map() -> None:
    effective = resolved(call={"map_over_values": []}, script="# COILED ntasks 10\n")
    assert effective.value("map-over-values") == []
    assert None is effective.value("ntasks")


def test_clearing_ntasks_lets_a_lower_array_count() -> None:
    effective = resolved(script="# COILED array 5\n# BATCHIO no-ntasks\n")
    assert str(effective.value("array")) == "5"


# ---- variables of the caller ----


def test_a_key_alone_copies_the_callers_variable() -> None:
    effective = resolved({"env": ["TOKEN", "X=$TOKEN", "Y=${TOKEN}"]}, environ={"TOKEN": "t"})
    assert effective.value("env") == {"TOKEN": "t", "X": "t", "Y": "t"}


def test_a_key_alone_that_is_not_set_is_an_error() -> None:
    with pytest.raises(UsageError) as refused:
        resolved(script="#!/bin/sh\n# COILED env TOKEN\n")
    assert (
        str(refused.value)
        == "hello.sh:2: env: TOKEN has no value and is not set in your environment"
    )
    assert refused.value.hint == "write TOKEN=value"


def test_a_reference_to_nothing_stays_and_is_noted() -> None:
    effective = resolved({"env": ["X=$TOKEN"]})
    assert effective.value("env") == {"X": "$TOKEN"}
    assert effective.notes == (
        "env X=$TOKEN (command line): TOKEN is not set in your environment; tasks get the literal "
        "text $TOKEN",
    )


def test_a_dollar_sign_can_be_protected() -> None:
    effective = resolved({"env": [r"X=\$HOME", "Y=a$HOME"]}, environ={"HOME": "/root"})
    assert effective.value("env") == {"X": "$HOME", "Y": "a$HOME"}


@pytest.mark.parametrize(
    ("typed", "script", "expected"),
    [
        ({"env": ["A=cli"], "env-file": "x"}, "", {"A": "cli", "B": "file"}),
        ({"env-file": "x"}, "# COILED env A=script\n", {"A": "file", "B": "file"}),
        ({"env": ["A=cli"]}, "# COILED env-file x\n", {"A": "cli", "B": "file"}),
        ({}, "# COILED env-file x\n# COILED env A=script\n", {"A": "script", "B": "file"}),
    ],
)
def test_a_variables_file_stands_just_below_the_variables_of_its_layer(
    typed: dict[str, Any], script: str, expected: dict[str, str]
) -> None:
    from_file = {"A": "file", "B": "file"}
    assert expected == resolved(typed, script).with_file("env", from_file)


# ---- environment and configuration ----


def test_inside_a_task_its_own_variables_are_no_options() -> None:
    environ = {"BATCHIO_TASK_ID": "3", "BATCHIO_MEMORY": "1000000000", "BATCHIO_SLOTS": "2"}
    effective = resolved(environ=environ)
    assert None is effective.value("memory")
    assert effective.value("slots") == 2
    del environ["BATCHIO_TASK_ID"]
    assert Span(1e9, 1e9) == resolved(environ=environ).value("memory")


def test_a_mistyped_variable_is_noted() -> None:
    notes = resolved(environ={"BATCHIO_NTASK": "3", "BATCHIO_UNRELATED_THING": "x"}).notes
    assert notes == ("BATCHIO_NTASK: not an option; did you mean BATCHIO_NTASKS?",)


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(UsageError) as refused:
        resolved(environ={"BATCHIO_NTASKS": "ten"})
    assert str(refused.value) == 'BATCHIO_NTASKS: ntasks: "ten" is not a whole number'


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"memroy": "8GB"}, 'unknown option "memroy"'),
        ({"dry-run": True}, "dry-run cannot be set in a configuration file"),
        ({"wait": True}, "wait cannot be set in a configuration file"),
        ({"ntasks": 0}, "ntasks: must be 1 or more, not 0"),
        ({"env": "A"}, "env: A has no value and is not set in your environment"),
    ],
)
def test_a_mistake_in_a_configuration_file_names_the_file(
    table: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        resolved(project=table)
    assert f"pyproject.toml [tool.batchio]: {message}" == str(refused.value)


def test_an_unknown_argument_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        resolved(call={"max_worker": 3})
    assert str(refused.value) == 'run() has no argument "max_worker"'
    assert refused.value.hint == "did you mean max_workers?"


# ---- what people see ----


def test_rows_tell_every_value_and_its_origin() -> None:
    effective = resolved({"secret-env": ["K=hunter2"]}, "# COILED memory 8 GiB\n")
    rows = effective.rows()
    assert Row("memory", "8 GiB", "hello.sh:1") in rows
    assert Row("secret-env", "K=***", "command line") in rows
    assert Row("max-infra-retries", "5", "default") in rows
    assert "hunter2" not in str(rows)
    assert "ntasks" not in [row.name for row in rows]


DOCS_SCRIPT = """# COILED n-tasks     100
# COILED vm-type     g5.xlarge
# COILED region      us-east-2
# COILED container   ubuntu:latest
# COILED forward-aws-credentials True
# COILED gpu false
# COILED no-allow-cross-zone
"""


def test_rows_leave_out_flags_that_nobody_named() -> None:
    assert "gpu" not in [row.name for row in resolved().rows()]
    assert Row("gpu", "no", "command line") in resolved({"gpu": False}).rows()


def test_what_a_provider_cannot_honour_is_one_line_each() -> None:
    here = "ignored, the local provider"
    assert sorted(
        [
            f"--region us-east-2 (hello.sh:3): {here} has one region: this computer",
            "--forward-aws-credentials (hello.sh:5): ignored, tasks on this computer can read "
            "its AWS configuration",
            f"--no-cross-zone (hello.sh:7): {here} has one zone: this computer",
        ]
    ) == sorted(resolved(script=DOCS_SCRIPT).unsupported("local", traits("local")))


def test_what_a_job_needs_is_refused_rather_than_noted() -> None:
    effective = resolved({"software": "env1", "region": "north"}, script=DOCS_SCRIPT)
    refused = {option.name for option, _ in effective.refused("local", traits("local"))}
    assert {"vm-type"} == {name for name in refused if get(name).requirement}
    assert not any("vm-type" in line for line in effective.unsupported("local", traits("local")))


def test_a_cloud_honours_what_the_local_provider_cannot() -> None:
    assert resolved(script=DOCS_SCRIPT).unsupported("cloud", frozenset(Trait)) == []
    assert resolved().unsupported("local", traits("local")) == []


def test_a_provider_that_nobody_knew_is_asked_for_its_traits_too() -> None:
    effective = resolved({"gpu": True, "region": "north"})
    assert effective.unsupported("lender", {Trait.REMOTE}) == [
        "--gpu (command line): ignored, the lender provider gives tasks no GPUs of their own",
        "--region north (command line): ignored, the lender provider uses your hosts as they are",
    ]


def test_hosts_are_for_ssh() -> None:
    effective = resolved({"hosts": ["a,b"]})
    assert effective.unsupported("ssh", traits("ssh")) == []
    assert effective.unsupported("local", traits("local")) == [
        "--hosts a, b (command line): ignored, the local provider does not use hosts; leave out "
        "--provider to reach them over SSH"
    ]


PAIRS = st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("123"), max_size=4)


@given(st.lists(PAIRS, min_size=1, max_size=5))
def test_merged_pairs_are_what_a_chain_of_maps_would_hold(tables: list[dict[str, str]]) -> None:
    layers: list[Layer] = [
        config_layer({"env": table}, f"file {i}") for i, table in enumerate(tables)
    ]
    expected: dict[str, str] = {}
    for table in reversed(tables):
        expected |= table
    assert expected == resolve(layers, {}).value("env")
