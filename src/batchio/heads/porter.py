"""The porter: the program that puts a head on a host and takes it away, sent as its own source.

It is read from standard input by the host's Python (3.11 or newer) and needs nothing but its
standard library. Behind its source stand one line of JSON, the order, and then bytes, if the
order says so. It answers with one line of JSON, or with `porter: WHY` on stderr and exit code 1.

    batchio-<uid>/head-<job>/   bundle/, order.json, head.log, pid, cache/ and data/ of the head
    /run/batchio-head-<job>     values of secrets, in memory only; of a user: below /run/user/<uid>
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOM = 200 << 20
"""Bytes that a head takes on its host, with room for its log; what its job sends comes besides."""

CHECKED = "checked.json"
"""The file in which a head writes down what it reaches."""

CHECK_S = 100.0
"""Seconds that it may take for that."""

END_S = 10.0
"""Seconds that a head has to end before it is killed."""

SHOWN = 2000
"""Most characters of a head's log that are told."""


def look(order: dict[str, Any], _: BinaryIO) -> dict[str, Any]:
    """Tell what this host is, for the bundle and for the way a head is kept up."""
    base = order["base"]
    if not os.access(base, os.W_OK | os.X_OK):
        raise OSError(f"nothing can be written in {base}")
    status = os.statvfs(base)
    if status.f_flag & os.ST_NOEXEC:
        raise OSError(f"no program can be started from {base}: it is mounted noexec")
    room = ROOM + order["room"]
    if status.f_bavail * status.f_frsize < room:
        raise OSError(f"no room for a head in {base}: it takes {room >> 20} MB")
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return {
        "executable": sys.executable,
        "system": sys.platform,
        "python": version,
        "machine": os.uname().machine,
        "libc": libc,
    }


