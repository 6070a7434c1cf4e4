"""Opens SSH connections: OpenSSH's configuration, host keys, limits, and errors by remedy.

A host key is never taken on faith: it stands in `known_hosts`, or in the target itself,
or the connection is refused. Imported only when there is a host to connect to: asyncssh
takes a third of a second to load.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import asyncssh

from batchio.errors import UsageError
from batchio.transports._ssh_config import config_files, config_for
from batchio.transports._ssh_errors import explain, unusable

if TYPE_CHECKING:
    from collections.abc import Iterable

HANDSHAKES: Final = 16
"""Handshakes at once in this process: each costs both sides milliseconds of CPU, and
more at a time only make the last ones miss their limit."""

_CIPHERS: Final = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Measured for asyncssh against OpenSSH 9.2: 1.7 times as fast as the default, chacha20."""

_HOST_KEYS: Final = "+ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256"
"""After those that the host is known by. Only so does a host show a key of another kind,
and we can say what it shows; it is refused all the same."""

_DEEPEST: Final = 8
"""Jump hosts in a row before it must be a circle."""

_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""One configuration at a time is read: several threads of that would leave the loop, and so
the first handshakes, little of the interpreter."""


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A host to reach. What is None is left to the user's OpenSSH configuration.

    Attributes:
        host: A name, an address, or an alias of `~/.ssh/config`.
        keys: Private keys to offer: paths, or the text of one as bytes.
        pinned: Lines of `known_hosts` that are all there is to trust, for a node that we
            made ourselves. Configuration, agent and default keys are then not looked at.
        name: What people call it in messages; empty: `host`.
    """

    host: str
    user: str | None = None
    port: int | None = None
    keys: tuple[str | bytes, ...] = ()
    pinned: str | None = None
    name: str = ""

    @property
    def where(self) -> str:
        """Its name in messages."""
        return self.name or self.host


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds.

    Attributes:
        connect: Until the host takes a TCP connection.
        login: From then until commands can be run.
        keepalive: Between two questions whether the other side is there; after the
            third without an answer the connection is lost.
    """

    connect: float = 10.0
    login: float = 20.0
    keepalive: float = 4.5


@dataclass(slots=True)
class Trust:
    """Which host keys are accepted for one connection, and what was shown instead.

    asyncssh calls it with the host's name, address and port, and takes the keys.
    """

    hosts: asyncssh.SSHKnownHosts
    known: tuple[asyncssh.SSHKey, ...] = ()
    shown: asyncssh.SSHKey | None = None

    def __call__(self, host: str, address: str, port: int | None) -> Any:
        matched = self.hosts.match(host, address, port)
        self.known = tuple(matched[0])
        return matched


class Client(asyncssh.SSHClient):
    """Remembers what one connection was told."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.ended: Exception | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Called for a key that is not trusted; it stays so."""
        self._trust.shown = key
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once at the end; `exc` is None when it was closed on purpose."""
        self.ended = exc


async def connect(
    target: SshTarget,
    limits: Limits,
    via: asyncssh.SSHClientConnection | None = None,
    depth: int = 0,
) -> tuple[asyncssh.SSHClientConnection, Client]:
    """One authenticated connection; jump hosts are connected to first, by the same rules.

    Raises:
        Unreachable: no answer in time, or it hung up.
        NotAuthorised: a key or the user was refused, ours or the host's.
        Unfit: nothing in common with its SSH server.
        UsageError: the OpenSSH configuration or a key file cannot be used.
    """
    trust = Trust(asyncssh.SSHKnownHosts())
    client = Client(trust)
    asked = _asked(target, limits, trust, client)
    try:
        async with _desks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            options = await _settled(asked)
    except (asyncssh.KeyImportError, asyncssh.ConfigParseError, ValueError, OSError) as error:
        raise unusable(target, error) from error
    trust.hosts = (
        asyncssh.import_known_hosts(target.pinned)
        if target.pinned is not None
        else known_hosts(*_known_hosts_files(options.config))
    )
    if via is None and isinstance(options.tunnel, str) and options.tunnel != "none":
        via = await _through(options.tunnel, target, options, limits, depth)
    try:
        return await _log_in(target, options, limits, via), client
    except (asyncssh.Error, OSError, TimeoutError) as error:
        if via is not None:
            via.abort()
        raise explain(error, target, options, limits, trust) from error
    except BaseException:
        if via is not None:
            via.abort()
        raise


async def _log_in(
    target: SshTarget, options: Any, limits: Limits, via: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """The connection itself. A host that does not answer never holds up a handshake."""
    sock = None
    again = options.canonicalize_hostname or options.config.has_match_final()
    config = config_files() if again else []  # what was read is kept in `options`
    proxy = None if options.proxy_command == ["none"] else options.proxy_command
    if via is None and not proxy and not options.canonicalize_hostname:
        sock = await _dial(options, limits.connect)
    try:
        gate = _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(HANDSHAKES))
        async with gate, asyncio.timeout(limits.login):
            connection = await asyncssh.connect(
                target.host,
                target.port or (),
                options=options,
                config=config,
                sock=sock,
                tunnel=via,
                proxy_command=proxy,
            )
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    if via is not None:
        connection.set_tunnel(via)  # it closes with us
    return connection


async def _dial(options: Any, limit: float) -> socket.socket:
    """A TCP connection to the first of the host's addresses that takes one."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        options.host, options.port, family=options.family, type=socket.SOCK_STREAM
    )
    failure: Exception = TimeoutError()
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            if options.local_addr:
                sock.bind(options.local_addr)
            async with asyncio.timeout(limit / len(found)):
                await loop.sock_connect(sock, address)
        except (OSError, TimeoutError) as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _through(
    jumps: str, target: SshTarget, options: Any, limits: Limits, depth: int
) -> asyncssh.SSHClientConnection | None:
    """The connection to the last of the jump hosts; None where the only one is the host itself."""
    if depth > _DEEPEST:
        raise UsageError("ProxyJump goes round in a circle", where=target.where)
    via = None
    for hop in jumps.split(","):
        user, _, place = hop.removeprefix("ssh://").rpartition("@")
        host, port = _split_port(place)
        if host in (target.host, options.host):
            continue
        jump = SshTarget(host, user or None, port)
        via, _ = await connect(jump, limits, via, depth + 1)
    return via


