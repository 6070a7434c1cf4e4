"""asyncssh is loaded without running anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

from batchio.transports import _asyncssh

STARTS = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "tempfile.mkstemp")
LOOK = f"""
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in {STARTS} else None)
%s
assert "asyncssh" in sys.modules
print(*seen)
"""


@pytest.mark.skipif(not _asyncssh.CACHE.exists(), reason="glibc's cache of libraries")
@pytest.mark.parametrize(
    "entrance",
    [
        "import batchio.transports.ssh",
        "from batchio.transports import ssh_config; ssh_config.read_config_without_ssh('h')",
    ],
)
def test_asyncssh_is_loaded_without_a_compiler_and_its_temporary_files(entrance: str) -> None:
    asked = [sys.executable, "-c", LOOK % entrance]
    said = subprocess.run(asked, check=True, capture_output=True, text=True)

    assert said.stdout.split() == []


@pytest.mark.skipif(not _asyncssh.CACHE.exists(), reason="glibc's cache of libraries")
def test_a_library_is_found_where_the_loader_looks() -> None:
    found = _asyncssh.find_library("c")

    assert found is not None
    assert found.startswith("libc.so")
    assert _asyncssh.find_library("no-such-library") is None
