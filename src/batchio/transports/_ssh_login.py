"""One login, decided: where, as whom, with which keys and algorithms, trusting which host keys.

The configuration's words become arguments of asyncssh, which reads no configuration itself.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from asyncssh.encryption import get_default_encryption_algs, get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import (
    get_certificate_algs,
    get_default_public_key_algs,
    get_public_key_algs,
)

from batchio.errors import UsageError
from batchio.transports._ssh_keys import Keys, keys_for
from batchio.transports._ssh_known import Known, KnownHosts, known_hosts, revoked_keys
from batchio.transports.ssh_config import login_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncssh

    from batchio.transports.ssh_config import HostConfig

_FAST: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""The fastest ciphers of asyncssh against OpenSSH 9.2: 1.7 times the default, chacha20."""

_USUAL_CIPHERS: Final = frozenset(
    ("chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", *_FAST)
)
"""The ciphers that OpenSSH 6.7 to 10 offers without `Ciphers`, in one order or another."""

_TOKEN: Final = re.compile(r"%(.)|\$\{(\w+)\}")
_FAMILIES: Final = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A host to reach. What is None is left to the user's OpenSSH configuration.

    Attributes:
        host: A name, an address, or an alias of `~/.ssh/config`.
        keys: Private keys to offer: paths, or the text of one as bytes.
        pinned: Lines of `known_hosts` that are all there is to trust, for a node that we
            made ourselves. Configuration, agent and default keys are then not looked at.
        name: What people call it in messages; empty: `host`.
        python: Path of a Python on the host; empty: where it usually is.
        work: Folder on the host for batchio's files; empty: the usual one.
    """

    host: str
    user: str | None = None
    port: int | None = None
    keys: tuple[str | bytes, ...] = ()
    pinned: str | None = None
    name: str = ""
    python: str = ""
    work: str = ""

    @property
    def where(self) -> str:
        """The host's name in messages."""
        return self.name or self.host


@dataclass(slots=True)
class Login:
    """One login, with the server's answers, for the error should it fail.

    Attributes:
        trust_files: The known-hosts files that are used, the user's first.
        shown: The host's key, when it is not one of `known`.
        methods: How the server would let us in, as far as it was asked.
    """

    target: SshTarget
    host_config: HostConfig
    host: str
    port: int
    user: str
    trust_files: list[str] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    keys: Keys = field(default_factory=Keys)
    shown: asyncssh.SSHKey | None = None
    methods: list[str] = field(default_factory=list)

    @property
    def alias(self) -> str:
        """The name under which the host's key is known, if that is not its own."""
        return self.host_config.one("hostkeyalias")

    @property
    def jumps(self) -> str:
        """`ProxyJump`: the hosts to go through, joined by commas."""
        return self.host_config.one("proxyjump")

    @property
    def proxy(self) -> str:
        """`ProxyCommand`, expanded; a shell is to run it."""
        return self.expand(self.host_config.one("proxycommand"), variables=False)

    @property
    def family(self) -> int:
        """`AddressFamily`, for getaddrinfo."""
        return _FAMILIES.get(self.host_config.one("addressfamily"), socket.AF_UNSPEC)

    def expand(self, text: str, *, variables: bool = True) -> str:
        """Replace the tokens of ssh_config(5), and `${NAME}` where it may stand."""
        if "%" not in text and "$" not in text:
            return text
        tokens = self._tokens()

        def replaced(found: re.Match[str]) -> str:
            if found[1]:
                return tokens.get(found[1], found[0])
            return os.environ.get(found[2], "") if variables else found[0]

        return _TOKEN.sub(replaced, text)

    def _tokens(self) -> Mapping[str, str]:
        here, user, port = socket.gethostname(), login_name(), str(self.port)
        jumps = self.jumps
        digest = hashlib.sha1(  # %C of ssh_config(5)
            f"{here}{self.host}{port}{self.user}{jumps}".encode(), usedforsecurity=False
        )
        return {
            "%": "%", "C": digest.hexdigest(), "d": self.host_config.home, "h": self.host,
            "i": str(os.getuid()), "j": jumps, "k": self.alias or self.target.host,
            "L": here.partition(".")[0], "l": here, "n": self.target.host, "p": port,
            "r": self.user, "u": user,
        }  # fmt: skip


async def login_for(target: SshTarget, host_config: HostConfig) -> Login:
    """Decide a login: read the keys and the known hosts that the configuration names.

    Raises:
        UsageError: a key that was asked for, or the configuration, cannot be used; this user has no
            name.
    """
    me = login_name()
    host = host_config.one("hostname", target.host)
    port = target.port or int(host_config.one("port", "22"))
    user = target.user or host_config.one("user") or me
    login = Login(target, host_config, host, port, user)
    if target.pinned is not None:
        trusted = KnownHosts(target.pinned)
        login.keys = await keys_for(host_config, target.keys, (), [])
    else:
        words = ("userknownhostsfile", "globalknownhostsfile")
        login.trust_files = [
            login.expand(path)
            for word in words
            for path in host_config.files(word)
            if path != "none"
        ]
        trusted = known_hosts(login.trust_files)
        login.keys = await keys_for(
            host_config,
            target.keys,
            _paths(login, "identityfile"),
            list(_paths(login, "certificatefile")),
        )
    login.known = _without_revoked(login, trusted.about(login.alias or host, *_port(login)))
    return login


