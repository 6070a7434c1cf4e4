"""Errors of connecting: what asyncssh and the system raise, as errors that name the remedy."""

from __future__ import annotations

import os
import shlex
import socket
from typing import TYPE_CHECKING, Final

import asyncssh

from batchio.errors import NodeError, NotAuthorised, Unfit, Unreachable

if TYPE_CHECKING:
    from batchio.transports._ssh_connect import Limits
    from batchio.transports._ssh_login import Login

_NO_PROGRAM: Final = (126, 127)
"""Exit codes of a shell that cannot run a command."""

_ONLY_PEOPLE: Final = frozenset(("keyboard-interactive", "password"))
_LAX: Final = {"no": "no", "off": "no", "false": "no", "accept-new": "accept-new"}
"""Values of StrictHostKeyChecking that take keys on faith, as people write them."""


class NoAnswer(TimeoutError):
    """The host's port gave no answer."""


class ProxyFailed(OSError):
    """The ProxyCommand ended before there was a login."""

    def __init__(self, command: str, code: int, said: str) -> None:
        super().__init__(f"its ProxyCommand ended with exit code {code}: {said or command}")
        self.command = command
        self.code = code


def explain(error: Exception, login: Login, limits: Limits) -> NodeError:
    """Return an error of asyncssh or the system as one of ours, which names host and remedy."""
    where, port = login.target.where, login.port
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _bad_host_key(error, login)
        case asyncssh.PermissionDenied():
            return _refused(login)
        case asyncssh.KeyExchangeFailed() | asyncssh.ProtocolNotSupported():
            return Unfit(
                f"its SSH server supports none of our algorithms: {error.reason}", where=where
            )
        case asyncssh.DisconnectError() if "authentication failures" in error.reason:
            return NotAuthorised(
                f"user {login.user} was refused after too many keys",
                where=where,
                hint="set the right one: IdentityFile and IdentitiesOnly yes in ~/.ssh/config",
            )
        case socket.gaierror(errno=socket.EAI_NONAME):
            return NodeError(
                f"its name cannot be looked up ({error.strerror})",
                where=where,
                hint="check its name, or add it to ~/.ssh/config",
            )
        case socket.gaierror():
            return Unreachable(f"its name cannot be looked up ({error.strerror})", where=where)
        case ProxyFailed() if error.code in _NO_PROGRAM:
            hint = f"check ProxyCommand in ~/.ssh/config: {error.command}"
            return NodeError(str(error), where=where, hint=hint)
        case ProxyFailed():
            return Unreachable(str(error), where=where)
        case NoAnswer():
            return Unreachable(
                f"no answer from {login.host} port {port} within {limits.connect:g} s",
                where=where,
                hint="if it is only slow, raise ConnectTimeout in ~/.ssh/config",
            )
        case TimeoutError():
            return Unreachable(
                f"{login.host} port {port} is open, but there was no SSH login "
                f"within {limits.login:g} s",
                where=where,
                hint="if it is only slow, raise ConnectTimeout in ~/.ssh/config",
            )
        case asyncssh.DisconnectError() | asyncssh.ChannelOpenError():
            return Unreachable(f"it closed the connection ({error.reason})", where=where)
        case _:
            number = getattr(error, "errno", None)
            why = os.strerror(number) if number else error
            return Unreachable(f"cannot connect to port {port} ({why})", where=where)


def _refused(login: Login) -> NotAuthorised:
    methods = list(dict.fromkeys(login.methods))
    takes = f"it accepts {', '.join(methods)}" if methods else "it accepts nothing we have"
    passed_over = login.keys.passed_over
    why = f"{takes}; skipped: {', '.join(passed_over)}" if passed_over else takes
    hint = (
        f"this must work first: ssh -o BatchMode=yes -o ControlPath=none {_ssh_words(login)} true"
    )
    if methods and _ONLY_PEOPLE.issuperset(methods):
        hint = f"batchio cannot type passwords or codes, so you need an SSH key there; {hint}"
    return NotAuthorised(
        f"user {login.user} was refused ({why})", where=login.target.where, hint=hint
    )


# -- host keys -----------------------------------------------------------------------------


def _bad_host_key(error: asyncssh.DisconnectError, login: Login) -> NotAuthorised:
    where = login.target.where
    shown = fingerprint(login.shown) if login.shown else error.reason
    if login.target.pinned is not None:
        return NotAuthorised(
            f"its host key is not the one it was created with: {shown}",
            where=where,
            hint="this is not the computer that was started, so nothing was sent to it",
        )
    if "revoked" in error.reason:
        return NotAuthorised(
            "its host key is revoked: somebody else may have it and pretend to be this host",
            where=where,
            hint="do not accept it; the administrator of the host has to create a new key",
        )
    if login.known.keys:
        known = ", ".join(dict.fromkeys(map(fingerprint, login.known.keys)))
        return NotAuthorised(
            f"its host key has changed: it is {shown}, but {known} is known",
            where=where,
            hint=f"if this change is expected: {_forget(login)}, then {_accept(login)}",
        )
    return NotAuthorised(
        f"its host key is not known: {shown}", where=where, hint=_how_to_know(login)
    )


def _how_to_know(login: Login) -> str:
    """Return what to type so that the host's key becomes known."""
    lax = _LAX.get(login.host_config.one("stricthostkeychecking"))
    note = f" (StrictHostKeyChecking {lax} is not followed)" if lax else ""
    file = _kept_in(login)
    if not file:
        name = login.host_config.one("userknownhostsfile", "none")
        return (
            f"its configuration stores no host keys (UserKnownHostsFile {name}): set a file "
            f"there, then {_accept(login)}{note}"
        )
    direct = not (login.alias or login.jumps or login.proxy)
    scan = login.host if login.port == 22 else f"-p {login.port} {login.host}"
    other = f", or: ssh-keyscan {scan} >> {file}" if direct else ""
    return f"{_accept(login)} to accept its key{other}{note}"


def _accept(login: Login) -> str:
    strict = login.host_config.one("stricthostkeychecking") in ("yes", "true")
    ask = "-o StrictHostKeyChecking=ask " if strict else ""
    return f"ssh {ask}{_ssh_words(login)} once"


def _forget(login: Login) -> str:
    name = login.alias or (login.host if login.port == 22 else f"[{login.host}]:{login.port}")
    file = _kept_in(login)
    return f"ssh-keygen -R '{name}'" + ("" if file in ("", _USUAL) else f" -f {file}")


_USUAL: Final = "~/.ssh/known_hosts"


def _kept_in(login: Login) -> str:
    """Return the file into which ssh writes host keys, as people write it; empty: none."""
    files = login.host_config.files("userknownhostsfile")
    if not files or files[0] == os.devnull:
        return ""
    path, home = login.expand(files[0]), f"{login.host_config.home}/"
    return f"~/{path.removeprefix(home)}" if path.startswith(home) else shlex.quote(path)


def fingerprint(key: asyncssh.SSHKey) -> str:
    """Return a key's fingerprint as ssh-keygen -l names it."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _ssh_words(login: Login) -> str:
    """Return what to type after `ssh` to reach the same host."""
    target = login.target
    words = [f"-i {shlex.quote(key)}" for key in target.keys if isinstance(key, str)]
    words += [f"-p {login.port}"] if target.port else []
    return " ".join([*words, f"{target.user}@{target.host}" if target.user else target.host])
