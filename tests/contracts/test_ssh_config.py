"""What asyncssh reads of a configuration without other hosts is what it reads of all of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import UsageError
from batchio.transports import ssh
from batchio.transports._ssh_config import config_files, config_for

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = ("gpu1", "gpu2", "GPU1", "10.0.0.7")
BEGINNINGS = st.sampled_from(
    ["Host gpu1", "host gpu2 10.0.0.7", "Host=GPU1", "  Host\tgpu1", "Host *", "Host gpu?",
     "Host !gpu2 *", "Host gpu1,gpu2", 'Host "gpu1"', "Match all", "Match host gpu2", "# Host gpu1",
     "Match originalhost gpu1"]
)  # fmt: skip
SETTINGS = st.sampled_from(
    ["  User alice", "  User bob", "  Port 2222", "Port=23", "", "  # Port 24", "  HostName %h.lan",
     "  ConnectTimeout 7", "  Compression yes"]
)  # fmt: skip
CONFIGS = st.lists(BEGINNINGS | SETTINGS, max_size=20).map(lambda lines: "\n".join(lines) + "\n")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration, which is empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".ssh" / "config"
    path.parent.mkdir()
    return path


def settled(host: str, files: list[str]) -> dict[str, Any]:
    options = asyncssh.SSHClientConnectionOptions(host=host, config=files, client_keys=None)
    found: dict[str, Any] = options.config._options
    return {**found, "host": options.host, "port": options.port, "user": options.username}


@given(CONFIGS)
def test_a_host_finds_the_same_settings(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for host in HOSTS:
            with config_for(host) as files:
                assert settled(host, files) == settled(host, config_files())


def test_other_hosts_are_left_out_line_by_line(config: Path) -> None:
    config.write_text("User me\nHost a\n  Port 1\nHost b\n  Port 2\nHost *\n  Port 3\n")

    with config_for("b") as [copy, *_], open(copy) as file:
        assert file.read() == "User me\n\n\nHost b\n  Port 2\nHost *\n  Port 3\n"


def test_a_change_is_seen(config: Path) -> None:
    for port in (2222, 3333):
        config.write_text(f"Host a\n  Port {port}\nHost b\n  Port 1\n")
        with config_for("a") as files:
            assert settled("a", files)["port"] == port


def test_a_mistake_is_told_by_the_name_of_the_file_and_its_line(config: Path) -> None:
    config.write_text("Host other\n  Port 1\nHost a\n  Port no-number\n")

    with pytest.raises(UsageError) as caught:
        asyncio.run(ssh.connect("a"))
    assert f"{config} line 4" in str(caught.value)
