"""The disk under the workspace fills up: the run stops, says so, and goes on later."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BATCHIO = [sys.executable, "-m", "batchio"]


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 600 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)])
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    # Lazily: a job is done a moment before its head has gone.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def batchio(disk: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environ = {"BATCHIO_WORKSPACE": str(disk / "workspace"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [*BATCHIO, *words], env=environ, capture_output=True, text=True, timeout=60
    )


def test_a_full_disk_stops_the_run_and_a_larger_one_lets_it_go_on(tiny: Path) -> None:
    stopped = batchio(tiny, "run", "--wait", "--ntasks=2500", "--slots=2", "--", "/bin/true")

    assert stopped.returncode == 3
    assert "no space left for" in stopped.stderr
    assert "batchio recover" in stopped.stderr
    assert "Traceback" not in stopped.stderr

    subprocess.run(["mount", "-o", "remount,size=64m", str(tiny)], check=True)
    job = stopped.stdout.strip()
    assert batchio(tiny, "recover", job).returncode == 0
    done = batchio(tiny, "wait", job)

    assert (done.returncode, "2500" in done.stderr) == (0, True)


@pytest.mark.parametrize("option", ["--download", "--sync"])
def test_a_folder_for_outputs_that_cannot_be_written_is_refused_at_once(
    tiny: Path, tmp_path: Path, option: str
) -> None:
    (tiny / "out").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)

    refused = batchio(tmp_path, "run", option, str(tiny / "out"), "--", "/bin/true")

    assert refused.returncode == 2
    assert f"{option}: " in refused.stderr
    assert "is not writable" in refused.stderr
    assert batchio(tmp_path, "list", "--format", "json").stdout.strip() == "[]"
