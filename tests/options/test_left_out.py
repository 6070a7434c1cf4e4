"""Values that are empty, options that --ignore leaves out, hosts that replace other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.errors import UsageError
from batchio.options.table import OPTIONS
from tests.options.resolving import resolved

if TYPE_CHECKING:
    from batchio.options.schema import Option


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if "cli" in o.surfaces], ids=lambda o: o.name
)
def test_an_empty_value_is_an_error_whatever_the_option(option: Option) -> None:
    with pytest.raises(UsageError, match=f"^--{option.name}: the value is empty$"):
        resolved({option.name: [""] if option.repeat else ""})
    if "config" in option.surfaces:
        with pytest.raises(UsageError, match=f"{option.name}: the value is empty$"):
            resolved(project={option.name: ""})
    if "directive" in option.surfaces:
        with pytest.raises(UsageError, match=f"hello.sh:1: {option.name}: the value is empty$"):
            resolved(script=f'# BATCHIO {option.name} ""\n')
    if option.for_calls and option.kind != "object":
        name = option.name.replace("-", "_")
        with pytest.raises(UsageError, match=f"{name}: the value is empty$"):
            resolved(call={option.keyword: ""})


# ---- what is left out ----


def test_ignored_options_are_as_if_nobody_had_given_them_and_are_named() -> None:
    script = "# COILED env B=script\n# COILED memory 8GB\n# COILED gpu\n"
    effective = resolved({"ignore": ["memory,gpu", "--env"]}, script, user={"memory": "1GB"})
    assert effective.value("env") == {}
    assert None is effective.value("memory")
    assert False is effective.value("gpu")
    assert effective.notes == (
        "--env B=script (hello.sh:1): left out, as --ignore asks",
        "--memory 8 GB (hello.sh:2): left out, as --ignore asks",
        "--gpu (hello.sh:3): left out, as --ignore asks",
        "--memory 1 GB (~/.config/batchio/batchio.toml): left out, as --ignore asks",
    )


def test_every_place_may_say_what_is_ignored_and_the_highest_counts() -> None:
    script = "# BATCHIO ignore gpu\n# COILED gpu\n# COILED memory 8GB\n"
    assert False is resolved(script=script).value("gpu")
    assert True is resolved({"ignore": ["memory"]}, script).value("gpu")
    assert None is resolved(script="# COILED gpu\n", call={"ignore": ["gpu"]}).value("memory")
    assert None is resolved({"name": "a"}, environ={"BATCHIO_IGNORE": "name"}).value("name")


def test_what_is_no_option_cannot_be_ignored() -> None:
    with pytest.raises(UsageError) as refused:
        resolved({"ignore": ["memry"]})
    assert str(refused.value) == '--ignore: there is no option "memry"'
    assert refused.value.hint == "did you mean memory?"


def test_hosts_of_a_higher_layer_replace_those_of_a_file_below_it() -> None:
    below = {"hosts-file": "hosts.txt"}
    effective = resolved({"hosts": ["a"]}, project=below)
    assert (effective.value("hosts"), effective.value("hosts-file")) == (("a",), None)
    effective = resolved({"hosts-file": "mine.txt"}, project={"hosts": ["a"]}, user=below)
    assert (effective.value("hosts"), effective.value("hosts-file")) == ((), "mine.txt")
    effective = resolved({"hosts": ["a"], "hosts-file": "mine.txt"}, user=below)
    assert (effective.value("hosts"), effective.value("hosts-file")) == (("a",), "mine.txt")
