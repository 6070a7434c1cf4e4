"""Where OpenSSH gets in, batchio gets in; where OpenSSH refuses, batchio refuses.

Both are run on the same configuration, keys and server; what OpenSSH does is the truth.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.errors import BatchioError
from batchio.transports import ssh
from tests.contracts.openssh import Place, openssh, place, public_key_only, why_not

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROXY = """\
#!{python}
import os, socket, sys, threading
there = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        there.sendall(data)
    there.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


def tilde_proxy(here: Place) -> None:
    (here.home / "bin").mkdir()
    (here.home / "bin" / "proxy").write_text(PROXY.format(python=sys.executable))
    (here.home / "bin" / "proxy").chmod(0o755)


def no_key(here: Place) -> None:
    (here.home / "notes").write_text("this is no key\n")


def locked_key(here: Place) -> None:
    words = ["-q", "-t", "ed25519", "-N", "secret", "-f", str(here.home / "locked")]
    subprocess.run(["ssh-keygen", *words], check=True)


def nothing(here: Place) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "lines"),
    [
        (nothing, "Host testhost # the lab\n  Port {port} # the big one"),
        (nothing, "Host other # Bob's server\n  Port 1"),
        (nothing, 'Match originalhost bastion exec "test $USER = root"\n  Port 1'),
        (nothing, 'Match exec "echo %n | grep -qx testhost"\n  User {user}'),
        (tilde_proxy, "ProxyCommand ~/bin/proxy %h %p"),
        (tilde_proxy, "ProxyCommand $HOME/bin/proxy %h %p 2>/dev/null"),
        (tilde_proxy, "ProxyCommand {home}/bin/pro* %h %p"),
        (nothing, "ProxyCommand none"),
        (no_key, "IdentityFile {home}/notes"),
        (no_key, "IdentityFile {home}/.ssh/config"),
        (public_key_only, "IdentityFile {home}/work.pub"),
        (locked_key, "IdentityFile {home}/locked"),
        (nothing, "IdentityFile {home}/not-there"),
        (nothing, "IdentityFile {home}"),
        (nothing, "CertificateFile {home}/not-there-cert.pub"),
        (no_key, "CertificateFile {home}/notes"),
        (nothing, "IdentityAgent SSH_AUTH_SOCK"),
        (nothing, "IdentityAgent $SSH_AUTH_SOCK"),
        (nothing, "IdentityAgent {home}/not-there"),
        (nothing, "IdentityAgent none"),
        (nothing, "Ciphers aes256-ctr"),
        (nothing, "AddressFamily inet"),
        (nothing, "BindAddress 127.0.0.1"),
        (nothing, "Compression yes"),
        (nothing, "HostKeyAlgorithms ssh-ed25519"),
        (nothing, "PreferredAuthentications publickey"),
        (nothing, "PubkeyAcceptedAlgorithms +ssh-rsa"),
        (nothing, "NumberOfPasswordPrompts 0\nForwardAgent yes\nControlMaster auto"),
        # and where ssh is refused as well
        (nothing, "User nobody-here"),
        (nothing, "PubkeyAuthentication no"),
        (nothing, "PreferredAuthentications keyboard-interactive"),
        (nothing, "ProxyCommand /bin/false"),
        (nothing, "ProxyCommand no-such-program %h"),
        (nothing, "PubkeyAcceptedAlgorithms rsa-sha2-512"),
        (nothing, "HostKeyAlias unknown"),
        (nothing, "HostKeyAlgorithms rsa-sha2-512"),
        (nothing, "AddressFamily inet6"),
        (nothing, "Ciphers aes128-cbc"),
        (nothing, "Prot 7"),
        (nothing, "UserKnownHostsFile /dev/null"),
        (nothing, "UserKnownHostsFile none"),
    ],
)
def test_a_configuration_means_the_same_to_both(
    here: Place, prepare: Callable[[Place], None], lines: str
) -> None:
    server = here.server
    prepare(here)
    here.configure(*lines.format(port=server.port, user=server.user, home=here.home).splitlines())

    assert (why_not() == "") == openssh(here), why_not()


def test_a_cipher_that_the_configuration_adds_is_used(tmp_path: Path, home: Path) -> None:
    with place(tmp_path, home, "Ciphers aes128-cbc") as here:
        assert "supports none of our algorithms" in why_not()
        here.configure("Ciphers +aes128-cbc")
        assert openssh(here)
        assert why_not() == ""


def test_a_forbidden_cipher_is_not_used(tmp_path: Path, home: Path) -> None:
    with place(tmp_path, home, "Ciphers aes128-gcm@openssh.com,aes256-ctr") as here:
        here.configure("Ciphers aes256-ctr")
        assert why_not() == ""
        here.configure("Ciphers chacha20-poly1305@openssh.com")
        assert not openssh(here)
        assert "supports none of our algorithms" in why_not()


def test_what_was_passed_over_is_named_when_the_login_fails(here: Place) -> None:
    no_key(here)
    here.configure(f"IdentityFile {here.home}/notes", f"CertificateFile {here.home}/cert.pub")
    (here.folder / "authorized_keys").write_text("")

    said = why_not()
    assert f"{here.home}/notes (" in said
    assert f"{here.home}/cert.pub (No such file or directory)" in said


def test_a_proxy_command_that_is_not_there_is_named_once_and_for_all(here: Place) -> None:
    here.configure("ProxyCommand no-such-program %h %p")
    with pytest.raises(BatchioError) as caught:
        asyncio.run(ssh.connect("testhost"))

    assert "its ProxyCommand ended with exit code 127" in str(caught.value)
    assert f"no-such-program 127.0.0.1 {here.server.port}" in str(caught.value.hint)
    assert caught.value.code == "node"  # not unreachable, which is asked again


def test_a_proxy_command_ends_with_its_connection(here: Place) -> None:
    tilde_proxy(here)
    here.configure("ProxyCommand ~/bin/proxy %h %p")
    assert why_not() == ""

    left = subprocess.run(["pgrep", "-f", f"{here.home}/bin/proxy"], check=False)
    assert left.returncode == 1
