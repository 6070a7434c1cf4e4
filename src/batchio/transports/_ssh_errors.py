"""What asyncssh and the system say when connecting fails, as errors that name the remedy."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import asyncssh

from batchio.errors import NodeError, NotAuthorised, Unfit, Unreachable, UsageError

if TYPE_CHECKING:
    from batchio.transports._ssh_connect import Limits, SshTarget, Trust


def explain(
    error: Exception, target: SshTarget, options: Any, limits: Limits, trust: Trust
) -> NodeError:
    """What asyncssh or the system said, as an error that names host and remedy."""
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _bad_host_key(error, target, options, trust)
        case asyncssh.PermissionDenied():
            return NotAuthorised(
                f"user {options.username} was refused ({error.reason})",
                where=target.where,
                hint="this must work first: "
                f"ssh -o BatchMode=yes {_ssh_words(target, options)} true",
            )
        case asyncssh.KeyExchangeFailed() | asyncssh.ProtocolNotSupported():
            return Unfit(
                f"its SSH server and we share no algorithm: {error.reason}", where=target.where
            )
        case asyncssh.DisconnectError() if "authentication failures" in error.reason:
            return NotAuthorised(
                f"user {options.username} was refused after too many keys",
                where=target.where,
                hint="name the right one: IdentityFile and IdentitiesOnly yes in ~/.ssh/config",
            )
        case socket.gaierror():
            return Unreachable(
                f"no such host ({error.strerror})",
                where=target.where,
                hint="check its name, or add it to ~/.ssh/config",
            )
        case TimeoutError():
            return Unreachable(
                f"no answer from {options.host} port {options.port} "
                f"within {limits.connect:g} s, or no SSH login within {limits.login:g} s",
                where=target.where,
            )
        case asyncssh.DisconnectError() | asyncssh.ChannelOpenError():
            return Unreachable(f"it hung up ({error.reason})", where=target.where)
        case _:
            number = getattr(error, "errno", None)
            why = os.strerror(number) if number else error
            return Unreachable(f"cannot connect to port {options.port} ({why})", where=target.where)


def _bad_host_key(
    error: asyncssh.DisconnectError, target: SshTarget, options: Any, trust: Trust
) -> NotAuthorised:
    shown = fingerprint(trust.shown) if trust.shown else error.reason
    name = options.host if options.port == 22 else f"[{options.host}]:{options.port}"
    if target.pinned is not None:
        return NotAuthorised(
            f"it shows another host key than the one it was made with: {shown}",
            where=target.where,
            hint="this is not the computer that was started; nothing was sent to it",
        )
    if trust.known:
        known = ", ".join(dict.fromkeys(map(fingerprint, trust.known)))
        return NotAuthorised(
            f"its host key has changed: it shows {shown}, known is {known}",
            where=target.where,
            hint=f"if that is right: ssh-keygen -R '{name}', then ssh to it once",
        )
    scan = options.host if options.port == 22 else f"-p {options.port} {options.host}"
    return NotAuthorised(
        f"its host key is not known: {shown}",
        where=target.where,
        hint=f"ssh {_ssh_words(target, options)} once to accept its key, "
        f"or: ssh-keyscan {scan} >> ~/.ssh/known_hosts",
    )


def fingerprint(key: asyncssh.SSHKey) -> str:
    """As ssh-keygen -l names it."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _ssh_words(target: SshTarget, options: Any) -> str:
    """What to type after `ssh` to reach the same host."""
    words = f"{target.user}@{target.host}" if target.user else target.host
    return f"-p {options.port} {words}" if target.port else words


def unusable(target: SshTarget, error: Exception) -> UsageError:
    """A configuration or key that cannot be used."""
    if isinstance(error, asyncssh.KeyEncryptionError):
        return UsageError(
            "the private key is locked by a passphrase",
            where=target.where,
            hint="unlock it once with ssh-add, and leave the key out",
        )
    if isinstance(error, OSError) and error.filename:
        return UsageError(
            f"the key {error.filename} cannot be read: {error.strerror}",
            where=target.where,
            hint="name another one, or none: your ssh-agent and OpenSSH's own places are asked too",
        )
    where = "~/.ssh/config" if isinstance(error, asyncssh.ConfigParseError) else target.where
    return UsageError(str(error), where=where)