def bring(order: dict[str, Any], more: BinaryIO) -> dict[str, Any]:
    """Unpack the bundle, and start the head of a job.

    Returns `placed`, whether the bundle could be fetched by its URL; what is wrong with the
    `workspace`, or ""; and the `hosts` that are not reached, as the head found it. One that
    cannot work from here is taken away again.
    """
    new = Path(own_folder(order["base"]), f"head-{order['job']}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    try:
        try:
            _place(order, more, new)
        except (OSError, EOFError, tarfile.TarError) as err:
            if not order["url"]:
                raise
            return {"placed": False, "why": str(err)}
        return {"placed": True, **_start(order, new)}
    finally:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            os.rmdir(new.parent)


def _place(order: dict[str, Any], more: BinaryIO, new: Path) -> None:
    """Fetch the bundle, or take it from standard input, check it, and unpack it."""
    packed = new / "packed"
    if order["url"]:
        with urllib.request.urlopen(order["url"], timeout=20) as answer:  # noqa: S310
            _take(answer, packed)
    else:
        _take(more, packed)
    with packed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != order["digest"]:
        raise OSError(f"the bundle did not arrive whole: its SHA-256 is {digest}")
    with tarfile.open(packed) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(new / "bundle", filter="data")
        else:
            tar.extractall(new / "bundle")  # noqa: S202  its digest is right
    packed.unlink()


def _start(order: dict[str, Any], new: Path) -> dict[str, Any]:
    """Start a head from the bundle that was placed, instead of one that may run."""
    job, head = order["job"], order["head"]
    folder = new.with_suffix("")
    _remove(job, folder)
    new.rename(folder)
    head["environ"] = {**_known(), **head["environ"]}
    head["secrets"] = secrets_file(job)
    try:
        _write(folder / "order.json", json.dumps(head))
        command = [sys.executable, "-I", "-S", str(folder / "bundle"), str(folder)]
        if keeper():
            _write(Path(secrets_file(job)), json.dumps(order["secrets"]))
            _start_unit(job, _filled(order["unit"], command, folder))
        else:
            _start_process(folder, command, order["secrets"])
        found = _checked(folder, job)
    except BaseException:
        _remove(job, folder)
        raise
    if not is_enough(found, head):
        _remove(job, folder)
    return found


def _checked(folder: Path, job: str) -> dict[str, Any]:
    """Return what the head found that it reaches."""
    limit = time.monotonic() + CHECK_S
    while not (folder / CHECKED).exists():
        if not runs(folder, job) or time.monotonic() > limit:
            raise OSError(f"its program does not run here: {_words(folder).strip()}")
        time.sleep(0.02)
    found: dict[str, Any] = json.loads((folder / CHECKED).read_text())
    return found


def is_enough(found: dict[str, Any], head: Mapping[str, Any]) -> bool:
    """Return whether a head can work with what it reaches: its workspace, and some host."""
    lost, hosts = found["hosts"], head["hosts"]
    return not found["workspace"] and (not hosts or len(lost) < len(hosts))


def _known() -> dict[str, str]:
    """Return what of this login's environment a head has, too: a unit has none."""
    names = ("HOME", "PATH", "USER", "LOGNAME", "LANG", "TZ")
    return {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith(("LC_", "AWS_", "AZURE_", "GOOGLE_"))
    }


def _filled(unit: str, command: list[str], folder: Path) -> str:
    """Return the text of a unit with what only this host knows."""
    known = {
        "command": " ".join(map(_quoted, command)),
        "log": str(folder / "head.log").replace("%", "%%"),
        "host": _machine(),
        "target": "multi-user.target" if keeper() == "system" else "default.target",
    }
    for name, value in known.items():
        unit = unit.replace(f"{{{name}}}", value)
    return unit


def _machine() -> str:
    """Return what ConditionHost knows this computer by: its id, else its name."""
    with suppress(OSError):
        if known := Path("/etc/machine-id").read_text().strip():
            return known
    return os.uname().nodename


def end(order: dict[str, Any], _: BinaryIO) -> dict[str, Any]:
    """End a job's head, and remove all there is of it: unit, process, secrets, folder."""
    base, job = user_folder(order["base"]), order["job"]
    folder = Path(base, f"head-{job}")
    words = _words(folder)
    _remove(job, folder)
    shutil.rmtree(Path(base, f"head-{job}.new"), ignore_errors=True)
    with suppress(OSError):
        os.rmdir(base)
    return {"words": words}


def _remove(job: str, folder: Path) -> None:
    if keeper():
        _forget_unit(job)
    _end_process(folder)
    Path(secrets_file(job)).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def ask(order: dict[str, Any], _: BinaryIO) -> dict[str, Any]:
    """Tell whether a job's head runs, and the end of what it wrote."""
    folder = Path(user_folder(order["base"]), f"head-{order['job']}")
    return {"runs": runs(folder, order["job"]), "words": _words(folder)}


def runs(folder: Path, job: str) -> bool:
    """Return whether a head runs, or is about to be started again."""
    if keeper():
        said = systemctl("is-active", unit_name(job)).stdout.strip()
        return said in ("active", "activating", "reloading")
    return _process(folder) > 0


# --- who keeps a head up -------------------------------------------------------------


def keeper() -> str:
    """Return who starts a head again: "system", the user's own "user", or "": nobody.

    A user's systemd ends with the last login, unless the user lingers: loginctl(1). Nobody does
    where no unit can be written, as in a home that is read-only.
    """
    if not os.path.isdir("/run/systemd/system") or not _writable(_units()):  # sd_booted(3)
        return ""
    if os.getuid() == 0:
        return "system"
    user, own = pwd.getpwuid(os.getuid()).pw_name, f"/run/user/{os.getuid()}/systemd/private"
    lingers = os.path.exists(f"/var/lib/systemd/linger/{user}")
    return "user" if lingers and os.path.exists(own) else ""


def _units() -> Path:
    """Return the folder for units of this user's."""
    if os.getuid() == 0:
        return Path("/etc/systemd/system")
    return Path(pwd.getpwuid(os.getuid()).pw_dir, ".config/systemd/user")


def _writable(folder: Path) -> bool:
    """Return whether something can be written in a folder, which need not be there yet."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    return os.access(there, os.W_OK | os.X_OK)


def unit_name(job: str) -> str:
    """Return the name of the unit of a job's head."""
    return f"batchio-head-{job}.service"


def unit_files(job: str) -> list[Path]:
    """Return the paths of a unit: itself, and the link by which it is started at boot."""
    target = "multi-user" if os.getuid() == 0 else "default"
    return [_units() / unit_name(job), _units() / f"{target}.target.wants" / unit_name(job)]


def secrets_file(job: str) -> str:
    """Return the path of the values of secrets, on a file system in memory."""
    run = "/run" if os.getuid() == 0 else f"/run/user/{os.getuid()}"
    return f"{run}/batchio-head-{job}"


def _start_unit(job: str, text: str) -> None:
    file, link = unit_files(job)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(file)  # what `systemctl enable` does, too, with a reload of its own
    systemctl("daemon-reload")
    done = systemctl("start", unit_name(job))
    if done.returncode:
        raise OSError(f"systemd does not start it: {done.stderr.strip()[-SHOWN:]}")


def _forget_unit(job: str) -> None:
    """Stop a unit and remove it; quiet when there is none."""
    files = [file for file in reversed(unit_files(job)) if os.path.lexists(file)]
    if not files:
        return
    systemctl("stop", unit_name(job))
    for file in files:
        file.unlink(missing_ok=True)
    systemctl("daemon-reload")
    systemctl("reset-failed", unit_name(job))


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemctl for the systemd that keeps heads up, and return how it went."""
    own = [] if os.getuid() == 0 else ["--user"]
    environ = {**os.environ, "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"} if own else None
    return subprocess.run(
        ["systemctl", *own, "--quiet", *words] if words[0] != "is-active" else
        ["systemctl", *own, *words],
        env=environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


def _start_process(folder: Path, command: list[str], secrets: dict[str, str]) -> None:
    """Start a head that nobody keeps up, in a session of its own."""
    with (folder / "head.log").open("ab") as log:
        head = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    assert head.stdin is not None
    head.stdin.write(json.dumps(secrets).encode() + b"\n")
    head.stdin.close()
    _write(folder / "pid", str(head.pid))
    while head.poll() is None and not _process(folder):
        time.sleep(0.001)  # amid execve(2) a process has no arguments to be known by


def _process(folder: Path) -> int:
    """Return the pid of a head that runs without a unit, or 0."""
    with suppress(OSError, ValueError):
        pid = int((folder / "pid").read_text())
        if os.fsencode(folder / "bundle") in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return pid
    return 0


def _end_process(folder: Path) -> None:
    limit = time.monotonic() + END_S
    while pid := _process(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if time.monotonic() < limit else signal.SIGKILL)
        time.sleep(0.05)


# --- files ---------------------------------------------------------------------------


def user_folder(base: str) -> str:
    """Return the path of this user's folder of batchio, the agents' as well."""
    return f"{base}/batchio-{os.getuid()}"


def own_folder(base: str) -> str:
    """Return this user's folder, which is made; refuse one that others could have put there."""
    folder = user_folder(base)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    info = os.lstat(folder)
    if info.st_uid != os.getuid() or not stat.S_ISDIR(info.st_mode):
        raise OSError(f"{folder} belongs to somebody else, or is a link")
    return folder


def _take(source: Any, target: Path) -> None:
    with target.open("wb") as out:
        shutil.copyfileobj(source, out)


def _write(file: Path, text: str) -> None:
    """Write a file that only this user may read, in place of what is there."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)


def _words(folder: Path) -> str:
    with suppress(OSError):
        return (folder / "head.log").read_text(errors="replace")[-SHOWN:]
    return ""


def _quoted(word: str) -> str:
    r"""Quote a word for ExecStart (systemd.service(5)): \ and " escaped, % and $ doubled."""
    word = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + word.replace("%", "%%").replace("$", "$$") + '"'


def main() -> int:
    """Carry out the order on standard input."""
    order = json.loads(sys.stdin.buffer.readline())
    verbs = {"look": look, "bring": bring, "end": end, "ask": ask}
    try:
        answer = verbs[order["verb"]](order, sys.stdin.buffer)
    except (OSError, tarfile.TarError, subprocess.SubprocessError, EOFError) as err:
        place = f": {err.filename}" if isinstance(err, OSError) and err.filename else ""
        sys.stderr.write(f"porter: {getattr(err, 'strerror', None) or err}{place}\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0