def _split_port(place: str) -> tuple[str, int | None]:
    host, colon, port = place.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return place.strip("[]"), None


def _asked(target: SshTarget, limits: Limits, trust: Trust, client: Client) -> dict[str, Any]:
    """What we tell asyncssh; everything else is the user's configuration or its default."""
    asked: dict[str, Any] = {
        "host": target.host,
        "known_hosts": trust,
        "client_factory": lambda: client,
        "encryption_algs": _CIPHERS,
        "server_host_key_algs": _HOST_KEYS,
        "connect_timeout": None,  # ours hold: see Limits
        "login_timeout": limits.login,
        "keepalive_interval": limits.keepalive,
        "keepalive_count_max": 2,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "request_pty": False,
        "command": None,
    }
    if target.user is not None:
        asked["username"] = target.user
    if target.port is not None:
        asked["port"] = target.port
    if target.keys:
        asked["client_keys"] = [_key(key) for key in target.keys]
    if target.pinned is not None:
        asked |= {"config": [], "agent_path": None}
        asked.setdefault("client_keys", None)
    return asked


async def _settled(asked: dict[str, Any]) -> Any:
    """asyncssh's options. It reads files for them, in a thread of its own.

    A key that the configuration names and that is not there is passed over, as ssh does.
    """
    construct = asyncssh.SSHClientConnectionOptions.construct
    if "config" in asked:
        return await construct(None, **asked)
    with config_for(asked["host"]) as files:
        try:
            return await construct(None, **asked, config=files)
        except FileNotFoundError:
            if "client_keys" in asked:
                raise
            config = (await construct(None, **asked, config=files, client_keys=None)).config
            keys = _there(config.get("IdentityFile", ()))
            return await construct(
                None, **asked, config=files, client_keys=keys, ignore_encrypted=True
            )
        except asyncssh.ConfigParseError:  # that should name the file, not our copy of it
            return await construct(None, **asked, config=config_files())


def _there(paths: Iterable[str]) -> list[str]:
    """Those that exist."""
    return [path for path in map(os.path.expanduser, paths) if os.path.exists(path)]


def _key(key: str | bytes) -> Any:
    if isinstance(key, bytes):
        return asyncssh.import_private_key(key)
    return str(Path(key).expanduser())


# -- host keys -----------------------------------------------------------------------------


def _known_hosts_files(config: Any) -> list[Path]:
    """Where the user's configuration says that host keys are, or OpenSSH's own places."""
    users = config.get("UserKnownHostsFile", ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"])
    everybodys = config.get("GlobalKnownHostsFile", ["/etc/ssh/ssh_known_hosts"])
    return [Path(name).expanduser() for name in [*users, *everybodys]]


def known_hosts(*paths: Path) -> asyncssh.SSHKnownHosts:
    """The keys in these files; one that is missing holds none. Parsed again when changed."""
    stamps = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        stamps.append((str(path), status.st_mtime_ns, status.st_size))
    return _parse_known_hosts(tuple(stamps))


@functools.lru_cache(maxsize=8)
def _parse_known_hosts(files: tuple[tuple[str, int, int], ...]) -> asyncssh.SSHKnownHosts:
    """As OpenSSH reads them: a line that makes no sense is passed over."""
    hosts = asyncssh.SSHKnownHosts()
    for name, _, _ in files:
        try:
            text = Path(name).read_text("utf-8", "replace")
        except OSError:
            continue
        for line in text.splitlines():
            try:
                hosts.load(line)
            except ValueError:
                continue
    return hosts
