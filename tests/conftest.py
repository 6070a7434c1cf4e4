"""What every test has: surroundings of its own, and a look at what it left behind.

Before the first test, HOME is an empty folder and the developer's BATCHIO_*, COILED_* and
XDG_* variables are gone, so no test reads a personal configuration or writes into a real
workspace. After the last one, whatever of batchio still runs is an error.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from tests import effort
from tests.house import leftovers

pytest_plugins = ["tests.testbed.fixtures", "tests.house.skips"]

_KEPT = ("BATCHIO_TESTBED", "BATCHIO_REQUIRE_TESTBED")
_LONG = {"examples", "e2e", "testbed", "docs", "test_style.py"}
"""Folders and files that should not come last when two processes share the work."""
_HOME = pytest.StashKey[Path]()

effort.register()


def pytest_configure(config: pytest.Config) -> None:
    """Change the environment once for the process: no test pays for it."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
    for name in list(os.environ):
        if name.startswith(("BATCHIO_", "COILED_", "XDG_")) and name not in _KEPT:
            del os.environ[name]
    os.environ.setdefault(leftovers.MARK, uuid.uuid4().hex)
    config.stash[_HOME] = Path(tempfile.mkdtemp(prefix="batchio-tests-"))
    os.environ["HOME"] = str(config.stash[_HOME])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For pytest-xdist, which gives a whole file to a worker: what takes long begins first."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: not _LONG.intersection(item.path.parts))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the false HOME away."""
    shutil.rmtree(config.stash[_HOME], ignore_errors=True)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of one test; what batchio does in it, in this process or another, is there."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("BATCHIO_WORKSPACE", str(root))
    return root


@pytest.fixture
def left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[leftovers.Leftover]]:
    """What the test has started and that still runs after a patient wait; `[]` is good."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(leftovers.TEST_MARK, mark)
    return partial(leftovers.wait_until_gone, mark, tmp_path)


@pytest.hookimpl(trylast=True)  # the workers of pytest-xdist have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session when something of it still runs, and end that."""
    if hasattr(session.config, "workerinput"):
        return  # other workers are still testing; their controller looks
    factory: pytest.TempPathFactory = getattr(session.config, "_tmp_path_factory")  # noqa: B009
    if left := leftovers.wait_until_gone(os.environ[leftovers.MARK], factory.getbasetemp()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        leftovers.report(session.config, left)
        leftovers.end(left)
