"""What OpenSSH's configuration says of a host reaches us as OpenSSH itself settles it."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from batchio.errors import UsageError
from batchio.transports import ssh, ssh_config
from batchio.transports._ssh_login import SshTarget, arguments, login_for
from batchio.transports.ssh_config import HostConfig, parse, read_config, read_config_without_ssh

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="apt-get install openssh-client")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration, which is empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = tmp_path / ".ssh" / "config"
    path.parent.mkdir()
    path.write_text("")
    return path


def config_of(host: str = "gpu1", port: int | None = None, user: str | None = None) -> HostConfig:
    found = asyncio.run(read_config(host, port, user))
    assert found is not None
    return found


def told(host: str = "gpu1") -> dict[str, object]:
    """What asyncssh is told."""
    return arguments(asyncio.run(login_for(SshTarget(host), config_of(host))))


@pytest.mark.parametrize(
    ("text", "keyword", "value"),
    [
        ("Host gpu1 # Bob's server\n  HostName big # the big one", "hostname", "big"),
        ("Host other # Bob's server\n  Port 1\nHost *\n  Port 2", "port", "2"),
        ("Host gpu1\n  HostName %h.lan", "hostname", "gpu1.lan"),
        ('Match exec "echo %n | grep -qx gpu1"\n  User eve', "user", "eve"),
        ('Match originalhost b exec "test $USER = x"\nMatch all\n  User eve', "user", "eve"),
        ("ConnectTimeout 2m", "connecttimeout", "120"),
        ("CanonicalizeHostname no\nUser=eve", "user", "eve"),
        ("Match host gpu1 user eve\n  Port 7\nMatch all\n  Port 8", "port", "8"),
        ("ProxyJump none\nHost gpu1\n  ProxyJump b", "proxyjump", ""),
        ("User=%h", "user", "%h"),
    ],
)
def test_what_ssh_resolves_is_what_counts(
    config: Path, text: str, keyword: str, value: str
) -> None:
    config.write_text(text + "\n")

    assert config_of().one(keyword) == value


def test_includes_are_read_in_the_order_of_their_names(config: Path) -> None:
    folder = config.parent / "config.d"
    folder.mkdir()
    for number in reversed(range(10, 60)):
        (folder / f"{number}").write_text(f"Host *\n  User u{number}\n")
    for word in ("config.d/*", "~/.ssh/config.d/*", f'"{folder}/"*'):
        config.write_text(f"Include {word}\nUser late\n")
        assert config_of().one("user") == "u10"


def test_port_and_user_take_part_in_matching(config: Path) -> None:
    config.write_text("Match user eve\n  HostName of-eve\n")

    assert config_of(user="eve", port=7).one("hostname") == "of-eve"
    assert config_of(user="bob").one("hostname") == "gpu1"


def test_a_tilde_is_the_home_that_the_environment_names(config: Path) -> None:
    config.write_text("UserKnownHostsFile ~/.ssh/lab %d/b\nIdentityAgent ~/agent\n")
    home = config.parent.parent

    assert config_of().files("userknownhostsfile") == [f"{home}/.ssh/lab", f"{home}/b"]
    assert config_of().one("identityagent") == f"{home}/agent"


def test_blanks_in_the_name_of_a_file_are_no_end_of_it(tmp_path: Path) -> None:
    (tmp_path / "a b").touch()
    text = f"userknownhostsfile /x {tmp_path}/a b ~/y"

    assert parse(text, "/h").files("userknownhostsfile") == [
        "/x", f"{tmp_path}/a b", "/h/y"
    ]  # fmt: skip


def test_one_process_answers_until_a_file_changes(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config.parent / "config.d").mkdir()
    config.write_text("Include config.d/*\nUser first\n")
    asked = []
    run = ssh_config._Process.run

    def counted(process: ssh_config._Process) -> tuple[int, bytes, bytes]:
        asked.append(process)
        return run(process)

    monkeypatch.setattr(ssh_config._Process, "run", counted)

    async def many() -> None:
        await asyncio.gather(*(read_config("gpu1") for _ in range(20)))

    asyncio.run(many())
    assert len(asked) == 1
    (config.parent / "config.d" / "new").write_text("User second\n")
    assert config_of().one("user") == "second"
    assert len(asked) == 2
    (config.parent / "config.d" / "new").write_text("User changed\n")
    assert config_of().one("user") == "changed"


def test_what_a_program_decides_is_asked_again(config: Path, tmp_path: Path) -> None:
    config.write_text(f'Match exec "test -e {tmp_path}/at-home"\n  Port 7\n')
    assert config_of().one("port") == "22"
    (tmp_path / "at-home").touch()

    assert config_of().one("port") == "7"


def test_a_mistake_is_told_as_ssh_tells_it_and_names_the_users_file(config: Path) -> None:
    config.write_text("Host other\n  Port 1\nHost a\n  Prot 7\n")

    with pytest.raises(UsageError) as caught:
        asyncio.run(ssh.connect(SshTarget("a", name="me@a")))
    assert str(caught.value).startswith(f"me@a: ssh refuses its configuration: {config}")
    assert "line 4: Bad configuration option: prot" in str(caught.value)


def test_a_cancelled_question_leaves_no_process(config: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "began")
    config.write_text(f'Match exec "echo $PPID >{tmp_path}/began; exec sleep 600"\n')

    async def cancel() -> int:
        asking = asyncio.ensure_future(read_config("gpu1"))
        pid = int(await asyncio.to_thread((tmp_path / "began").read_text))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return pid

    pid = asyncio.run(cancel())
    assert not Path(f"/proc/{pid}").exists()


# -- what asyncssh is told of it -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "argument", "value"),
    [
        ("Ciphers aes256-ctr", "encryption_algs", ["aes256-ctr"]),
        ("MACs hmac-sha2-512,hmac-sha2-256", "mac_algs", ("hmac-sha2-512", "hmac-sha2-256")),
        ("KexAlgorithms curve25519-sha256", "kex_algs", ("curve25519-sha256",)),
        ("HostKeyAlgorithms rsa-sha2-512", "server_host_key_algs", ["rsa-sha2-512"]),
        ("HostKeyAlias other", "host_key_alias", "other"),
        ("User eve", "username", "eve"),
        ("Compression yes", "compression_algs", "zlib@openssh.com,zlib,none"),
        ("", "compression_algs", "none"),
        ("PubkeyAuthentication no", "public_key_auth", False),
        ("SetEnv A=b C=d", "env", {"A": "b", "C": "d"}),
    ],
)
def test_asyncssh_is_told_what_was_settled(
    config: Path, text: str, argument: str, value: object
) -> None:
    config.write_text(text + "\n")

    assert told()[argument] == value


def test_the_fastest_cipher_is_first_where_nobody_has_chosen(config: Path) -> None:
    ciphers = told()["encryption_algs"]
    assert isinstance(ciphers, list)
    assert ciphers[0] == "aes128-gcm@openssh.com"
    assert {"aes256-ctr", "chacha20-poly1305@openssh.com"} < set(ciphers)

    config.write_text("Ciphers +aes128-cbc\n")
    more = told()["encryption_algs"]
    assert isinstance(more, list)
    assert more[-1] == "aes128-cbc"
    assert more[0] != "aes128-gcm@openssh.com"


def test_algorithms_that_we_all_lack_are_named(config: Path) -> None:
    config.write_text(
        "MACs umac-64@openssh.com\nKexAlgorithms sntrup761x25519-sha512@openssh.com\n"
    )
    with pytest.raises(UsageError, match="supports none of the kexalgorithms") as caught:
        told()

    assert caught.value.where == "gpu1"


def test_tokens_and_variables_in_names_of_files_are_replaced(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYS", f"{tmp_path}/keys")
    config.write_text("User eve\nPort 7\nHostName %h.lan\nUserKnownHostsFile ${KEYS}/%h-%p-%r\n")
    login = asyncio.run(login_for(SshTarget("gpu1"), config_of()))

    assert login.trust_files[0] == f"{tmp_path}/keys/gpu1.lan-7-eve"
    assert login.expand("%n %% %k %d") == f"gpu1 % gpu1 {tmp_path}"


# -- where there is no ssh -----------------------------------------------------------------


def test_without_an_ssh_program_the_configuration_is_read_all_the_same(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config.write_text("Host gpu1\n  HostName %h.lan\n  User eve\n  Compression yes\n")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert asyncio.run(read_config("gpu1")) is None
    found = read_config_without_ssh("gpu1")
    assert (found.one("hostname"), found.one("user"), found.yes("compression")) == (
        "gpu1.lan", "eve", True
    )  # fmt: skip
    assert found.files("userknownhostsfile")[0] == f"{tmp_path}/.ssh/known_hosts"
    assert read_config_without_ssh("gpu1", 7, "bob").one("user") == "bob"


def test_without_an_ssh_program_a_mistake_names_file_and_line(config: Path) -> None:
    config.write_text("Host a\n  Port no-number\n")

    with pytest.raises(UsageError, match="line 2"):
        read_config_without_ssh("a")


# -- who is nobody -------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user whom /etc/passwd does not have, and of whom the environment says nothing."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("known", "missing"),
    [({}, "HOME"), ({"HOME": "/"}, "LOGNAME"), ({"LOGNAME": "eve"}, "HOME")],
)
def test_who_is_nobody_is_told_what_to_set_before_anybody_is_asked(
    known: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    login = login_for(SshTarget("gpu1", "eve"), HostConfig({}, "/"))

    with pytest.raises(UsageError, match=f"and {missing} is not set") as told:
        asyncio.run(login)
    assert told.value.hint == f"set it: {missing}={'FOLDER' if missing == 'HOME' else 'NAME'}"


@pytest.mark.usefixtures("nobody")
def test_who_is_nobody_to_ssh_has_the_configuration_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "eve")
    refuses = tmp_path / "ssh"
    refuses.write_text("#!/bin/sh\necho 'No user exists for uid 4000000000' >&2; exit 255\n")
    refuses.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert asyncio.run(read_config("gpu1")) is None
    assert read_config_without_ssh("gpu1").files("userknownhostsfile")
