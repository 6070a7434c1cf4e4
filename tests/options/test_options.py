"""The table of options, and the values that every surface reads alike."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.arrays import Array, TaskIds
from batchio.core.sizes import GIB, Span
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.options.layers import TASK_VARIABLES
from batchio.options.schema import GROUPS, Option
from batchio.options.table import OPTIONS, env_name, find, find_keyword, get, nearest, suggestion
from batchio.options.values import (
    CLEAR,
    COMMAND_LINE,
    parse_value,
    show,
    split_values,
    validate,
)
from batchio.providers import NAMES

DOCS_PAGE_RUN = """
    --name --workspace --software --container --ignore-container-entrypoint
    --run-on-host -e --env --secret-env --env-file --secret-env-file -t --tag --vm-type
    --scheduler-vm-type --arm --cpu --memory --gpu --region --spot-policy
    --allow-cross-zone --disk-size --allow-ssh-from --map-over-values --map-over-file
    --map-over-input-var --map-over-delimiter --wait --upload --download --sync
    --pipe-to-files --input-filestore --output-filestore --scheduler-sidecar-spec
    --ntasks --n-tasks --task-on-scheduler --array --scheduler-task-array -N
    --max-workers --wait-for-ready-cluster --forward-aws-credentials
    --package-sync-strict --package-sync-conda-extras --package-sync-ignore
    --host-setup-script --job-timeout --dask-container
"""

DOCS_PAGE_LOOK = """
    --format --sort --limit --download --account --scheduler --workers --follow
    --filter --since --profile
"""

DOCS_PAGE_PYTHON = """
    name workspace software container run_on_host cluster_kwargs env secret_env tag
    vm_type scheduler_vm_type arm cpu memory gpu region spot_policy allow_cross_zone
    disk_size allow_ssh_from ntasks task_on_scheduler array scheduler_task_array
    map_over_values map_over_file map_over_input_var map_over_task_var_dicts
    map_over_delimiter max_workers wait_for_ready_cluster forward_aws_credentials
    package_sync_strict package_sync_conda_extras package_sync_ignore local_upload_path
    buffers_to_upload host_setup_script host_setup_script_content command_as_script
    ignore_container_entrypoint job_timeout logger
"""

OURS = """
    provider hosts hosts-file follow max-retries retry-on retry-delay max-infra-retries
    task-timeout slots head dry-run shell min-workers python grace keep-on-host
    implicit-upload yes map-over-format max-cost
