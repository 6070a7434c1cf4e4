"""What travels although nobody named it: modules beside a script, files that a script names."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.submit import implied
from batchio.submit.imports import imports

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.submit.conftest import Caller


def sent(caller: Caller, *words: str, **options: Any) -> set[str]:
    """Paths of all files that travel, but the script itself."""
    return {*caller.typed(*words, **options).plan().files} - {words[0]}


def why(caller: Caller, *words: str, **options: Any) -> dict[str, str]:
    return dict(caller.typed(*words, **options).plan().implied)


def test_modules_that_a_script_imports_travel_and_so_on_from_there(caller: Caller) -> None:
    caller.file("process.py", "import sys\nfrom helper import f\n")
    caller.file("helper.py", "def f():\n    import deep.inner as d\n    return d\n")
    caller.file("deep/__init__.py", "from . import other")
    caller.file("deep/inner.py", "import last")
    caller.file("deep/table.csv", "1")
    caller.file("last.py")
    caller.file("unused.py")
    caller.file("data.csv")

    assert why(caller, "process.py") == {
        "helper.py": "imported by process.py:2",
        "deep/": "imported by helper.py:2",
        "last.py": "imported by deep/inner.py:1",
    }
    assert sent(caller, "process.py") == {
        *("helper.py", "last.py", "deep/__init__.py", "deep/inner.py", "deep/table.csv")
    }
    assert sent(caller, "process.py", implicit_upload=False) == set()
    size = caller.typed("process.py").plan().bytes
    plan = caller.typed("process.py").plan()
    assert plan.sends == f"process.py with helper.py, deep/, last.py (6 files, {size} B)"


@pytest.mark.parametrize(
    "words",
    [
        ["./tools/work.py"],
        ["python3", "tools/work.py"],
        ["env", "X=1", "python3.12", "-u", "tools/work.py", "--flag"],
        ["sh", "-c", "true", "tools/work.py"],
    ],
)
def test_modules_are_looked_for_in_the_folder_of_the_script(
    caller: Caller, words: list[str]
) -> None:
    caller.file("tools/work.py", "import helper")
    caller.file("tools/helper.py")
    caller.file("helper.py")
    assert why(caller, *words) == {"tools/helper.py": "imported by tools/work.py:1"}


@pytest.mark.parametrize(
    "words",
    [
        ["python", "-m", "app", "argument"],
        ["python3", "-Wignore", "-X", "dev", "-um", "app.main"],
        ["/usr/bin/python3.11", "-mapp"],
        ["nice", "python3", "-c", "import app.main"],
    ],
)
def test_what_python_runs_as_a_module_is_found_in_the_current_folder(
    caller: Caller, words: list[str]
) -> None:
    caller.file("app/__main__.py", "import beside")
    caller.file("app/main.py")
    caller.file("beside.py")
    caller.file("other.py")
    caller.program(words[0])
    assert sent(caller, *words) == {"app/__main__.py", "app/main.py", "beside.py"}
    assert sent(caller, " ".join(words), shell=True) >= (
        set() if "-c" in words else {"app/main.py", "beside.py"}
    )


def test_installed_programs_and_words_of_their_own_send_nothing(caller: Caller) -> None:
    caller.file("app.py")
    for name in ("python3", "mytool"):
        caller.program(name)
    for words in (["python3", "-m", "json.tool"], ["python3", "-V"], ["mytool", "-m", "app"],
                  ["python3", "-W", "-m", "app"]):  # fmt: skip
        assert sent(caller, *words) == set()


def test_a_script_that_is_a_link_imports_from_the_folder_that_it_points_to(caller: Caller) -> None:
    caller.file("lib/impl.py", "import helper")
    caller.file("lib/helper.py")
    caller.file("helper.py", "another one")
    (caller.folder / "run.py").symlink_to("lib/impl.py")
    prepared = caller.typed("run.py")
    assert prepared.plan().files == ("run.py", "helper.py")
    assert prepared.plan().bytes == len("import helper")


def test_a_script_given_as_text_imports_from_the_current_folder(caller: Caller) -> None:
    caller.file("helper.py")
    caller.file("data.txt")
    plan = caller.called("#!/usr/bin/env python3\nimport helper\n").plan()
    assert plan.implied == {"helper.py": "imported by the script:2"}
    plan = caller.called("#!/bin/sh\nset -e\ncat data.txt\n").plan()
    assert plan.implied == {"data.txt": "named in the script:3"}


def test_a_script_outside_brings_its_modules_beside_it(caller: Caller) -> None:
    caller.file("../lib/work.py", "import helper")
    caller.file("../lib/helper.py")
    assert caller.typed("../lib/work.py").plan().files == ("work.py", "helper.py")


def test_a_folder_without_init_counts_when_it_holds_what_is_imported(caller: Caller) -> None:
    caller.file("work.py", "import space.part\nfrom json import x\nfrom datasets import load\n")
    caller.file("space/part.py")
    caller.file("space/notes.txt")
    caller.file("json/old.json")
    caller.file("datasets/large.bin")
    assert sent(caller, "work.py") == {"space/part.py", "space/notes.txt"}
    caller.file("work.py", "from space import part")
    assert sent(caller, "work.py") == {"space/part.py", "space/notes.txt"}
    caller.file("work.py", "from space import nothing\nimport space")
    assert sent(caller, "work.py") == set()


def test_compiled_modules_travel_whatever_ignore_files_say(caller: Caller) -> None:
    caller.file(".gitignore", "*.so\n*.bin\n_version.py\n/fast/build/\n")
    caller.file("work.py", "import fast\nimport quick\n")
    caller.file("quick.cpython-312-x86_64-linux-gnu.so")
    caller.file("quick.py")
    for kept in ("__init__.py", "_core.abi3.so", "_version.py", "table.csv"):
        caller.file(f"fast/{kept}")
    for left in ("model.bin", "build/x.py", "__pycache__/x.pyc", "notes.txt"):
        caller.file(f"fast/{left}")
    caller.file("fast/.batchioignore", "notes.txt\n")
    assert {path for path in sent(caller, "work.py") if not path.endswith("ignore")} == {
        *("quick.cpython-312-x86_64-linux-gnu.so", "quick.py"),
        *("fast/__init__.py", "fast/_core.abi3.so", "fast/_version.py", "fast/table.csv"),
    }


def test_what_was_uploaded_on_purpose_is_not_sent_twice_nor_replaced(caller: Caller) -> None:
    caller.file("work.py", "import helper")
    caller.file("helper.py", "here")
    caller.file("src/helper.py", "another")
    prepared = caller.typed("work.py", upload=["src/"])
    assert (prepared.plan().files, prepared.plan().implied) == (("work.py", "helper.py"), {})
    assert prepared.plan().bytes == len("import helper") + len("another")


@pytest.mark.parametrize("text", ["import helper\ndef:", "import helper\0", "(" * 10000, "\xff"])
def test_a_broken_script_travels_and_the_task_shows_it(caller: Caller, text: str) -> None:
    caller.file("work.py", text.encode("latin-1"))
    caller.file("helper.py")
    assert sent(caller, "work.py") == set()


def test_what_python_says_of_odd_programs_is_not_repeated(
    caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    caller.file("work.py", "import helper\nx = '\\d' if 1 is 1 else 0\n")
    caller.file("helper.py")
    assert sent(caller, "work.py") == {"helper.py"}
    assert capsys.readouterr() == ("", "")


def test_modules_that_are_too_large_are_refused_with_what_to_do(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implied, "MOST", 1000)
    caller.file("work.py", "import app")
    caller.file("app/__init__.py")
    caller.file("app/model.bin", b"x" * 2000)
    said, hint = caller.refused("work.py")
    assert said == (
        "the modules that the command imports are 2 KB; the largest files are "
        "app/model.bin (2 KB), app/__init__.py (0 B)"
    )
    assert hint
    assert ".batchioignore" in hint
    assert sent(caller, "work.py", upload=["app"]) == {"app/__init__.py", "app/model.bin"}
    caller.file("app/.batchioignore", "*.bin\n")
    assert sent(caller, "work.py") == {"app/__init__.py", "app/.batchioignore"}


def test_files_that_a_shell_script_names_travel(caller: Caller) -> None:
    caller.file(
        "run.sh",
        "#!/bin/bash\n# see notes.txt\nset -e\n"
        "source ./env.sh; python train.py --in 'my data.csv'\n"
        "./tool < in.txt > out.txt 2>err.txt\ncat ../secret /etc/passwd sub *.log $HOME/x\n",
    )
    caller.file("train.py", "import model")
    for name in ("model.py", "env.sh", "my data.csv", "tool", "in.txt"):
        caller.file(name)
    for name in ("notes.txt", "out.txt", "err.txt", "../secret", "sub/file", "a.log"):
        caller.file(name)
    assert why(caller, "run.sh") == {
        "env.sh": "named in run.sh:4",
        "train.py": "named in run.sh:4",
        "model.py": "imported by train.py:1",
        "my data.csv": "named in run.sh:4",
        "tool": "named in run.sh:5",
        "in.txt": "named in run.sh:5",
    }
    assert sent(caller, "run.sh", implicit_upload=False) == set()


def test_scripts_that_name_each_other_are_read_once(caller: Caller) -> None:
    caller.file("one.sh", "sh two.sh\n")
    caller.file("two.sh", "sh one.sh\npython3 -m app\n")
    caller.file("app.py", "import app")
    assert why(caller, "one.sh") == {"two.sh": "named in one.sh:1", "app.py": "run by two.sh:2"}


def test_a_large_file_that_a_shell_script_names_stays_and_that_is_said(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implied, "MOST", 1000)
    caller.file("run.sh", "cat big small")
    caller.file("big", b"x" * 1001)
    caller.file("small")
    prepared = caller.typed("run.sh")
    assert prepared.plan().files == ("run.sh", "small")
    assert prepared.warnings == [
        "big (named in run.sh:1) was not sent: it is 1001 B; to send it: --upload big"
    ]


def test_all_that_python_finds_beside_a_script_here_it_finds_in_the_bundle(
    caller: Caller, tmp_path: Path
) -> None:
    """Python itself says what it loaded from the folder; all of it must travel."""
    caller.file(
        "work.py",
        "import sys, os, json, one, space.b\nfrom two import three\n"
        "try:\n    import missing\nexcept ImportError:\n    import fallback\n"
        "here = os.path.dirname(os.path.abspath(__file__))\n"
        "for m in list(sys.modules.values()):\n"
        "    f = getattr(m, '__file__', None) or ''\n"
        "    if f.startswith(here): print(os.path.relpath(f, here))\n",
    )
    caller.file("one.py", "import random")
    caller.file("random.py", "import shadow")
    caller.file("shadow.py")
    caller.file("two/__init__.py", "from .three import x\nimport one")
    caller.file("two/three.py", "import four\nx = 1")
    caller.file("four.py")
    caller.file("space/b.py", "import five")
    caller.file("five.py")
    caller.file("fallback.py")
    caller.file("unused.py")
    run = subprocess.run(
        [sys.executable, "-B", "work.py"], cwd=caller.folder, capture_output=True, check=True
    )
    loaded = set(run.stdout.decode().split()) - {"work.py"}
    assert loaded >= {"random.py", "two/three.py", "space/b.py", "fallback.py"}
    assert sent(caller, "work.py") == loaded


def test_relative_imports_are_left_to_the_package() -> None:
    assert [found.names for found in imports(b"from . import a\nfrom .b import c\nimport d.e")] == [
        ("d", "e")
    ]


def test_a_module_that_cannot_be_read_is_named(nobody: Caller) -> None:
    was = os.geteuid()
    os.seteuid(os.getuid())
    try:
        nobody.file("helper.py", "", 0)
        nobody.file("work.py", "import helper")
    finally:
        os.seteuid(was)
    assert nobody.refused("work.py")[0] == "cannot read helper.py: Permission denied"
