"""The installer's rooms become one program for a bare Python 3.8, as the agent's do."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from batchio import installer
from batchio.software import probe, program

FOLDER: Final = Path(installer.__file__).parent


def test_every_room_travels() -> None:
    assert sorted(installer.ROOMS) == sorted(
        path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"
    )


def test_it_speaks_python_3_8() -> None:
    ast.parse(program.source(), feature_version=(3, 8))
    ast.parse(Path(probe.__file__).read_text(), feature_version=(3, 8))


def test_no_name_means_two_things() -> None:
    defined = Counter(
        node.name
        for node in ast.parse(program.source()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )
    assert [name for name, count in defined.items() if count > 1] == []


def test_a_room_uses_only_those_before_it() -> None:
    for number, room in enumerate(installer.ROOMS):
        for node in ast.walk(ast.parse((FOLDER / f"{room}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("batchio"):
                assert str(node.module).rpartition(".")[2] in installer.ROOMS[:number]


def test_it_runs_alone_as_one_word_of_a_command_line(tmp_path: Path) -> None:
    argv = program.command(sys.executable, "clean", str(tmp_path))
    assert "\n" not in "".join(argv)
    assert max(map(len, argv)) < 1 << 16  # a word may have 128 KiB
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"HOME": "/x"})
    assert (done.stdout, done.stderr) == ('{"bytes": 0}\n', "")