"""


@pytest.mark.parametrize("spelling", DOCS_PAGE_RUN.split())
def test_every_option_of_the_docs_page_is_known_to_run(spelling: str) -> None:
    option = find(spelling)
    assert option is not None
    assert "run" in option.commands
    assert "cli" in option.surfaces


@pytest.mark.parametrize("spelling", DOCS_PAGE_LOOK.split())
def test_every_option_of_the_other_docs_page_commands_is_known(spelling: str) -> None:
    option = find(spelling)
    assert option is not None
    assert option.commands - {"run"}


@pytest.mark.parametrize("word", DOCS_PAGE_PYTHON.split())
def test_every_python_argument_of_the_docs_page_is_known(word: str) -> None:
    option = find_keyword(word)
    assert option is not None
    assert "api" in option.surfaces


@pytest.mark.parametrize("name", OURS.split())
def test_every_option_of_our_own_is_known(name: str) -> None:
    assert name == get(name).name


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_row_is_complete(option: Option) -> None:
    assert option.help.endswith(".")
    assert option.help[0].isupper()
    assert option.group in GROUPS
    assert option.commands
    assert option.surfaces
    assert (option.kind == "choice") <= bool(option.choices)
    assert option.default is None or option.kind != "tri" or option.default is True
    assert not any(reason.endswith(".") for reason in (*option.needs.values(), option.never))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_options_know_no_provider_by_name(option: Option) -> None:
    for traits in (frozenset[Trait](), {Trait.REMOTE}, {Trait.REMOTE, Trait.HOSTS}):
        said = option.refusal("elsewhere", traits) or ""
        assert not set(NAMES) & set(re.findall(r"[\w-]+", said))


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.needs], ids=lambda option: option.name)
def test_a_provider_that_lacks_a_trait_says_why_it_ignores_the_option(option: Option) -> None:
    assert option.refusal("elsewhere", {*Trait}) is None
    for trait, why in option.needs.items():
        assert option.refusal("elsewhere", {*Trait} - {trait}) == why.format(provider="elsewhere")


def test_no_spelling_means_two_options() -> None:
    spellings = [s for option in OPTIONS for s in (*option.spellings, option.short) if s]
    keywords = [word for option in OPTIONS for word in option.keywords]
    assert len(set(spellings)) == len(spellings)
    assert len(set(keywords)) == len(keywords)


def test_the_table_stands_group_by_group() -> None:
    order = [GROUPS.index(option.group) for option in OPTIONS]
    assert sorted(order) == order


def test_only_memory_is_both_an_option_and_a_task_variable() -> None:
    options = {env_name(option) for option in OPTIONS if "env" in option.surfaces}
    assert {"BATCHIO_MEMORY"} == options & TASK_VARIABLES


@pytest.mark.parametrize("key", ["ntasks", "n-tasks", "n_tasks", "NTASKS", "--ntasks", "--n_tasks"])
def test_an_option_is_found_by_any_spelling(key: str) -> None:
    assert get("ntasks") is find(key)


def test_short_names_keep_their_case() -> None:
    assert get("max-workers") is find("-N")
    assert get("env") is find("-e")
    assert find("-n") is None


@pytest.mark.parametrize(
    ("typo", "right"),
    [("memroy", "memory"), ("--ntask", "ntasks"), ("max_worker", "max-workers"), ("zzz", None)],
)
def test_a_typo_is_answered_with_the_nearest_option(typo: str, right: str | None) -> None:
    assert right == nearest(typo)
    expected = f"did you mean {right}?" if right else "batchio run --help lists every option"
    assert expected == suggestion(typo)


SAME = [
    ("ntasks", "10", 10),
    ("gpu", "true", True),
    ("gpu", "no", False),
    ("allow-cross-zone", "off", False),
    ("run-on-host", "True", True),
    ("memory", "8589934592", 8 * GIB),
    ("memory", "16GB-32GB", ("16GB", "32GB")),
    ("memory", "8GB", 8e9),
    ("cpu", "4", 4),
    ("cpu", "4-8", [4, 8]),
    ("cpu", "0.5", 0.5),
    ("disk-size", "100", 100),
    ("job-timeout", "90 minutes", timedelta(minutes=90)),
    ("job-timeout", "90", 90),
    ("task-timeout", "1.5", 1.5),
    ("max-cost", "2.50", 2.5),
    ("upload", "data", ["data"]),
    ("upload", "data", PurePosixPath("data")),
    ("map-over-file", "in.txt", PurePosixPath("in.txt")),
    ("vm-type", "a,b", ["a", "b"]),
    ("hosts", "a b", ("a", "b")),
    ("env", "A=1", {"A": 1}),
    ("env", "A=x=y", ["A=x=y"]),
    ("tag", "a b=", {"a b": ""}),
    ("array", "0-4", range(5)),
    ("array", "5", 5),
    ("array", "2,4-6", [6, 5, 4, 2]),
    ("array", "2,4-6", TaskIds.of([2, 4, 5, 6])),
    ("retry-on", "1,130-140", [1, (130, 140)]),
    ("retry-on", "7", 7),
    ("max-workers", "-1", -1),
    ("spot-policy", "spot_with_fallback", "spot-with-fallback"),
]


@pytest.mark.parametrize(("name", "typed", "passed"), SAME)
def test_the_command_line_and_python_give_the_same(name: str, typed: str, passed: Any) -> None:
    option = get(name)
    assert parse_value(option, typed) == validate(option, passed)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("memory", "16GB-32GB", Span(16e9, 32e9)),
        ("disk-size", "100", 100 * GIB),
        ("job-timeout", "30 minutes", 1800.0),
        ("max-cost", "$1,200 USD", 1200.0),
        ("array", "0-3%2", Array(TaskIds.count(4), 2)),
        ("map-over-delimiter", "\\t", "\t"),
        ("map-over-delimiter", "\\\\n", "\\n"),
        ("map-over-delimiter", " ", " "),
        ("retry-on", "130-140,1", ((1, 1), (130, 140))),
        ("retry-on", "SIGKILL,term,-2,1", ((1, 1), (130, 130), (137, 137), (143, 143))),
        ("env", "A", {"A": None}),
        ("head", "INLINE", "inline"),
    ],
)
def test_text_becomes_a_typed_value(name: str, text: str, value: object) -> None:
    assert value == parse_value(get(name), text)


BAD_TEXT = [
    ("ntasks", "0", "ntasks: must be 1 or more, not 0"),
    ("ntasks", "-3", "ntasks: must be 1 or more, not -3"),
    ("ntasks", "ten", 'ntasks: "ten" is not a whole number'),
    ("ntasks", "1.5", 'ntasks: "1.5" is not a whole number'),
    (
        "max-workers",
        "0",
        "max-workers: with 0 workers no task would ever run; -1 means no limit",
    ),
    ("max-workers", "-2", "max-workers: must be -1 or more, not -2"),
    ("max-retries", "-1", "max-retries: must be 0 or more, not -1"),
    ("memory", "8 bananas", 'memory: "8 bananas" is not a size'),
    ("cpu", "many", 'cpu: "many" is not a number of cores'),
    ("job-timeout", "soon", 'job-timeout: "soon" is not a duration'),
    ("job-timeout", "0", "job-timeout: must be above zero, not 0"),
    ("gpu", "maybe", 'gpu: "maybe" is neither true nor false'),
    (
        "spot-policy",
        "cheap",
        'spot-policy: "cheap" is not one of on-demand, spot, spot_with_fallback',
    ),
    ("env", "=x", 'env: "=x" has no name before the ='),
    ("env", "1A=x", 'env: "1A" is not a valid name of an environment variable'),
    ("tag", "team", 'tag: "team" has no value'),
    ("retry-on", "0", 'retry-on: "0" is not the exit code of a failure'),
    ("retry-on", "SIGKIL", 'retry-on: "SIGKIL" is not the exit code of a failure'),
    ("retry-on", "-99", 'retry-on: "-99" is not the exit code of a failure'),
    ("retry-on", "1,300", 'retry-on: "300" is not the exit code of a failure'),
    ("array", "5-3", 'array: "5-3": the first id is larger than the last'),
    (
        "map-over-input-var",
        "A-B",
        'map-over-input-var: "A-B" is not a valid name of an environment variable',
    ),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_TEXT)
def test_a_bad_value_is_one_clear_line(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_value(get(name), text, "hello.sh:3")
    assert f"hello.sh:3: {message}" == str(refused.value)


def test_on_the_command_line_the_option_has_its_dashes() -> None:
    with pytest.raises(UsageError) as refused:
        parse_value(get("ntasks"), "0", COMMAND_LINE)
    assert str(refused.value) == "--ntasks: must be 1 or more, not 0"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ntasks", 0, "ntasks: must be 1 or more, not 0"),
        ("ntasks", True, "ntasks: True is not a whole number"),
        ("ntasks", 1.0, "ntasks: 1.0 is not a whole number"),
        ("gpu", 1, "gpu: 1 is not True or False"),
        ("env", {"A": None}, "env: the value of A is None"),
        ("env", 5, "env: 5 is not a list of strings"),
        ("container", True, "container: True is not a text"),
        ("array", [], "array: no task ids given"),
        ("array", [1, 1], "array: task id 1 is listed twice"),
        ("memory", True, "memory: True is not a size"),
        ("map-over-values", 3, "map_over_values: 3 is not a list of values"),
        ("upload", [3], "upload: 3 is not a text"),
    ],
)
def test_a_bad_python_value_is_one_clear_line(name: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        validate(get(name), value)
    assert message == str(refused.value)


def test_values_to_map_over_are_not_copied() -> None:
    values = (str(i) for i in range(3))
    assert values is validate(get("map-over-values"), values)


@pytest.mark.parametrize(
    ("text", "delimiter", "values"),
    [
        ("first,second,third", None, ["first", "second", "third"]),
        ("a, b,", None, ["a", " b"]),
        ("a,,b", None, ["a", "", "b"]),
        ("a;b", ";", ["a", "b"]),
        ("one", None, ["one"]),
        ("a--b-", "--", ["a", "b-"]),
    ],
)
def test_values_are_split_and_nothing_else(
    text: str, delimiter: str | None, values: list[str]
) -> None:
    assert values == split_values(text, delimiter)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("memory", "16GB-32GB", "16 GB-32 GB"),
        ("cpu", "4", "4"),
        ("disk-size", "100", "100 GiB"),
        ("job-timeout", "90 minutes", "1h 30m"),
        ("array", "0-99%8", "0-99%8"),
        ("gpu", "true", "yes"),
        ("env", "A=1", "A=1"),
        ("secret-env", "A=hunter2", "A=***"),
        ("retry-on", "1,130-140", "1,130-140"),
        ("vm-type", "a b", "a, b"),
        ("map-over-delimiter", "\\t", "\\t"),
        ("map-over-values", "a,b", "a,b"),
    ],
)
def test_a_value_is_shown_as_a_person_would_write_it(name: str, text: str, shown: str) -> None:
    assert shown == show(get(name), parse_value(get(name), text))


def test_many_values_are_shown_by_their_number() -> None:
    assert show(get("map-over-values"), ["a", "b", "c"]) == "3 values"
    assert show(get("map-over-task-var-dicts"), [{}, {}]) == "2 items"


@given(st.sampled_from(OPTIONS), st.text(max_size=20))
def test_any_text_gives_a_value_or_a_usage_error(option: Option, text: str) -> None:
    try:
        value = parse_value(option, text)
    except UsageError as refused:
        said = str(refused)
    else:
        said = f"{option.name.replace('-', '_')}: {show(option, None if value is CLEAR else value)}"
    assert said.startswith(f"{option.name.replace('-', '_')}: ")


@given(
    st.sampled_from(OPTIONS),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.binary(max_size=4),
        st.lists(st.one_of(st.text(max_size=4), st.integers()), max_size=3),
        st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.text(max_size=3))),
    ),
)
def test_any_python_value_gives_a_value_or_a_usage_error(option: Option, value: Any) -> None:
    said = ""
    try:
        validate(option, value)
    except UsageError as refused:
        said = str(refused)
    assert not said or said.startswith(f"{option.name.replace('-', '_')}: ")
