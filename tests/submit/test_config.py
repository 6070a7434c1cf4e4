"""Configuration files: which one counts, where its settings come from, what breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.submit.conftest import Caller

USER = "../config/batchio/config.toml"


def test_the_project_file_wins_over_the_user_file(caller: Caller) -> None:
    caller.file(USER, "slots = 2\nmax-retries = 3\n")
    caller.file("batchio.toml", "# ours\nslots = 4\n")
    spec = caller.typed("true").spec
    assert (spec.slots, spec.max_retries) == (4, 3)
    assert spec.options["slots"] == ("4", "batchio.toml:2")
    user = caller.folder.parent / "config/batchio/config.toml"
    assert spec.options["max-retries"] == ("3", f"{user}:2")


def test_the_command_line_and_the_environment_win_over_files(caller: Caller) -> None:
    caller.file("batchio.toml", "slots = 4\nmax-retries = 1\n")
    caller.environ["BATCHIO_MAX_RETRIES"] = "2"
    spec = caller.typed("true", slots="5").spec
    assert (spec.slots, spec.max_retries) == (5, 2)


def test_the_nearest_project_file_counts(caller: Caller) -> None:
    caller.file("../pyproject.toml", "[tool.batchio]\nslots = 2\nmax-retries = 3\n")
    assert (caller.typed("true").spec.slots, caller.typed("true").spec.max_retries) == (2, 3)
    caller.file("pyproject.toml", '[project]\nname = "x"\n\n[tool.batchio]\nslots = 4\n')
    spec = caller.typed("true").spec
    assert (spec.slots, spec.max_retries) == (4, 0)
    assert spec.options["slots"] == ("4", "pyproject.toml:5")
    caller.file("batchio.toml", "slots = 6\n")
    assert caller.typed("true").spec.slots == 6


def test_a_pyproject_of_somebody_else_is_passed_over(caller: Caller) -> None:
    caller.file("../batchio.toml", "slots = 2\n")
    caller.file("pyproject.toml", "this is [ not TOML")
    assert caller.typed("true").spec.slots == 2


def test_tables_and_lists_are_values_too(caller: Caller) -> None:
    text = (
        '[tool.batchio]\nretry-on = [1, 2]\n[tool.batchio.env]\nA = "x"\n\n[tool.other]\nenv = 1\n'
    )
    caller.file("pyproject.toml", text)
    spec = caller.typed("true").spec
    assert (spec.env, spec.retry_on) == ({"A": "x"}, ((1, 1), (2, 2)))
    assert spec.options["env"] == ("A=x", "pyproject.toml:3")


def test_paths_are_relative_to_the_file(caller: Caller) -> None:
    caller.file("../shared.env", "A=1\n")
    caller.file("../batchio.toml", 'env-file = "shared.env"\n')
    assert caller.typed("true").spec.env == {"A": "1"}
    del caller.environ["BATCHIO_WORKSPACE"]
    caller.file("batchio.toml", 'workspace = "jobs-here"\n')
    assert caller.typed("true").workspace.local == caller.folder / "jobs-here"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "slots = 4\nslots 5\n",
            "batchio.toml:2: not valid TOML: Expected '=' after a key in a key/value pair",
            None,
        ),
        ('name = """\n\n', "batchio.toml:2: not valid TOML: Unterminated string", None),
        ("\n\nslot = 4\n", 'batchio.toml:3: unknown option "slot"', "did you mean slots?"),
        (
            'memory = "8 parsecs"\n',
            'batchio.toml:1: memory: "8 parsecs" is not a size',
            "write a size such as 8GiB, 8 GB, 512M, 1.5 TiB or 16GB-32GB",
        ),
        (
            "a = 1\ndry-run = true\n",
            'batchio.toml:1: unknown option "a"',
            "batchio run --help lists every option",
        ),
        (
            "dry-run = true\n",
            "batchio.toml:1: dry-run cannot be set in a configuration file",
            "pass it to batchio run",
        ),
    ],
)
def test_a_broken_file(caller: Caller, text: str, message: str, hint: str | None) -> None:
    caller.file("batchio.toml", text)
    assert (message, hint) == caller.refused("true")


def test_a_file_that_is_not_text(caller: Caller) -> None:
    caller.file("batchio.toml", b"slots = 2\n# \xff\n")
    assert caller.refused("true") == ("batchio.toml:2: not UTF-8 text", None)
    caller.file("batchio.toml", "")
    caller.file(f"{USER}/x")
    user = caller.folder.parent / "config/batchio/config.toml"
    assert caller.refused("true") == (f"{user} is a folder", None)
