"""Which host keys are trusted: exactly those that OpenSSH trusts."""

from __future__ import annotations

import subprocess

import pytest

from tests.contracts.openssh import Place, openssh, why_not
from tests.contracts.sshd import make_key


@pytest.mark.parametrize(
    "known",
    [
        "[127.0.0.1]:{port} {key}",
        "127.0.0.1 {key}",  # its port does not matter where it is not named
        "[127.0.0.1]:* {key}",
        "* {key}",
        "127.0.0.? {key}",
        "!127.0.0.2,127.0.0.* {key}",
        "x,[127.0.0.1]:{port} {key}",
        "# comment\n\n@what is {key}\n[127.0.0.1]:{port} {key}",
        # and where ssh refuses
        "",
        "[127.0.0.1]:1 {key}",
        "127.0.0.0/8 {key}",
        "!127.0.0.1,127.0.0.* {key}",
        "testhost {key}",
        "[127.0.0.1]:{port} {other}",
        "@revoked * {key}\n[127.0.0.1]:{port} {key}",
        "[127.0.0.1]:{port} {key}\n@revoked [127.0.0.1]:{port} {key}",
        "[127.0.0.1]:{port} {key}\n@revoked 127.0.0.1 {key}",
        "@cert-authority * {key}",
        "[127.0.0.1]:{port}{key}",
    ],
)
def test_the_same_lines_of_known_hosts_count(here: Place, known: str) -> None:
    other = make_key(here.folder / "other").strip()
    key = here.server.host_key.strip()
    here.configure(known_hosts=known.format(port=here.server.port, key=key, other=other) + "\n")

    assert (why_not() == "") == openssh(here), why_not()


@pytest.mark.parametrize("name", ["LocalHost", "localhost"])
def test_an_address_is_not_trusted_for_a_name(here: Place, name: str) -> None:
    by_name = f"Host testhost\n  HostName {name}\n  AddressFamily inet"
    here.configure(by_name)
    assert not openssh(here)
    assert "its host key is not known" in why_not()

    line = f"[LOCALhost]:{here.server.port} {here.server.host_key}"
    here.configure(by_name, known_hosts=line)
    assert openssh(here)
    assert why_not() == ""


def test_hashed_names_are_known(here: Place) -> None:
    known = here.home / ".ssh" / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")

    assert openssh(here)
    assert why_not() == ""


def test_an_alias_is_looked_up_without_a_port(here: Place) -> None:
    here.configure("HostKeyAlias rack", known_hosts=f"rack {here.server.host_key}")
    assert openssh(here)
    assert why_not() == ""

    here.configure("HostKeyAlias unknown")  # the address is known
    assert not openssh(here)
    assert "its host key is not known" in why_not()


def test_a_revoked_key_is_called_so_and_nobody_is_told_to_accept_it(here: Place) -> None:
    key = here.server.host_key
    here.configure(known_hosts=f"{here.server.known_hosts()}@revoked * {key}")

    said = why_not()
    assert "its host key is revoked" in said
    assert "ssh-keygen -R" not in said
    assert "accept its key" not in said


def test_keys_in_a_file_of_revoked_ones_are_refused(here: Place) -> None:
    (here.home / "revoked").write_text(here.server.host_key)
    here.configure(f"RevokedHostKeys {here.home}/revoked")
    assert not openssh(here)
    assert "its host key is revoked" in why_not()

    here.configure(f"RevokedHostKeys {here.home}/not-there")
    assert not openssh(here)
    assert "not-there cannot be read" in why_not()


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("", "ssh testhost once to accept its key, or: ssh-keyscan -p {port} 127.0.0.1 >> "
             "~/.ssh/known_hosts"),
        ("UserKnownHostsFile ~/.ssh/lab", ">> ~/.ssh/lab"),
        ("UserKnownHostsFile /var/lab", ">> /var/lab"),
        ("UserKnownHostsFile /dev/null\nStrictHostKeyChecking no",
         "its configuration stores no host keys (UserKnownHostsFile /dev/null): set a file there, "
         "then ssh testhost once (StrictHostKeyChecking no is not followed)"),
        ("StrictHostKeyChecking accept-new", "(StrictHostKeyChecking accept-new is not followed)"),
        ("StrictHostKeyChecking yes", "ssh -o StrictHostKeyChecking=ask testhost once"),
        ("HostKeyAlias rack", "ssh testhost once to accept its key"),
    ],
)  # fmt: skip
def test_the_hint_names_the_file_that_counts(here: Place, lines: str, hint: str) -> None:
    here.configure(*lines.splitlines(), known_hosts="")

    said = why_not()
    assert hint.format(port=here.server.port) in said
    assert ("ssh-keyscan" in said) == ("HostKeyAlias" not in lines and "/dev/null" not in lines)