def _port(login: Login) -> tuple[int, ...]:
    return () if login.alias else (login.port,)


def _paths(login: Login, keyword: str) -> Iterable[str]:
    return (login.expand(login.host_config.path(path)) for path in login.host_config.every(keyword))


def _without_revoked(login: Login, known: Known) -> Known:
    """Return the known keys with those of `RevokedHostKeys` as revoked."""
    path = login.expand(login.host_config.path(login.host_config.one("revokedhostkeys")))
    if not path:
        return known
    try:
        return Known(known.keys, known.authorities, known.revoked + revoked_keys(path))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"RevokedHostKeys {path} cannot be read ({why}), so no host key can be trusted",
            where=login.target.where,
            hint="use a file with one public key per line, as ssh does",
        ) from error


# -- as asyncssh wants it ------------------------------------------------------------------


def arguments(login: Login) -> dict[str, Any]:
    """Return the arguments of asyncssh for a login, but for connecting and time limits."""
    host_config, target = login.host_config, login.target
    told: dict[str, Any] = {
        "config": [],
        "username": login.user,
        "client_keys": login.keys.pairs or None,
        "agent_path": None,
        "known_hosts": lambda *_: (
            login.known.keys, login.known.authorities, login.known.revoked, (), (), (), ()
        ),
        "host_key_alias": login.alias or None,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "request_pty": False,
        "command": None,
        "server_host_key_algs": _host_key_algorithms(login),
        "encryption_algs": _ciphers(login),
        "compression_algs": "zlib@openssh.com,zlib,none"
        if host_config.yes("compression")
        else "none",
    }  # fmt: skip
    for argument, keyword, known in (
        ("kex_algs", "kexalgorithms", get_kex_algs),
        ("mac_algs", "macs", get_mac_algs),
    ):
        if found := _chosen(login, keyword, tuple(_words(known()))):
            told[argument] = found
    if target.pinned is not None:
        return told
    if host_config.said:
        told |= {
            "public_key_auth": host_config.one("pubkeyauthentication", "yes")
            not in ("no", "false"),
            "host_based_auth": host_config.yes("hostbasedauthentication"),
            "gss_auth": host_config.yes("gssapiauthentication"),
            "gss_kex": host_config.yes("gssapikeyexchange"),
            "gss_delegate_creds": host_config.yes("gssapidelegatecredentials"),
        }
    if methods := host_config.one("preferredauthentications"):
        told["preferred_auth"] = methods
    if (library := host_config.one("pkcs11provider")) and login.keys.pairs:
        told["pkcs11_provider"] = library
    if environment := host_config.every("setenv"):
        told["env"] = dict(pair.split("=", 1) for pair in environment if "=" in pair)
    if patterns := host_config.every("sendenv"):
        told["send_env"] = [word for value in patterns for word in value.split()]
    return told


def _host_key_algorithms(login: Login) -> list[str]:
    """Return the algorithms of keys that are known, then the others.

    Only so does a host show a key of another kind, and we can say what it shows; it is refused
    all the same.
    """
    certified, plain = tuple(_words(get_certificate_algs())), tuple(_words(get_public_key_algs()))
    usual = (*certified, *_words(get_default_public_key_algs()))
    allowed = _chosen(login, "hostkeyalgorithms", (*certified, *plain)) or usual
    known = [name for key in login.known.keys for name in _words(key.sig_algorithms)]
    wanted = [name for name in allowed if login.known.authorities and name in certified]
    wanted += [name for name in known if name in allowed]
    wanted += [name for name in allowed if name not in certified]
    return list(dict.fromkeys(wanted))


def _ciphers(login: Login) -> list[str]:
    """Return the configured ciphers; the fastest first where none were configured."""
    known = tuple(_words(get_encryption_algs()))
    chosen = _chosen(login, "ciphers", known)
    if chosen and set(login.host_config.one("ciphers").split(",")) != _USUAL_CIPHERS:
        return list(chosen)
    usual = chosen or tuple(_words(get_default_encryption_algs()))
    return list(dict.fromkeys([*_FAST, *usual]))


def _chosen(login: Login, keyword: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the configured algorithms that asyncssh knows as well; empty: none are configured."""
    said = login.host_config.one(keyword)
    if said.startswith(("+", "-", "^")):  # as it was typed, for no ssh has resolved it
        return ()
    found = _both(said, known)
    if said and not found:
        raise UsageError(
            f"batchio supports none of the {keyword} that its configuration allows: {said}",
            where=login.target.where,
        )
    return found


@functools.lru_cache(maxsize=64)
def _both(said: str, known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in said.split(",") if name in known)


def _words(names: Iterable[bytes]) -> Iterable[str]:
    return (name.decode("ascii") for name in names)
