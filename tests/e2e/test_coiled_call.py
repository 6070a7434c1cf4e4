"""Every keyword of `coiled.batch.run`, as its page lists them: it works, warns, or is refused.

What is refused, or warned about, says so by the keyword; nothing is dropped without a word.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING, Any, Final

import pytest

import batchio
import batchio.sync

if TYPE_CHECKING:
    from pathlib import Path

WORKS: Final[dict[str, Any]] = {
    "name": "mine",
    "run_on_host": True,
    "env": {"A": "b"},
    "secret_env": {"S": "t"},
    "tag": {"k": "v"},
    "cpu": 1,
    "memory": "100MB",
    "ntasks": 2,
    "array": "0-1",
    "map_over_values": ["a"],
    "map_over_file": "inputs.txt",
    "map_over_input_var": "X",
    "map_over_task_var_dicts": [{"A": "1"}],
    "map_over_delimiter": ";",
    "max_workers": 1,
    "wait_for_ready_cluster": True,
    "local_upload_path": "folder",
    "buffers_to_upload": [{"relative_path": "z", "buffer": io.BytesIO(b"1")}],
    "host_setup_script": "setup.sh",
    "host_setup_script_content": "true",
    "command_as_script": True,
    "ignore_container_entrypoint": True,
    "job_timeout": "1 minute",
    "logger": logging.getLogger("coiled"),
}
WARNS: Final[dict[str, Any]] = {
    "cluster_kwargs": {"a": 1},
    "scheduler_vm_type": "g5.xlarge",
    "region": "us-east-2",
    "spot_policy": "spot",
    "allow_cross_zone": True,
    "disk_size": 10,
    "allow_ssh_from": "me",
    "task_on_scheduler": True,
    "scheduler_task_array": "0",
    "forward_aws_credentials": True,
    "package_sync_strict": True,
    "package_sync_conda_extras": ["a"],
    "package_sync_ignore": ["a"],
}
REFUSED: Final[dict[str, Any]] = {"software": "env", "vm_type": "g5.xlarge", "cpu": 4000}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Be in a folder with the files that the keywords name; return a workspace."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs.txt").write_text("a\nb\n")
    (tmp_path / "setup.sh").write_text("true\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("x")
    return str(tmp_path / "ws")


def _ran(place: str, keyword: str, value: Any) -> str:
    mapped = keyword in ("map_over_input_var", "map_over_delimiter")
    options: dict[str, Any] = {keyword: value, **({"map_over_values": "a;b"} if mapped else {})}
    return batchio.sync.run("echo hi", workspace=place, **options).wait(timeout=60).outcome


@pytest.mark.parametrize("keyword", WORKS)
def test_a_keyword_works_without_a_warning(place: str, keyword: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # An ordinary user without a control group of his own is told that, and rightly.
        warnings.filterwarnings("ignore", ".* does not enforce memory=: no control group")
        assert _ran(place, keyword, WORKS[keyword]) == "succeeded"


@pytest.mark.parametrize("keyword", WARNS)
def test_a_keyword_that_means_nothing_here_warns_and_the_job_runs(place: str, keyword: str) -> None:
    with pytest.warns(batchio.BatchioWarning, match=f"^{keyword}=.*: ignored, ") as told:
        assert _ran(place, keyword, WARNS[keyword]) == "succeeded"
    assert len(told) == 1


@pytest.mark.parametrize("keyword", REFUSED)
def test_a_keyword_that_a_task_may_need_is_refused(place: str, keyword: str) -> None:
    with pytest.raises(batchio.UsageError, match=f"^{keyword}: "):
        _ran(place, keyword, REFUSED[keyword])


def test_looking_takes_the_arguments_of_the_page_in_their_order(place: str) -> None:
    job = batchio.sync.run("true", workspace=place)
    job.wait(timeout=60)

    assert [one.id for one in batchio.sync.list_jobs(place, 10)] == [job.id]
    assert batchio.sync.status(job.name, workspace=place).id == job.id
