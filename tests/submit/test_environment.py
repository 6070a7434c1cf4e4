"""Which Python is the user's, when its packages travel, and what is said about them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchio.software import uv
from batchio.software.made import create, source_of
from batchio.submit import users_environment
from batchio.submit.caller import CallerContext
from batchio.submit.environment import MOST
from batchio.submit.interpreter import users_python
from tests.software.environments import MadeEnvironment, place
from tests.software.indexes import Index, make_wheel, serving
from tests.software.pythons import make_conda
from tests.submit.conftest import Caller

REMOTE = {"provider": "ssh", "hosts": "gpu1"}


@pytest.fixture
def made(caller: Caller) -> MadeEnvironment:
    """An environment beside the script, which is not activated."""
    made = MadeEnvironment(caller.folder / ".venv")
    made.install("plain", {"plain.py": "WORD = 1\n"}, "2.5", scripts="plain-tool = plain:main")
    place(made.python.parent / "plain-tool", "").chmod(0o755)
    caller.file("process.py", "import plain\n")
    return made


# --- which one -----------------------------------------------------------------------


def test_the_order_in_which_a_python_is_looked_for(
    caller: Caller, made: MadeEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    active, conda = MadeEnvironment(tmp_path / "active"), MadeEnvironment(tmp_path / "conda")
    caller.environ |= {"VIRTUAL_ENV": str(active.root), "CONDA_PREFIX": str(conda.root)}
    caller.file("../bin/python3", "", 0o755)
    inner = caller.folder / "a/b"
    inner.mkdir(parents=True)
    here = CallerContext(str(inner), caller.environ)

    assert users_python("/x/python", here) == ("/x/python", "--python")
    assert users_python(None, here) == (str(active.python), "VIRTUAL_ENV")
    del caller.environ["VIRTUAL_ENV"]
    assert users_python(None, here) == (str(conda.python), "CONDA_PREFIX")
    caller.environ["CONDA_PREFIX"] = str(tmp_path / "gone")
    assert users_python(None, here) == (str(made.python), str(made.root))
    made.python.unlink()
    assert users_python(None, here) == (sys.executable, "the Python that runs batchio")
    for name in ("pipx_metadata.json", "uv-receipt.toml"):
        tool = tmp_path / name.partition(".")[0]
        place(tool / name, "")
        monkeypatch.setattr(sys, "prefix", str(tool))
        assert users_python(None, here) == (str(caller.bin / "python3"), "python3 on PATH")


def test_this_computer_uses_the_same_python_where_it_is(
    caller: Caller, made: MadeEnvironment
) -> None:
    prepared = caller.typed("process.py")
    assert prepared.plan().argv[0] == str(made.python)
    assert prepared.plan().packages == ""
    assert prepared.spec.software is None


# --- when it travels -----------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["process.py"],
        ["python", "process.py"],
        ["python3.12", "-m", "plain"],
        ["plain-tool", "x"],
        ["env", "A=1", "python3", "process.py"],
        ["steps.sh"],
        ["linked"],
    ],
)
def test_it_travels_where_the_command_runs_python(
    caller: Caller, made: MadeEnvironment, words: list[str]
) -> None:
    caller.file("steps.sh", "#!/bin/sh\nset -e\ncd . && plain-tool all\n", 0o755)
    caller.file("linked", "#!/usr/bin/env python3\n", 0o755)
    plan = caller.typed(*words, **REMOTE).plan()
    assert ", 1 package (" in plan.packages
    assert "(.venv: " in plan.packages


def test_it_travels_where_a_line_for_the_shell_runs_python(
    caller: Caller, made: MadeEnvironment
) -> None:
    assert caller.typed("ls && python x.py", shell="true", **REMOTE).plan().packages
    assert not caller.typed("ls && echo python-less", shell="true", **REMOTE).plan().packages


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["echo", "python"], {}),
        (["steps.sh"], {}),
        (["process.py"], {"package_sync": "false"}),
        (["process.py"], {"python": "/opt/python/bin/python3"}),
        (["process.py"], {"container": "python:3.12"}),
    ],
)
def test_it_stays_where_it_is_of_no_use_or_not_wanted(
    caller: Caller, made: MadeEnvironment, words: list[str], options: dict[str, str]
) -> None:
    caller.file("steps.sh", "#!/bin/sh\n# no python here\nmake all\n", 0o755)
    assert caller.typed(*words, **options, **REMOTE).plan().packages == ""


def test_it_travels_when_it_is_asked_for(
    caller: Caller, made: MadeEnvironment, tmp_path: Path
) -> None:
    assert caller.typed("make", package_sync="true", **REMOTE).plan().packages
    other = MadeEnvironment(tmp_path / "other")
    prepared = caller.typed("make", package_sync="true", python=str(other.python), **REMOTE)
    assert str(other.root) in prepared.plan().packages
    assert prepared.spec.python is None


def test_a_job_says_which_environment_it_takes_along(caller: Caller, made: MadeEnvironment) -> None:
    prepared = caller.typed("process.py", keep_software="false", **REMOTE)
    spec = caller.submitted(prepared, prepared.create())
    assert spec.software
    assert spec.software.packages == 1
    assert spec.software.python == ".".join(map(str, sys.version_info[:3]))
    assert not spec.keep_software
    said = str(spec.software)
    assert said.startswith(f"Python {spec.software.python}, 1 package (")
    assert said.endswith(f"), {spec.software.digest[:8]}")
    again = caller.typed("process.py", **REMOTE)
    assert caller.submitted(again, again.create()).software == spec.software


def test_a_python_without_packages_leaves_the_choice_to_the_nodes(
    caller: Caller, tmp_path: Path
) -> None:
    caller.environ["VIRTUAL_ENV"] = str(MadeEnvironment(tmp_path / "bare").root)
    caller.file("process.py", "")
    assert caller.typed("process.py", **REMOTE).spec.software is None
    asked = caller.typed("process.py", package_sync="true", **REMOTE)
    assert ", 0 packages (0 B)" in asked.plan().packages


# --- what of it ----------------------------------------------------------------------


def test_ignore_files_count_in_folders_of_code_but_never_for_compiled_modules(
    caller: Caller, made: MadeEnvironment
) -> None:
    project = caller.folder / "lib"
    for name in (
        "mine/__init__.py",
        "mine/native.so",
        "mine/big.dat",
        "mine/x.log",
        ".venv2/pyvenv.cfg",
    ):
        place(project / name, "x")
    place(caller.folder / ".git/HEAD", "")
    place(caller.folder / ".gitignore", "*.so\n*.log\n")
    place(project / ".batchioignore", "*.dat\n")
    made.install_editable("mine", project, folder="")
    environment, _ = users_environment({"package-sync-ignore": "plain"})
    [folder] = [item for item in environment.found.items if item.kind == "folder"]
    names = [file.arrival for file in folder.files]
    assert names == [".batchioignore", "mine/__init__.py", "mine/native.so"]


def test_what_does_not_travel_is_named(caller: Caller, made: MadeEnvironment) -> None:
    for number in range(4):
        place(made.site / f"odd{number}.pth", "import sys\n")
    warnings = caller.typed("process.py", package_sync_ignore="nothing", **REMOTE).warnings
    assert "--package-sync-ignore nothing: there is no such package" in warnings
    [named] = [line for line in warnings if line.startswith("not sent: ")]
    assert "odd0.pth (it runs code, and belongs to no package)" in named
    assert named.endswith(" and 1 more; batchio env show lists them")


BLOCK = '# /// script\n# requires-python = ">=3.8"\n# dependencies = [\n#   "plain",\n# ]\n# ///\n'


@pytest.fixture
def index(caller: Caller, tmp_path: Path) -> Iterator[Index]:
    """An index that has another version than the environment beside the script."""
    with serving() as index:
        index.add(make_wheel("plain", "3.0", {"plain.py": "WORD = 3\n"}))
        caller.environ |= {
            "UV_DEFAULT_INDEX": index.url,
            "UV_CACHE_DIR": str(tmp_path / "uv"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
        }
        yield index


def test_a_script_that_names_packages_gets_them_here_and_elsewhere(
    caller: Caller, made: MadeEnvironment, index: Index
) -> None:
    caller.file("needs.py", f"{BLOCK}import plain; print(plain.WORD)\n")
    caller.file("none.py", BLOCK.replace('#   "plain",\n', ""))
    python = caller.typed("needs.py").plan().argv[0]
    argv = [python, "-c", "import plain; print(plain.WORD)"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"3\n"
    assert python != str(made.python)
    elsewhere = caller.typed("needs.py", **REMOTE)
    assert "(needs.py, PEP 723: " in elsewhere.plan().packages
    assert elsewhere.plan().warnings == ()
    for words in (["none.py"], ["cat", "needs.py"]):
        assert caller.typed(*words).plan().argv[0] in (str(made.python), "cat")


def test_packages_that_a_script_names_and_does_not_get_are_told(
    caller: Caller, made: MadeEnvironment, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.file("needs.py", f"{BLOCK}import plain\n")
    said = "needs.py names packages that it needs (PEP 723); they are not installed "
    said += "for it: tasks find what your environment has"
    for options in ({"package_sync": "false"}, {"python": str(made.python)}):
        plan = caller.typed("needs.py", **options)
        assert said in plan.warnings
        assert plan.plan().argv[0] == str(made.python)
    monkeypatch.setattr(uv, "find_uv", lambda *_: None)
    assert said in caller.typed("needs.py").warnings


def test_a_job_names_its_environment_by_a_file_or_by_name(
    caller: Caller, made: MadeEnvironment, index: Index
) -> None:
    caller.file("requirements.txt", "plain\n")
    here = caller.typed("process.py", software="requirements.txt").plan()
    [source] = [one for one in [source_of(str(caller.folder / "requirements.txt"))] if one]
    named = create("train", [source], str(made.python), caller.environ)
    assert caller.typed("process.py", software="train").plan().argv[0] == named.python
    assert here.argv[0] not in (named.python, str(made.python))
    spec = caller.typed("make", software="train").spec
    assert spec.env["VIRTUAL_ENV"] == str(named.folder)
    assert spec.env["PATH"] == f"{named.folder}/bin:{caller.environ['PATH']}"
    assert "PATH" not in caller.typed("make", software="train", **REMOTE).spec.env
    for given in ("requirements.txt", "train"):
        plan = caller.typed("make", software=given, package_sync="false", **REMOTE).plan()
        assert f"({given}: " in plan.packages


# --- bad input -----------------------------------------------------------------------


def test_a_container_has_packages_of_its_own(caller: Caller, made: MadeEnvironment) -> None:
    assert caller.refused("process.py", package_sync="true", container="python:3.12", **REMOTE) == (
        "--package-sync: a container has packages of its own",
        "leave one of them out, or run on the node itself: --run-on-host",
    )


@pytest.mark.parametrize(
    ("given", "text", "why"),
    [
        ("gone", None, 'there is no file and no environment called "gone"'),
        ("x.yaml", "a: 1", "/x.yaml says nothing of packages"),
        ("plain.py", "import os\n", "plain.py names no packages that it needs (PEP 723)"),
        ("r.txt", "rare\n", "rare was not found in the package registry"),
    ],
)
def test_software_that_cannot_be_had_is_an_error_before_anything_is_made(
    caller: Caller, index: Index, given: str, text: str | None, why: str
) -> None:
    if text is not None:
        caller.file(given, text)
    message, hint = caller.refused("true", software=given)
    assert message.startswith("--software: ")
    assert why in message
    assert hint
    assert hint.endswith("to run without it: --ignore software")


def test_software_and_a_container_exclude_each_other(
    caller: Caller, made: MadeEnvironment, index: Index
) -> None:
    caller.file("r.txt", "plain\n")
    message, _ = caller.refused("process.py", software="r.txt", container="python:3.12", **REMOTE)
    assert message == "--software: a container has its own packages"


def test_a_python_that_is_not_there_is_named(caller: Caller, made: MadeEnvironment) -> None:
    assert caller.refused("process.py", package_sync="true", python="./gone", **REMOTE) == (
        f"{caller.folder}/gone cannot be run: No such file or directory",
        "to use what the nodes have: --no-package-sync",
    )


def test_an_environment_of_conda_travels_when_it_is_active(caller: Caller, tmp_path: Path) -> None:
    make_conda(tmp_path / "conda")
    caller.file("process.py", "")
    caller.environ["CONDA_PREFIX"] = str(tmp_path / "conda")
    prepared = caller.typed("process.py", **REMOTE)
    assert "(CONDA_PREFIX: " in prepared.plan().packages
    assert ", 2 packages (" in prepared.plan().packages


def test_a_folder_that_is_too_large_is_named_with_its_largest_files(
    caller: Caller, made: MadeEnvironment, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    place(folder / "module.py", "")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(MOST + 1)
    caller.environ["PYTHONPATH"] = str(folder)
    message, hint = caller.refused("process.py", **REMOTE)
    assert message == (
        f"{folder} is on the path of Python and holds 2.0 GiB; the largest files are "
        "large.bin (2.0 GiB), module.py (0 B)"
    )
    assert hint
    assert hint.startswith("name what tasks do not need in its .batchioignore")
