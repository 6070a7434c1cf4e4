"""How SSH connections are opened: the way to the host, the handshake, limits of time.

A host key is never taken on faith: it stands in the known-hosts files, or in the target itself,
or the connection is refused. Imported only when there is a host to connect to: asyncssh
takes a third of a second to load.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import asyncssh

from batchio.errors import UsageError
from batchio.transports._ssh_errors import NoAnswer, ProxyFailed, explain
from batchio.transports._ssh_jump import Passage, passage
from batchio.transports._ssh_login import Login, SshTarget, arguments, login_for
from batchio.transports._ssh_proxy import Proxy
from batchio.transports.ssh_config import HostConfig, read_config, read_config_without_ssh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HANDSHAKES: Final = 16
"""Most handshakes at once in this process: each costs both sides milliseconds of CPU, and
more at a time only make the last ones miss their limit.
"""

_BRISK_S: Final = 2.0
"""Seconds after which a login is taken to wait for its host, and no longer delays others."""

_DEEPEST: Final = 8
"""Most jump hosts in a row; more must be a circle."""

_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

_OURS: Final = HostConfig({"identityagent": ("none",)})
"""The configuration of a node that we made ourselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of time of one connection, in seconds.

    Attributes:
        connect: Until the host takes a TCP connection; ConnectTimeout, where it is said.
        login: From then until commands can be run; ConnectTimeout, where that is longer.
        keepalive: Between two questions whether the other side is there; after the
            third without an answer the connection is lost.
    """

    connect: float = 10.0
    login: float = 60.0
    keepalive: float = 4.5


class Client(asyncssh.SSHClient):
    """A client of asyncssh that remembers what one connection was told."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._proxy: Proxy | None = None
        self._lost = False
        self.ended: Exception | None = None

    def owns(self, proxy: Proxy | None) -> None:
        """Make the ProxyCommand end when the connection ends."""
        self._proxy = proxy
        if self._lost and proxy is not None:
            proxy.close()

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Record a key that is not trusted, and refuse it."""
        self._login.shown = key
        return False

    def public_key_auth_requested(self) -> None:
        """Record that the server accepts keys; all of ours have been refused."""
        self._login.methods.append("publickey")

    def kbdint_auth_requested(self) -> None:
        """Record that the server asks questions, as for a second factor."""
        self._login.methods.append("keyboard-interactive")

    def password_auth_requested(self) -> None:
        """Record that the server accepts passwords."""
        self._login.methods.append("password")

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end, which comes once; `exc` is None when it was closed on purpose."""
        self.ended, self._lost = exc, True
        if self._proxy is not None:
            self._proxy.close()


async def connect(
    target: SshTarget,
    limits: Limits | None = None,
    via: Passage | None = None,
    depth: int = 0,
    host_config: HostConfig | None = None,
) -> tuple[asyncssh.SSHClientConnection, Client]:
    """Open one authenticated connection, after those to its jump hosts, by the same rules.

    Args:
        target: The host.
        limits: None: the usual ones, and what the configuration says.
        via: The passage through a jump host; it is closed with the new connection.
        depth: How many jump hosts are on the way already.
        host_config: What the configuration says, when it has been read already.

    Raises:
        Unreachable: no answer in time, or it hung up.
        NotAuthorised: a key or the user was refused, ours or the host's.
        Unfit: nothing in common with its SSH server.
        NodeError: no such host, or its ProxyCommand cannot be run.
        UsageError: the OpenSSH configuration or a key file cannot be used.
    """
    login = None
    try:
        login = await login_for(target, host_config or await _configuration(target))
        bounds = limits or limits_of(login.host_config)
        if via is not None or not login.jumps:
            return await _log_in(login, bounds, via)
        while True:
            via = await _through(_way(login, depth), limits, depth)
            try:
                return await _log_in(login, bounds, via)
            except asyncssh.ChannelOpenError as error:
                if via is None or not via.refuses_more(error):
                    raise
                via.close()
    except (asyncssh.Error, OSError, ValueError) as error:
        _close(via)
        if login is None:
            raise UsageError(str(error), where=target.where) from error
        raise explain(error, login, bounds) from error
    except BaseException:
        _close(via)
        raise
    finally:
        if login is not None:
            login.keys.close()


def _close(via: Passage | None) -> None:
    if via is not None:
        via.close()


async def _configuration(target: SshTarget) -> HostConfig:
    """Return what OpenSSH's configuration says of a host; nothing for a node that we made."""
    if target.pinned is not None:
        return _OURS
    question = (target.host, target.port, target.user)
    return await read_config(*question, target.where) or read_config_without_ssh(*question)


