"""OpenSSH's configuration of a host, as `ssh -G` prints it.

Only OpenSSH reads its configuration as OpenSSH does: the order of Includes, comments, quotes,
`Match exec`, canonical names. So it is asked, by one process a host, and the answer is kept for
as long as the files that were read stay as they are. Where there is no `ssh`, asyncssh's
reader is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_ONCE: Final = 4
"""Most processes of `ssh -G` at a time; each uses 4 ms of CPU, so more would only wait."""

PATIENCE_S: Final = 30.0
"""Seconds that one `ssh -G` may take: a `Match exec` may ask the network."""

_READ: Final = re.compile(r"^debug1: Reading configuration data (.+?)\r?$", re.MULTILINE)
_UNMATCHED: Final = re.compile(r"^debug1: .* include (.+) matched no files\r?$", re.MULTILINE)
_EXECUTES: Final = re.compile(r"^debug\d: Executing command", re.MULTILINE)
_NOISE: Final = re.compile(r"debug\d: |OpenSSH_|Pseudo-terminal|.*: terminating, \d+ bad")
_NO_ANSWER: Final = re.compile(
    r"(?:unknown|illegal) option -- ?'?G|^No user exists for uid", re.MULTILINE
)
"""An ssh that is too old, or that refuses whoever is not in /etc/passwd."""
_INCLUDE: Final = re.compile(r"(\s*include(?:\s*=\s*|\s+))(.*)", re.IGNORECASE | re.DOTALL)
_TILDE: Final = re.compile(r"""(?<=[\s="'])~(?=/)|(?<!%)%d""")


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The configuration of one host: keywords in lower case, with their values.

    Attributes:
        said: Values in the order in which they count. A keyword that lists words
            (`Ciphers`) has them as one text, as `ssh -G` prints it.
        home: What `~` and `%d` mean.
    """

    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    home: str = ""

    def one(self, keyword: str, otherwise: str = "") -> str:
        """Return a keyword's value; `otherwise` when it has none, or is `none`."""
        value = self.said.get(keyword, ("",))[0]
        return value if value and value.lower() != "none" else otherwise

    def every(self, keyword: str) -> tuple[str, ...]:
        """Return all values of a keyword; none at all when it is `none`."""
        values = self.said.get(keyword, ())
        return () if values == ("none",) else values

    def yes(self, keyword: str) -> bool:
        """Return whether a keyword is switched on."""
        return self.one(keyword) in ("yes", "true", "always")

    def files(self, keyword: str) -> list[str]:
        """Return the paths that a keyword lists, `~` replaced.

        `ssh -G` prints several paths in one line, and blanks in them as they are: words
        are joined to the longest path that exists.
        """
        paths = []
        words = [word for value in self.every(keyword) for word in value.split(" ")]
        while words:
            fits = range(len(words), 0, -1)
            joined = ((self.path(" ".join(words[:n])), n) for n in fits)
            path, length = next(
                (pair for pair in joined if os.path.exists(pair[0])), (self.path(words[0]), 1)
            )
            paths.append(path)
            del words[:length]
        return paths

    def path(self, text: str) -> str:
        """Return a path with `~` replaced."""
        return self.home + text[1:] if text == "~" or text.startswith("~/") else text


def parse(text: str, home: str) -> HostConfig:
    """Return the configuration that `ssh -G` printed."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        # interned: a thousand hosts have the same lists of algorithms
        said.setdefault(sys.intern(keyword.lower()), []).append(sys.intern(value))
    return HostConfig({keyword: tuple(values) for keyword, values in said.items()}, home)


Question = tuple[str, str, int | None, str | None]
"""Home, host, port, user: `ssh [-p PORT] [-l USER] HOST`, asked by the owner of that home."""

Stamp = tuple[tuple[str, int, int], ...]
"""The files and folders that an answer depends on, with their times of change and sizes."""

_kept: dict[Question, tuple[Stamp, HostConfig]] = {}
_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = WeakKeyDictionary()


@dataclass(slots=True)
class _Desk:
    """The questions that are being asked in one event loop."""

    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))
    locks: dict[Question, asyncio.Lock] = field(default_factory=dict)


async def read_config(
    host: str, port: int | None = None, user: str | None = None, where: str = ""
) -> HostConfig | None:
    """Return what the user's OpenSSH configuration says of a host; None: no `ssh` answers.

    Args:
        host, port, user: As `ssh [-p PORT] [-l USER] HOST` has them.
        where: What people call it in messages; empty: `host`.

    Raises:
        UsageError: ssh refuses the configuration; the message is its own.
    """
    question = (_home(), host, port, user)
    if kept := _still(question):
        return kept
    if (ssh := shutil.which("ssh")) is None:
        return None
    desk = _desks.setdefault(asyncio.get_running_loop(), _Desk())
    async with desk.locks.setdefault(question, asyncio.Lock()):
        return _still(question) or await _ask(ssh, question, where or host, desk.threads)


def _still(question: Question) -> HostConfig | None:
    kept = _kept.get(question)
    return kept[1] if kept and _stamp([path for path, *_ in kept[0]]) == kept[0] else None


async def _ask(
    ssh: str, question: Question, where: str, threads: ThreadPoolExecutor
) -> HostConfig | None:
    home, host, port, user = question
    foreign = None if home == _account_home() else _foreign(home)
    words = ["-F", "/dev/stdin"] if foreign else []
    words += ["-p", str(port)] if port else []
    words += ["-l", user] if user else []
    with foreign or contextlib.nullcontext() as stdin:
        code, out, err = await _run([ssh, "-T", "-v", *words, "-G", "--", host], stdin, threads)
    err = err.replace("/dev/stdin", f"{home}/.ssh/config")
    if code:
        if _NO_ANSWER.search(err):
            return None
        raise _refused(where, err)
    host_config = parse(out, home)
    if not _EXECUTES.search(err) and not host_config.yes("canonicalizehostname"):
        _kept[question] = (_stamp(_sources(err, home)), host_config)
    return host_config


def login_name() -> str:
    """Return the name of whoever runs this program, as `getpass.getuser` does.

    Without it and a home folder asyncssh makes no connection, whoever the user is there.

    Raises:
        UsageError: neither the environment nor /etc/passwd has them.
    """
    nobody = f"uid {os.getuid()} is not in /etc/passwd, and %s is not set"
    if not os.path.isabs(_home()):
        raise UsageError(nobody % "HOME", hint="set it: HOME=FOLDER")
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second from Python 3.13 on
        raise UsageError(nobody % "LOGNAME", hint="set it: LOGNAME=NAME") from None


def _home() -> str:
    return os.path.expanduser("~")


def _account_home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def _refused(where: str, err: str) -> UsageError:
    lines = [line for line in err.splitlines() if line and not _NOISE.match(line)]
    why = lines[-1] if lines else "it gave no reason"
    return UsageError(f"ssh refuses its configuration: {why}", where=where)


def read_config_without_ssh(
    host: str, port: int | None = None, user: str | None = None
) -> HostConfig:
    """Return the configuration that asyncssh's reader sees: less than ssh would.

    Raises:
        UsageError: it cannot be read.
    """
    from batchio.transports._asyncssh import asyncssh  # isort: split
    from asyncssh.config import SSHClientConfig

    home = _home()
    said: dict[str, tuple[str, ...]] = {
        "identityfile": tuple(f"{home}/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519")),
        "userknownhostsfile": (f"{home}/.ssh/known_hosts", f"{home}/.ssh/known_hosts2"),
        "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts",),
    }
    me, files = login_name(), [*map(Path, config_files())]
    try:
        # its arguments: earlier options, reload, canonical, final, who and where
        read = SSHClientConfig.load(
            None, files, False, False, False, me, user or (), host, port or ()
        )
    except (asyncssh.ConfigParseError, OSError, ValueError) as error:
        raise UsageError(str(error), where="~/.ssh/config") from error
    for keyword, value in read.get_options(False).items():
        values = value if isinstance(value, list) else [value]
        texts = {True: "yes", False: "no", socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
        said[keyword.lower()] = tuple(
            texts.get(value, str(value)) if isinstance(value, bool | int) else str(value)
            for value in values
        )
    return HostConfig(said, home)


# -- what the answer depends on ------------------------------------------------------------


def config_files() -> list[str]:
    """Return the user's OpenSSH configuration, then the computer's, as far as they exist."""
    files = (os.path.expanduser("~/.ssh/config"), "/etc/ssh/ssh_config")
    return [path for path in files if os.access(path, os.R_OK)]


def _sources(err: str, home: str) -> list[str]:
    """Return all files that were read, or would be if they existed, and folders of Includes."""
    usual = [f"{home}/.ssh/config", "/etc/ssh/ssh_config"]
    read = [path for path in _READ.findall(err) if path not in usual]
    folders = [os.path.dirname(os.path.expanduser(p)) for p in [*read, *_UNMATCHED.findall(err)]]
    return list(dict.fromkeys([*usual, *read, *folders]))


def _stamp(paths: list[str]) -> Stamp:
    stamps = []
    for path in paths:
        try:
            found = os.stat(path)
            stamps.append((path, found.st_mtime_ns, found.st_size))
        except OSError:
            stamps.append((path, 0, -1))
    return tuple(stamps)


# -- a home that is not the account's ------------------------------------------------------


def _foreign(home: str) -> IO[bytes]:
    """Return the configuration of `$HOME`, for an ssh that looks into the account's home.

    Only the words that ssh would complete with the account's home are changed, each in its
    line. A nested Include must be absolute.
    """
    try:
        text = Path(home, ".ssh", "config").read_text("utf-8", "surrogateescape")
    except OSError:
        text = ""
    lines = [_TILDE.sub(lambda _: home, line) for line in text.splitlines(keepends=True)]
    lines = [_INCLUDE.sub(lambda m: m[1] + _absolute(m[2], home), line) for line in lines]
    keys = " ".join(f'"{home}/.ssh/{name}"' for name in ("known_hosts", "known_hosts2"))
    ending = f"\nMatch all\nInclude /etc/ssh/ssh_config\nUserKnownHostsFile {keys}\n"
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(("".join(lines) + ending).encode("utf-8", "surrogateescape"))
    file.seek(0)
    return file


def _absolute(words: str, home: str) -> str:
    """Return paths of an Include as they are meant in `home`."""
    try:
        paths = shlex.split(words, comments=True)
    except ValueError:
        return words  # ssh has better words for it
    return " ".join(f'"{os.path.join(home, ".ssh", path)}"' for path in paths) + "\n"


# -- one process ---------------------------------------------------------------------------


class _Process:
    """One `ssh -G` in a thread, which costs half of what asyncio's own processes do."""

    def __init__(self, command: list[str], stdin: IO[bytes] | None) -> None:
        self._command = command
        self._stdin = stdin if stdin is not None else subprocess.DEVNULL
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self) -> tuple[int, bytes, bytes]:
        """Run the process to its end, and return its exit code, stdout and stderr."""
        with self._lock:
            if self._stopped:
                return -signal.SIGKILL, b"", b""
            self._process = process = subprocess.Popen(
                self._command,
                stdin=self._stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.stop()
            out, err = process.communicate()
            err += f"\nit took longer than {PATIENCE_S:g} s; a Match exec?".encode()
        return process.returncode, out, err

    def stop(self) -> None:
        """Kill the process, with whatever a `Match exec` started."""
        with self._lock:
            self._stopped = True
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)


async def _run(
    command: list[str], stdin: IO[bytes] | None, threads: ThreadPoolExecutor
) -> tuple[int, str, str]:
    process = _Process(command, stdin)
    running = threads.submit(process.run)
    try:
        code, out, err = await asyncio.shield(asyncio.wrap_future(running))
    except asyncio.CancelledError:
        if not running.cancel():  # it has begun
            process.stop()
            await asyncio.wait([asyncio.wrap_future(running)])
        raise
    return code, os.fsdecode(out), os.fsdecode(err)
