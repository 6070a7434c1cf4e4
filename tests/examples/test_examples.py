"""Every example does what its first lines say, on this computer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import ROOT, files

EXAMPLES: Final = ROOT / "examples"
_LIMIT_S: Final = 280


def says(*words: str, folder: Path = ROOT) -> str:
    """What the command prints; it must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("workspace")
class TestCommandLine:
    """What a person types."""

    def test_hello(self) -> None:
        printed = says("batchio", "run", "--follow", "examples/hello.sh")
        for task in range(10):
            assert f"Hello from task {task} of 10" in printed

    @pytest.mark.parametrize("script", ["hello.sh", "hello.py"])
    def test_a_script_with_coiled_lines(self, script: str) -> None:
        command = "batchio run --follow --ignore container,memory"  # no podman, few gigabytes
        printed = says(*command.split(), script, folder=EXAMPLES / "2-coiled")
        for task in range(10):
            assert f"Hello from {task}\n" in printed

    def test_the_page_of_coiled_over_a_file(self) -> None:
        command = "batchio run --follow --ignore memory --upload texts --map-over-file inputs.txt"
        word = "$COILED_BATCH_TASK_INPUT"
        printed = says(*command.split(), "process.py", word, folder=EXAMPLES / "2-coiled")
        assert "texts/sea.txt: 13 words, the longest is morning" in printed
        assert "texts/hills.txt: 12 words" in printed
        assert "texts/north/snow.txt: 9 words" in printed

    def test_the_page_of_coiled_over_an_array(self) -> None:
        command = "batchio run --follow --array 2,4-6,8-10 array.py"
        printed = says(*command.split(), folder=EXAMPLES / "2-coiled")
        for task in (2, 4, 5, 6, 8, 9, 10):
            assert f"Hello from task {task}\n" in printed
        assert "Hello from task 7" not in printed

    def test_the_ranks_of_a_program_find_each_other(self) -> None:
        printed = says(
            "batchio",
            "run",
            "--follow",
            "--slots",
            "3",
            "allreduce.py",
            folder=EXAMPLES / "6-rendezvous",
        )
        for rank in range(3):
            assert f"rank {rank} of 3 gave {(rank + 1) ** 2}, the sum is 14" in printed

    @pytest.mark.timeout(300)
    def test_the_standard_library_is_measured_whole(self, tmp_path: Path) -> None:
        folder = EXAMPLES / "3-standard-library"
        modules = says("python3", str(folder / "modules.py")).splitlines()
        printed = says("sh", str(folder / "run.sh"), str(tmp_path / "results"))
        assert f"{len(modules):,} modules" in printed
        assert "The most complex functions:" in printed
        assert len(list((tmp_path / "results").iterdir())) == len(modules)


_PROGRAMS: Final = {
    "4-python/with_asyncio.py": "task 1: hello, grace",
    "4-python/with_trio.py": "sleep 0.1: succeeded",
    "4-python/blocking.py": "failed - exit code 1",
    "5-primitives/nodes.py": "19 squared is 361",
}


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("program", _PROGRAMS)
def test_a_program(program: str) -> None:
    assert _PROGRAMS[program] in says(sys.executable, str(EXAMPLES / program))


def test_no_program_is_forgotten() -> None:
    programs = {
        name.removeprefix("examples/")
        for name in files()
        if name.startswith(("examples/4-", "examples/5-")) and name.endswith(".py")
    }
    assert programs == set(_PROGRAMS)
