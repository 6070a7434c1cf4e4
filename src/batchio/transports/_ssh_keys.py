"""The keys that are offered to a host, in order: files, certificates, ssh-agent.

As ssh does, keys that cannot be used are passed over: a key that is only in the agent, a file
that is no key, a certificate that is missing, an agent that fails. They are remembered, for the
error should the login fail.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import asyncssh

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchio.transports.ssh_config import HostConfig

AGENT_PATIENCE_S: Final = 5.0
"""Seconds that an ssh-agent may take to list its keys."""

_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))$")


@dataclass(slots=True)
class Keys:
    """The keys that are offered, in order.

    Attributes:
        pairs: Keys of the agent and of files, with their certificates.
        agent: To be closed after the login; None where no key is the agent's.
        passed_over: What could not be used, each in words.
    """

    pairs: list[asyncssh.SSHKeyPair] = field(default_factory=list)
    agent: asyncssh.SSHAgentClient | None = None
    passed_over: list[str] = field(default_factory=list)

    def forget_agent(self) -> None:
        """Offer the keys of files only, from now on."""
        self.close()
        self.agent = None
        self.pairs = [p for p in self.pairs if not isinstance(p, asyncssh.SSHAgentKeyPair)]
        self.passed_over.append("the ssh-agent (it did not sign)")

    def close(self) -> None:
        """Close the connection to the agent."""
        if self.agent is not None:
            self.agent.close()


async def keys_for(
    host_config: HostConfig,
    asked: Sequence[str | bytes],
    paths: Iterable[str],
    certificates: list[str],
) -> Keys:
    """Return the keys for one login.

    Args:
        host_config: The configuration: IdentityAgent, IdentitiesOnly.
        asked: Keys that were named beside the configuration: paths, or the text of one.
        paths: IdentityFile, expanded.
        certificates: CertificateFile, expanded.

    Raises:
        UsageError: a key of `asked` cannot be used.
    """
    keys = Keys()
    files = [*map(_named, asked), *map(_found, paths)]
    certs = [cert for path in certificates for cert in _certificates(path, keys.passed_over)]
    certs += [cert for file in files for cert in file.certs]
    agents = await _agents_keys(host_config, keys)
    named = {public for file in files for public in file.publics}
    held = [agents[public] for file in files for public in file.publics if public in agents]
    others = [pair for public, pair in agents.items() if public not in named]
    for pair in held if host_config.yes("identitiesonly") else [*held, *others]:
        keys.pairs += _certified(pair, certs)
    for file in files:
        if any(public in agents for public in file.publics):
            continue
        if file.key is not None:
            keys.pairs += _certified(asyncssh.load_keypairs([file.key])[0], certs)
        elif file.error is not None and file.asked:
            raise _unusable(file.path, file.error)
        elif file.error is not None and not isinstance(file.error, FileNotFoundError):
            keys.passed_over.append(f"{file.path} ({_why(file.error)})")
    return _accepted(keys, host_config)


def _accepted(keys: Keys, host_config: HostConfig) -> Keys:
    """Leave out keys of kinds that the configuration does not offer."""
    usual = host_config.one("pubkeyacceptedkeytypes")  # its name before OpenSSH 8.5
    said = host_config.one("pubkeyacceptedalgorithms", usual)
    if not said:
        return keys
    allowed = {name.encode() for name in said.split(",")}
    offered = [pair for pair in keys.pairs if allowed.intersection(_kinds(pair))]
    if len(offered) < len(keys.pairs):
        keys.passed_over.append("keys of a kind that PubkeyAcceptedAlgorithms leaves out")
    keys.pairs = offered
    return keys


def _kinds(pair: asyncssh.SSHKeyPair) -> Iterable[bytes]:
    return (pair.algorithm,) if pair.has_cert else pair.sig_algorithms


def _certified(
    pair: asyncssh.SSHKeyPair, certs: Iterable[asyncssh.SSHCertificate]
) -> list[asyncssh.SSHKeyPair]:
    """Return a key with each certificate for it, then the key alone."""
    pairs = []
    for cert in certs:
        if not pair.has_cert and cert.key.public_data == pair.key_public_data:
            certified = copy.copy(pair)
            certified.set_certificate(cert)
            pairs.append(certified)
    return [*pairs, pair]


# -- the agent -----------------------------------------------------------------------------


def agent_path(host_config: HostConfig) -> str:
    """Return the socket of the user's ssh-agent; empty when there is none to ask.

    `SSH_AUTH_SOCK` and `$NAME` name a variable that holds it: ssh_config(5).
    """
    said = host_config.said.get("identityagent", ("SSH_AUTH_SOCK",))[0]
    if said == "none":
        return ""
    if said == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK", "")
    if variable := _VARIABLE.match(said):
        return os.environ.get(variable[1] or variable[2], "")
    return host_config.path(said)


async def _agents_keys(host_config: HostConfig, keys: Keys) -> dict[bytes, asyncssh.SSHKeyPair]:
    """Return the agent's keys by their public halves; none when the agent fails."""
    path = agent_path(host_config)
    if not path:
        return {}
    agent = asyncssh.SSHAgentClient(path)
    try:
        async with asyncio.timeout(AGENT_PATIENCE_S):
            found = await agent.get_keys()
    except (OSError, ValueError, asyncssh.Error, TimeoutError) as error:
        agent.close()
        slow = f"no answer within {AGENT_PATIENCE_S:g} s"
        why = slow if isinstance(error, TimeoutError) else str(error) or "it hung up"
        keys.passed_over.append(f"the ssh-agent at {path} ({why})")
        return {}
    except BaseException:
        agent.close()
        raise
    keys.agent = agent
    return {pair.public_data: pair for pair in found}