def limits_of(host_config: HostConfig) -> Limits:
    """Return the limits of a login: ours, and what `ConnectTimeout` says."""
    seconds = host_config.one("connecttimeout")
    usual = Limits()
    if not seconds.isdigit() or seconds == "0":
        return usual
    return replace(usual, connect=float(seconds), login=max(float(seconds), usual.login))


async def _log_in(
    login: Login, limits: Limits, via: Passage | None
) -> tuple[asyncssh.SSHClientConnection, Client]:
    """Log in; when the ssh-agent does not sign what it should, once more without it."""
    try:
        return await _handshake(login, limits, via)
    except ValueError:
        if login.keys.agent is None:
            raise
        login.keys.forget_agent()
        return await _handshake(login, limits, via)


async def _handshake(
    login: Login, limits: Limits, via: Passage | None
) -> tuple[asyncssh.SSHClientConnection, Client]:
    told = arguments(login) | {
        "connect_timeout": None,  # ours hold: see Limits
        "login_timeout": limits.login,
        "keepalive_interval": limits.keepalive,
        "keepalive_count_max": 2,
    }
    proxy, sock = None, None
    if via is None and login.proxy:
        proxy = Proxy(login.proxy)
        sock = proxy.sock
    elif via is None:
        sock = await _dial(login, limits.connect)
    client = Client(login)
    try:
        async with _gate(), asyncio.timeout(limits.login):
            connection = await asyncssh.connect(
                login.host,
                login.port,
                sock=sock,
                tunnel=via.connection if via else (),
                client_factory=lambda: client,
                **told,
            )
    except BaseException as error:
        if sock is not None:
            sock.close()
        if proxy is None:
            raise
        code, words = proxy.verdict()
        proxy.close()
        if code is None or not isinstance(error, asyncssh.Error | OSError):
            raise
        raise ProxyFailed(proxy.command, code, words) from error
    if via is not None:
        connection.set_tunnel(via)  # it is left with us
    client.owns(proxy)
    return connection, client


@contextlib.asynccontextmanager
async def _gate() -> AsyncIterator[None]:
    """Hold one of the places for handshakes, until the end or for `_BRISK_S` seconds."""
    loop = asyncio.get_running_loop()
    gate = _gates.setdefault(loop, asyncio.Semaphore(HANDSHAKES))
    await gate.acquire()
    early = loop.call_later(_BRISK_S, gate.release)
    try:
        yield
    finally:
        if early.when() > loop.time():
            early.cancel()
            gate.release()


async def _dial(login: Login, limit: float) -> socket.socket:
    """Open a TCP connection to the first of the host's addresses that accepts one."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        login.host, login.port, family=login.family, type=socket.SOCK_STREAM
    )
    failure: Exception = NoAnswer()
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            _bind(sock, login.host_config)
            async with asyncio.timeout(limit / len(found)):
                await loop.sock_connect(sock, address)
        except TimeoutError:
            sock.close()
            failure = NoAnswer()
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _bind(sock: socket.socket, host_config: HostConfig) -> None:
    if address := host_config.one("bindaddress"):
        sock.bind((address, 0))
    if (interface := host_config.one("bindinterface")) and hasattr(socket, "SO_BINDTODEVICE"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")


def _way(login: Login, depth: int) -> tuple[SshTarget, ...]:
    """Return the jump hosts in their order; none where the only one is the host itself."""
    target = login.target
    if depth > _DEEPEST:
        raise UsageError("ProxyJump leads in a circle", where=target.where)
    hops = []
    for hop in login.jumps.split(","):
        user, _, place = hop.removeprefix("ssh://").rstrip("/").rpartition("@")
        host, port = _split_port(place)
        if host not in (target.host, login.host):
            hops.append(SshTarget(host, user or None, port))
    return tuple(hops)


async def _through(way: tuple[SshTarget, ...], limits: Limits | None, depth: int) -> Passage | None:
    """Return a passage through the last of some jump hosts, which is reached through the others.

    None: there are none.
    """
    if not way:
        return None

    async def open_jump() -> asyncssh.SSHClientConnection:
        before = await _through(way[:-1], limits, depth)
        return (await connect(way[-1], limits, before, depth + 1))[0]

    # The depth tells a circle of jump hosts from a connection to wait for.
    return await passage((way, limits, depth), open_jump)


def _split_port(place: str) -> tuple[str, int | None]:
    host, colon, port = place.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return place.strip("[]"), None
