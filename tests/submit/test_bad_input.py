"""What is refused, with the whole of what is said about it; and nothing is left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from batchio.errors import UsageError

if TYPE_CHECKING:
    from tests.submit.conftest import Caller

ARRAY = 'write ids and ranges such as 5, 2,4-6,8-10, 0-10:2 or "0-99%8"'
SIZE = "write a size such as 8GiB, 8 GB, 512M, 1.5 TiB or 16GB-32GB"
TIME = (
    "write a duration such as 90s, 30 minutes, 1h30m, 2 days or 1:30:00; a plain number is seconds"
)
CORES = "write a number of cores such as 4, 0.5 or 4-8"


def test_a_missing_script(caller: Caller) -> None:
    caller.file("process.py")
    assert caller.refused("proces.py") == ("no such file: proces.py", "did you mean process.py?")
    assert caller.refused("tools/x.py") == ("no such file: tools/x.py", None)


def test_a_folder_as_script(caller: Caller) -> None:
    caller.file("scripts/x.py")
    assert caller.refused("scripts/") == ("scripts/ is a folder, not a script", None)


def test_no_command(caller: Caller) -> None:
    assert caller.refused() == ("no command given", "batchio run SCRIPT [ARGUMENTS]")


def test_an_unknown_directive(caller: Caller) -> None:
    caller.file("hello.sh", "#!/bin/sh\n# COILED memroy 8GB\n")
    told = caller.refused("hello.sh")
    assert told == ('hello.sh:2: unknown directive "memroy"', "did you mean memory?")


def test_an_unknown_argument(caller: Caller) -> None:
    with pytest.raises(UsageError) as refused:
        caller.called("true", ntask=3)
    assert str(refused.value) == 'run() has no argument "ntask"'
    assert refused.value.hint == "did you mean ntasks?"


@pytest.mark.parametrize(
    ("option", "text", "message", "hint"),
    [
        ("array", "5-3", '"5-3": the first id is larger than the last', "write 3-5"),
        ("array", "0-", '"0-": the last id of the range is missing', ARRAY),
        ("array", "a", '"a" is neither a task id nor a range', ARRAY),
        ("ntasks", "0", "must be 1 or more, not 0", None),
        ("ntasks", "-3", "must be 1 or more, not -3", None),
        ("ntasks", "ten", '"ten" is not a whole number', None),
        ("memory", "lots", '"lots" is not a size', SIZE),
        ("job-timeout", "soon", '"soon" is not a duration', TIME),
        ("cpu", "four", '"four" is not a number of cores', CORES),
        (
            "max-workers",
            "0",
            "with 0 workers no task would ever run; -1 means no limit",
            None,
        ),
        ("provider", "locl", 'there is no provider "locl"', "did you mean local?"),
        ("provider", "gcp", 'there is no provider "gcp"', "the providers are local, ssh, aws"),
    ],
)
def test_a_value_that_is_none(
    caller: Caller, option: str, text: str, message: str, hint: str | None
) -> None:
    assert (f"--{option}: {message}", hint) == caller.refused("true", **{option: text})
    caller.file("work.sh", f"#!/bin/sh\n# BATCHIO {option} {text}\n")
    assert (f"work.sh:2: {option}: {message}", hint) == caller.refused("work.sh")


def test_both_map_and_ntasks(caller: Caller) -> None:
    caller.file("in.txt", "a\n")
    told = caller.refused("true", ntasks="3", map_over_file="in.txt")
    assert told == ("--ntasks and --map-over-file cannot be used together", "choose one of them")


def test_an_empty_map_file(caller: Caller) -> None:
    for text in ("", "\n\n"):
        caller.file("in.txt", text)
        told = caller.refused("true", map_over_file="in.txt")
        assert told == ("no values in in.txt", "a job needs at least one task")
        with pytest.raises(UsageError, match=r"no values in in\.txt"):
            caller.typed("true", map_over_file="in.txt").plan()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.txt", "--map-over-file: no such file: gone.txt"),
        (".", "--map-over-file: . is a folder"),
    ],
)
def test_a_map_file_that_cannot_be_read(caller: Caller, path: str, message: str) -> None:
    assert (message, None) == caller.refused("true", map_over_file=path)


def test_a_bad_record(caller: Caller) -> None:
    caller.file("in.jsonl", '{"A": 1}\nnonsense\n')
    told = caller.refused("true", map_over_file="in.jsonl")[0]
    assert told == "in.jsonl:2: not JSON: Expecting value: line 1 column 1 (char 0)"


def test_dictionaries_that_are_none(caller: Caller) -> None:
    with pytest.raises(UsageError) as refused:
        caller.called("true", map_over_task_var_dicts={"A": 1})
    assert str(refused.value) == "map_over_task_var_dicts: not a list of dictionaries"


def test_a_variable_without_a_value(caller: Caller) -> None:
    assert caller.refused("true", env=["FOO"]) == (
        "--env: FOO has no value and is not set in your environment",
        "write FOO=value",
    )


@pytest.mark.parametrize("option", ["env-file", "secret-env-file"])
def test_a_file_of_variables_that_cannot_be_used(caller: Caller, option: str) -> None:
    named: dict[str, Any] = {option: "x.env"}
    assert (f"--{option}: no such file: x.env", None) == caller.refused("true", **named)
    caller.file("x.env", "A=1\nB\n")
    assert caller.refused("true", **named) == ("x.env:2: B has no value", "write B=value")
    told = caller.refused("true", **{option: "."})
    assert (f"--{option}: . is a folder", None) == told


def test_a_file_of_variables_that_may_not_be_read(nobody: Caller) -> None:
    was = os.geteuid()
    os.seteuid(os.getuid())
    try:
        nobody.file("x.env", "A=1\n", 0)
    finally:
        os.seteuid(was)
    told = nobody.refused("true", env_file="x.env")
    assert told == ("--env-file: cannot read x.env: Permission denied", None)


def test_a_missing_setup_script(caller: Caller) -> None:
    told = caller.refused("true", host_setup_script="setup.sh")
    assert told == ("--host-setup-script: no such file: setup.sh", None)


def test_a_container_without_an_engine(caller: Caller) -> None:
    caller.environ["PATH"] = str(caller.bin)
    hint = "to run it without the container: --run-on-host"
    caller.file("x.sh", "#!/bin/sh\n")
    message = "container: neither podman nor docker is installed here"
    assert (f"--{message}", hint) == caller.refused("./x.sh", container="ubuntu")
    caller.file("y.sh", "#!/bin/sh\n# BATCHIO container ubuntu\n")
    assert (f"y.sh:2: {message}", hint) == caller.refused("y.sh")


def test_ssh_without_hosts(caller: Caller) -> None:
    assert caller.refused("true", provider="ssh") == (
        "the ssh provider needs hosts",
        "give them: --hosts alice@gpu1,gpu2, or --hosts-file FILE",
    )


def test_hosts_that_make_no_sense(caller: Caller) -> None:
    told = caller.refused("true", hosts=["gpu1,gpu1"])[0]
    assert told == "--hosts: gpu1 is listed twice: at host 1 and at host 2"
    for hosts in ([], ["gpu1"]):
        told = caller.refused("true", hosts=hosts, hosts_file="lab.txt")[0]
        assert told.startswith("--hosts-file: lab.txt: cannot read the hosts file: ")


@pytest.mark.parametrize("target", ["file", "file/below/it"])
def test_results_that_could_go_nowhere(caller: Caller, target: str) -> None:
    caller.file("file")
    told = caller.refused("true", download=target)
    assert told == ("--download: file is not a folder", "choose another folder")
    assert caller.typed("true", download="new/folder").spec.collect


@pytest.mark.parametrize("nothing", ["", " , "])
def test_a_list_of_no_hosts_does_not_mean_this_computer(caller: Caller, nothing: str) -> None:
    said, hint = caller.refused("true", hosts=[nothing])
    assert (said, hint and hint.endswith("--ignore hosts")) == ("--hosts: the value is empty", True)
    with pytest.raises(UsageError, match="hosts: it is empty"):
        caller.called("true", hosts=[])
    assert caller.called("true", hosts=[], provider="local").spec.provider == "local"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"env": {"A": "\ud800"}}, "env: it contains an incomplete character"),
        ({"env": {"A": "x\0"}}, "env: it contains a NUL byte"),
        ({"env": {"A=B": "1"}}, 'env: "A=B" is not a variable name'),
        ({"secret_env": {"A": "\ud800"}}, "secret_env: it contains an incomplete character"),
        ({"name": "\ud800"}, "name: it contains an incomplete character"),
    ],
)
def test_a_text_that_no_program_can_get_is_refused_with_its_place(
    caller: Caller, given: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        caller.called("true", **given)
    assert words in str(refused.value)
    with pytest.raises(UsageError, match="the script contains an incomplete character"):
        caller.called("#!/bin/sh\necho \ud800")


def test_a_word_that_no_program_can_get(caller: Caller) -> None:
    told = caller.refused("echo", "a\0b")[0]
    assert told == "a word of the command contains a NUL byte, which cannot be passed to a program"
    with pytest.raises(UsageError, match=r"^word 2 of the command is 3, of type int, not a string"):
        caller.called(["echo", 3])  # type: ignore[list-item]


@pytest.mark.parametrize(("sized", "most"), [("cpu", "4"), ("memory", "4GB")])
def test_machines_that_are_named_and_sized_as_well(caller: Caller, sized: str, most: str) -> None:
    with pytest.raises(UsageError, match=f"so --{sized} cannot choose among them") as refused:
        caller.typed("true", provider="aws", vm_type=("m7i.large",), **{sized: most})
    assert "--slots" in str(refused.value.hint)