# -- files ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    """One key that was named.

    Attributes:
        publics: Its public half and certificates, by which an agent knows it.
        error: Why its private half cannot be used.
    """

    path: str
    key: asyncssh.SSHKey | None
    publics: tuple[bytes, ...]
    certs: tuple[asyncssh.SSHCertificate, ...] = ()
    error: Exception | None = None
    asked: bool = False


def _named(key: str | bytes) -> _File:
    """Return a key that was named beside the configuration."""
    if isinstance(key, bytes):
        private = asyncssh.import_private_key(key)
        return _File("", private, (private.public_data,), asked=True)
    return replace(_found(os.path.expanduser(key)), asked=True)


def _found(path: str) -> _File:
    """Return the key of a file, which may be its public half only."""
    key, error = _read(path)
    certs = _certificates(f"{path}-cert.pub", [])
    publics = [cert.public_data for cert in certs]
    if key is not None:
        publics.append(key.public_data)
    else:
        publics += [public for place in (f"{path}.pub", path) for public in _publics(place)]
    return _File(path, key, tuple(publics), tuple(certs), error)


def _read(path: str) -> tuple[asyncssh.SSHKey | None, Exception | None]:
    """Return a private key, or why there is none; read again when the file has changed."""
    try:
        status = os.stat(path)
        return _private(path, status.st_mtime_ns, status.st_size), None
    except (OSError, asyncssh.KeyImportError, ValueError) as error:
        return None, error


@functools.lru_cache(maxsize=64)
def _private(path: str, _changed: int, _size: int) -> asyncssh.SSHKey:
    return asyncssh.read_private_key(path)


def _publics(path: str) -> list[bytes]:
    try:
        return [asyncssh.read_public_key(path).public_data]
    except (OSError, asyncssh.KeyImportError, ValueError):
        return []


def _certificates(path: str, passed_over: list[str]) -> list[asyncssh.SSHCertificate]:
    try:
        return list(asyncssh.load_certificates(path))
    except (OSError, asyncssh.KeyImportError, ValueError) as error:
        passed_over.append(f"{path} ({_why(error)})")
        return []


def _why(error: Exception) -> str:
    if isinstance(error, asyncssh.KeyEncryptionError) or "assphrase" in str(error):
        return "locked by a passphrase"
    return getattr(error, "strerror", None) or str(error)


def _unusable(path: str, error: Exception) -> UsageError:
    """Return the error for a key that was asked for and cannot be used."""
    if _why(error) == "locked by a passphrase":
        return UsageError(
            f"the private key {path} is locked by a passphrase",
            hint="unlock it once with ssh-add",
        )
    return UsageError(
        f"the key {path} cannot be read: {_why(error)}",
        hint="choose another key, or none: batchio also tries your ssh-agent and the usual files",
    )
