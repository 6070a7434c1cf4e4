"""The agent: runs a job's attempts on one node and remembers how they ended.

One file, the standard library of Python 3.8 and nothing of ours, because it travels:
the head copies it to a node and starts it there with whatever `python3` the node has.
docs/design/agent.md is its contract: the home, the commands, the frames, the messages.

One thread and one poll loop; nothing blocks but short file operations. The head decides,
the agent obeys: it never retries, never chooses, and never starts what it was not told to.
"""

from __future__ import annotations

import bisect
import errno
import fcntl
import json
import os
import re
import select
import signal
import socket
import stat
import struct
import sys
import time
import zlib
from collections import deque
from contextlib import suppress

TYPE_CHECKING = False  # `typing` costs five milliseconds that no node needs to pay
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

    Key = Tuple[int, int]  # (task, attempt)
    Record = List[Any]

VERSION = 1
MAX_FRAME = 8 << 20
DATA_FRAME = 256 << 10  # of log or output bytes
CHUNK = 64 << 10  # one read of a pipe, so also the largest record
SEGMENT = 64 << 20
BACKLOG = 1 << 30  # unacknowledged log bytes at which tasks begin to wait
FLUSH = 0.015  # seconds between two flushes of messages
LINGER = 0.2  # how long an ended attempt's pipes may stay open without a word
LINGER_MOST = 2.0
LEASE = 3600.0  # until a setup says otherwise
TAIL = 4096  # bytes of each stream kept to find its last line
YOUNG = 0.005  # seconds before we listen to an attempt: most short ones end silent
UNTOUCHED = 86400 * 10**9 + int.from_bytes(os.urandom(3), "big")  # a folder's time, ns
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
JSON = json.JSONEncoder(separators=(",", ":")).encode
HEADER = struct.Struct("<IIHBBQ")  # of a log record; see docs/design/agent.md
FRAME = struct.Struct(">IB")
OFFSET = struct.Struct(">Q")
OUTPUT = struct.Struct(">II")
IGNORED = [
    number
    for number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None), signal.SIGHUP)
    if number is not None
]
INPUT_NAMES = (b"BATCHIO_TASK_INPUT", b"COILED_BATCH_TASK_INPUT")
THREADS = (
    b"OMP_NUM_THREADS",
    b"MKL_NUM_THREADS",
    b"OPENBLAS_NUM_THREADS",
    b"NUMEXPR_NUM_THREADS",
)


def say(text: str) -> None:
    """A word of the agent's own; a full disk must not turn it into a crash."""
    with suppress(OSError):
        sys.stderr.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%S"), text))
        sys.stderr.flush()


def raw(value: Any) -> bytes:
    """What the operating system gets for a JSON value, byte for byte."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if value is None:
        return b""
    return JSON(value).encode()


def slurp(path: str) -> bytes:
    """A small file's bytes, or none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


# -- the spool ---------------------------------------------------------------------------


class Log:
    """Records appended to segments, read back by offset.

    `end` is on disk, `tail` counts what is still in memory too. When the disk is full
    `write` says False and keeps the bytes: nothing is lost, the caller stops reading pipes.
    """

    def __init__(self, folder: str, keep: bool) -> None:
        os.makedirs(folder, 0o700, exist_ok=True)
        self.folder = folder
        self.keep = keep  # somebody else's folder: segments are never removed
        self.starts = sorted(
            int(name) for name in os.listdir(folder) if re.fullmatch(r"\d{20}", name)
        )
        self.size = 0  # of the last segment
        self.pending: List[bytes] = []
        self.waiting = 0  # bytes in pending
        self.fd = -1
        self.reader = (-1, -1)  # (start of the segment, its descriptor)
        if self.starts:
            self.size = whole(self.path(self.starts[-1]))
            os.truncate(self.path(self.starts[-1]), self.size)
        self.end = self.tail = (self.starts[-1] if self.starts else 0) + self.size
        self.logged = self.starts[0] if self.starts else 0
        self.error: Optional[OSError] = None

    def path(self, start: int) -> str:
        return "%s/%020d" % (self.folder, start)

    def append(self, task: int, attempt: int, stream: int, data: bytes) -> int:
        """The offset at which the record begins."""
        size = HEADER.size + len(data)
        if self.size + self.waiting + size > SEGMENT and self.write() and self.size:
            self.roll()
        offset = self.tail
        now = int(time.time() * 1e6)
        self.pending.append(HEADER.pack(len(data), task, attempt & 0xFFFF, stream, 0, now))
        self.pending.append(data)
        self.waiting += size
        self.tail += size
        if self.waiting > 1 << 20:
            self.write()
        return offset

    def roll(self) -> None:
        os.close(self.fd)
        self.fd = -1
        self.size = 0
        self.starts.append(self.end)

    def write(self) -> bool:
        if not self.waiting:
            return True
        try:
            if self.fd < 0:
                if not self.starts:
                    self.starts.append(self.end)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self.fd = os.open(self.path(self.starts[-1]), flags, 0o600)
            done = os.write(self.fd, b"".join(self.pending))
            if done < self.waiting:
                os.ftruncate(self.fd, self.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.error = error
            return False
        self.error = None
        self.size += self.waiting
        self.end += self.waiting
        self.waiting = 0
        self.pending.clear()
        return True

    def read(self, offset: int, most: int) -> Tuple[int, bytes]:
        """Bytes from `offset`, or from the first that is still here; never past a segment."""
        if not self.starts:
            return offset, b""
        offset = max(offset, self.starts[0])
        index = bisect.bisect_right(self.starts, offset) - 1
        start = self.starts[index]
        last = index + 1 == len(self.starts)
        stop = self.end if last else self.starts[index + 1]
        if offset >= stop:  # what the disk has no room for goes from memory to the head
            late = b"".join(self.pending) if self.error and last else b""
            return offset, late[offset - stop : offset - stop + most]
        if self.reader[0] != start:
            self.close_reader()
            self.reader = (start, os.open(self.path(start), os.O_RDONLY))
        most = min(most, stop - offset)
        return offset, os.pread(self.reader[1], most, offset - start)

    def close_reader(self) -> None:
        if self.reader[1] >= 0:
            os.close(self.reader[1])
        self.reader = (-1, -1)

    def forget(self, offset: int) -> None:
        """Bytes before `offset` are safe elsewhere."""
        if self.error and not self.keep and offset >= self.end:  # make room at once
            if offset >= self.tail:
                self.pending.clear()
                self.waiting = 0
                self.end = self.tail
                self.error = None
            if self.fd >= 0:
                self.roll()
        self.logged = max(self.logged, min(offset, self.end))
        while not self.keep and len(self.starts) > 1 and self.starts[1] <= self.logged:
            start = self.starts.pop(0)
            if self.reader[0] == start:
                self.close_reader()
            os.unlink(self.path(start))


def records(data: Any) -> Iterator[Tuple[int, Tuple[int, ...]]]:
    """(offset of the payload, header) of each whole record in a segment's bytes."""
    at, end = 0, len(data)
    while at + HEADER.size <= end:
        header = HEADER.unpack_from(data, at)
        at += HEADER.size
        if at + header[0] > end:
            return
        yield at, header
        at += header[0]


def whole(path: str) -> int:
    """How many bytes of a segment are whole records; a killed writer may leave a part."""
    import mmap

    size = os.path.getsize(path)
    if not size:
        return 0
    good = 0
    fd = os.open(path, os.O_RDONLY)
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
        for at, header in records(data):
            good = at + header[0]
    os.close(fd)
    return good


# -- the results ---------------------------------------------------------------------------


class Results:
    """How attempts ended, on disk before anybody hears of it, until acknowledged.

    A line of the file is a `done` message. No fsync: the file outlives a killed agent, and
    after a power cut the head runs again what it never heard of.
    """

    def __init__(self, path: str) -> None:
        self.fresh: Dict[Key, Record] = {}
        self.sealed: Dict[int, bytes] = {}  # seq: its message
        self.keys: Dict[int, List[Key]] = {}
        self.seqs: Dict[Key, int] = {}
        self.seq = 0
        for line in slurp(path).splitlines():
            try:
                _, seq, batch = json.loads(line)
            except ValueError:
                continue  # the last line of a killed agent
            self.remember(seq, line, batch)
        self.stale = False  # the file lacks something that memory has
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.rewrite()

    def remember(self, seq: int, line: bytes, batch: List[Record]) -> None:
        self.seq = max(self.seq, seq)
        self.sealed[seq] = line
        self.keys[seq] = [(record[0], record[1]) for record in batch]
        for key in self.keys[seq]:
            self.seqs[key] = seq

    def seal(self) -> Optional[bytes]:
        """The `done` message of what ended since the last one."""
        if not self.fresh:
            return None
        batch = list(self.fresh.values())
        line = JSON(["done", self.seq + 1, batch]).encode()
        self.remember(self.seq + 1, line, batch)
        self.fresh.clear()
        if self.stale:
            self.rewrite()
        else:
            self.put(line + b"\n")
        return line

    def put(self, data: bytes) -> None:
        try:
            self.stale = os.write(self.fd, data) < len(data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.stale = True
        self.size += len(data)

    def rewrite(self) -> None:
        """The file as memory has it."""
        os.ftruncate(self.fd, 0)
        self.size = 0
        self.stale = False
        if self.sealed:
            self.put(b"".join(line + b"\n" for line in self.sealed.values()))
        self.compact_at = max(1 << 16, 2 * self.size)

    def ack(self, upto: int) -> None:
        for seq in [seq for seq in self.sealed if seq <= upto]:
            del self.sealed[seq]
            for key in self.keys.pop(seq):
                self.seqs.pop(key, None)
        if (not self.sealed and self.size) or self.size > self.compact_at:
            self.rewrite()


# -- what attempts share -----------------------------------------------------------------


class Setup:
    """The head's `setup` message, made ready so that each start is cheap."""

    def __init__(self, given: Dict[str, Any], home: str) -> None:
        get = given.get
        self.slots = max(1, int(get("slots") or 1))
        self.cpus = float(get("cpus") or 1)
        self.pin = bool(get("pin"))
        self.memory: Optional[int] = get("memory")
        self.grace = float(given.get("grace", 10))
        self.timeout: Optional[float] = get("timeout")
        self.lease = float(get("lease") or LEASE)
        self.shell = bool(get("shell"))
        self.pipe_to_files = bool(get("pipe_to_files"))
        self.container: Optional[Dict[str, Any]] = get("container")
        self.input_var = raw(get("input_var") or "BATCHIO_TASK_INPUT")
        own = {raw(k): raw(v) for k, v in (get("env") or {}).items()}
        secrets = {raw(k): raw(v) for k, v in (get("secrets") or {}).items()}
        self.redacted = sorted(
            {line for value in secrets.values() for line in value.split(b"\n") if line},
            key=len,
            reverse=True,
        )
        own.update(secrets)
        own.update(self.names(get, home))
        threads = b"%d" % max(1, int(self.cpus))
        for name in THREADS:
            if name not in os.environb:
                own.setdefault(name, threads)
        self.secret = set(secrets)
        self.container_job = re.sub(rb"[^A-Za-z0-9_.-]", b"-", raw(get("job_id") or "job"))
        self.own = set(own)  # what is ours to pass on; the rest is the node's
        self.env = dict(os.environb)
        self.env.update(own)
        self.found: Dict[bytes, Optional[bytes]] = {}
        self.python = raw(get("python")) or (
            b"python3"
            if self.container
            else self.which(b"python3") or self.which(b"python") or b"python3"
        )
        self.words = self.template([raw(word) for word in get("argv") or []])
        self.manifest = Manifest(home + "/files") if get("files") else None

    def names(self, get: Callable[[str], Any], home: str) -> Dict[bytes, bytes]:
        """The variables that are the same for every attempt."""
        host = socket.gethostname()
        ready = ",".join(get("ready_workers") or [])
        memory = self.memory or node_memory()
        table = (
            ("BATCHIO_TASK_COUNT COILED_BATCH_TASK_COUNT", get("task_count")),
            ("BATCHIO_JOB_ID COILED_CLUSTER_ID", get("job_id")),
            ("BATCHIO_JOB_NAME COILED_CLUSTER_NAME", get("job_name")),
            ("BATCHIO_NODE_ID", get("node_id")),
            ("BATCHIO_HOSTNAME COILED_CLUSTER_HOSTNAME", host),
            ("BATCHIO_LOCAL_ADDRESS COILED_BATCH_LOCAL_ADDRESS", get("address")),
            (
                "BATCHIO_SCHEDULER_ADDRESS COILED_BATCH_SCHEDULER_ADDRESS",
                get("scheduler_address"),
            ),
            (
                "BATCHIO_PROCESS_TYPE COILED_BATCH_PROCESS_TYPE",
                get("process_type") or "worker",
            ),
            ("BATCHIO_READY_WORKERS COILED_BATCH_READY_WORKERS", ready),
            ("BATCHIO_CPUS", "%g" % self.cpus),
            ("BATCHIO_MEMORY", memory),
            ("BATCHIO_AGENT", home),
        )
        return {
            name.encode(): raw(value)
            for names, value in table
            if value is not None
            for name in names.split()
        }

    def template(self, words: List[bytes]) -> List[Any]:
        """Words ready to run: bytes, or a pattern's match to fill in for each attempt."""
        if self.shell:
            self.fixed = True
            return [b"/bin/sh", b"-c", *words[:1], b"sh", *words[1:]]
        words = [self.python if word == b"{python}" else word for word in words[:1]] + words[1:]
        self.fixed = not any(b"$" in word for word in words)
        return words

    def pattern(self, names: Tuple[bytes, ...]) -> Any:
        """Matches `$NAME`, `${NAME}`, each also after a backslash."""
        some = b"|".join(re.escape(name) for name in names)
        name = rb"(?:BATCHIO|COILED)_[A-Za-z0-9_]+|(?:" + some + rb")(?![A-Za-z0-9_])"
        return re.compile(rb"\\?\$(?:\{(" + name + rb")\}|(" + name + rb"))")

    def command(self, env: Dict[bytes, bytes], extra: Tuple[bytes, ...]) -> List[bytes]:
        """The argv of one attempt; a name that has no value stays as it was typed."""
        if self.fixed:
            return self.words
        pattern = self.pattern((self.input_var, *extra))

        def value(match: Any) -> bytes:
            found = env.get(match[1] or match[2])
            return match[0] if found is None else found

        return [pattern.sub(value, w) if b"$" in w else w for w in self.words]

    def which(self, name: bytes) -> Optional[bytes]:
        """Where PATH has the program; found ones are remembered."""
        if b"/" in name:
            return name
        known = self.found.get(name)
        if known:
            return known
        for folder in self.env.get(b"PATH", b"/usr/bin:/bin").split(b":"):
            path = os.path.join(folder or b".", name)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                if folder.startswith(b"/"):
                    self.found[name] = path
                return path
        return None

    def blank(self, text: bytes) -> bytes:
        """The text without any secret's value."""
        for secret in self.redacted:
            text = text.replace(secret, b"***")
        return text


class Manifest:
    """What was uploaded: copied into each attempt, and not an output unless it changed."""

    cloning = True  # until the file system says that it cannot

    def __init__(self, folder: str) -> None:
        self.folder = os.fsencode(folder)
        self.folders: List[Tuple[bytes, int]] = []
        self.files: Dict[bytes, Tuple[int, int, int]] = {}  # mode, size, mtime
        self.links: Dict[bytes, bytes] = {}
        for path, entry in walk(self.folder):
            info = entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                self.links[path] = os.readlink(entry.path)
            elif entry.is_dir():
                self.folders.append((path, info.st_mode & 0o7777 | 0o700))
            elif entry.is_file():
                mode = info.st_mode & 0o7777
                self.files[path] = (mode, info.st_size, info.st_mtime_ns)

    def copy(self, target: bytes) -> None:
        for path, mode in self.folders:
            os.mkdir(os.path.join(target, path), mode)
        for path, (mode, size, mtime) in self.files.items():
            source = os.open(os.path.join(self.folder, path), os.O_RDONLY)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                copy = os.open(os.path.join(target, path), flags, mode)
                try:
                    self.fill(copy, source, size)
                    os.fchmod(copy, mode)
                    os.utime(copy, ns=(mtime, mtime))
                finally:
                    os.close(copy)
            finally:
                os.close(source)
        for path, link in self.links.items():
            os.symlink(link, os.path.join(target, path))

    def fill(self, copy: int, source: int, size: int) -> None:
        if Manifest.cloning and size:
            try:
                fcntl.ioctl(copy, 0x40049409, source)  # FICLONE of linux/fs.h
                return
            except OSError:
                Manifest.cloning = False
        while True:
            data = os.read(source, 1 << 20)
            if not data:
                return
            while data:
                data = data[os.write(copy, data) :]

    def has(self, path: bytes, entry: os.DirEntry[bytes]) -> bool:
        """Whether the file is there as it was uploaded."""
        if entry.is_symlink():
            return self.links.get(path) == os.readlink(entry.path)
        known = self.files.get(path)
        if known is None:
            return False
        info = entry.stat(follow_symlinks=False)
        return known[1:] == (info.st_size, info.st_mtime_ns)


def walk(folder: bytes) -> Iterator[Tuple[bytes, os.DirEntry[bytes]]]:
    """(relative path, entry) of everything below, a folder before what it holds."""
    waiting = [b""]
    while waiting:
        inside = waiting.pop()
        try:
            entries = sorted(os.scandir(os.path.join(folder, inside)), key=by_name)
        except OSError as error:
            say("cannot read %s: %s" % (os.fsdecode(inside), error.strerror))
            continue
        for entry in entries:
            path = os.path.join(inside, entry.name)
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)


def by_name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def outputs(folder: bytes, manifest: Optional[Manifest]) -> Iterator[Tuple[bytes, int]]:
    """(path, size) of the files and links an attempt made or changed."""
    for path, entry in walk(folder):
        link = entry.is_symlink()
        if not link and not entry.is_file(follow_symlinks=False):
            continue  # folders come with their files; sockets and pipes mean nothing
        if manifest is None or not manifest.has(path, entry):
            yield path, 0 if link else entry.stat(follow_symlinks=False).st_size


def tar(folder: bytes, manifest: Optional[Manifest]) -> Iterator[Tuple[bytes, int]]:
    """A pax tar stream of the outputs, in (bytes, files begun) pieces of one frame."""
    import tarfile

    for path, _ in outputs(folder, manifest):
        full = os.path.join(folder, path)
        info = tarfile.TarInfo(os.fsdecode(path))
        try:
            status = os.lstat(full)
            info.mode, info.mtime = status.st_mode & 0o7777, int(status.st_mtime)
            if stat.S_ISLNK(status.st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(os.fsdecode(full))
                yield info.tobuf(tarfile.PAX_FORMAT), 1
                continue
            file = open(full, "rb", buffering=0)  # noqa: SIM115 - closed below
        except OSError as error:
            say("cannot collect %s: %s" % (info.name, error.strerror))
            continue
        with file:
            info.size = left = os.fstat(file.fileno()).st_size
            yield info.tobuf(tarfile.PAX_FORMAT), 1
            while left > 0:  # the header promised this many, whatever happens meanwhile
                data = file.read(min(left, DATA_FRAME - 1024)) or bytes(min(left, 65536))
                left -= len(data)
                yield data + bytes(-info.size % 512 if not left else 0), 0
    yield bytes(1024), 0


def make_folder(path: bytes) -> None:
    os.mkdir(path, 0o700)
    os.utime(path, ns=(UNTOUCHED, UNTOUCHED))


def remove(path: bytes, budget: int) -> int:
    """Removes a tree of at most `budget` entries; what remains of the budget, or -1."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                budget -= 1
                if budget < 0:
                    return -1
                if entry.is_dir(follow_symlinks=False):
                    budget = remove(entry.path, budget)
                    if budget < 0:
                        return -1
                else:
                    os.unlink(entry.path)
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return -1
    return budget


# -- processes -----------------------------------------------------------------------------


def processes() -> Dict[int, Tuple[int, int]]:
    """pid: (parent, process group) of every process; empty where there is no /proc."""
    table = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            line = slurp("/proc/%s/stat" % name)
            fields = line[line.rfind(b")") + 2 :].split()
            if len(fields) > 3 and fields[0] not in b"ZX":
                table[int(name)] = (int(fields[1]), int(fields[2]))
    return table


def below(roots: Set[int], table: Dict[int, Tuple[int, int]]) -> Set[int]:
    """The roots and all their descendants."""
    children: Dict[int, List[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: Set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def marked(pid: int, mark: bytes) -> bool:
    """Whether a process was started with this `NAME=value`."""
    return mark in slurp("/proc/%d/environ" % pid).split(b"\0")


def send(number: int, pids: Set[int]) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


def line_of(pid: int, table: Dict[int, Tuple[int, int]]) -> Set[int]:
    """A process and those above it."""
    line = set()
    while pid not in line and pid in table:
        line.add(pid)
        pid = table[pid][0]
    return line


def sweep(home: str) -> None:
    """Kills every process of this home, and of this agent, whoever started it."""
    mark = b"BATCHIO_AGENT=" + os.fsencode(home)
    me = os.getpid()
    for _ in range(100):
        table = processes()
        spared = line_of(me, table)  # `up` may itself be part of a task
        roots = {pid for pid in table if pid not in spared and marked(pid, mark)}
        found = below(roots | {me}, table) - spared
        if not found:
            return
        send(signal.SIGKILL, found)
        time.sleep(0.01)
        while reap_one():
            pass


def exit_code(status: int) -> int:
    """What wait(2) told: the exit code, or minus the signal that ended it."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def reap_one() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except OSError:
        return False


def become_subreaper() -> None:
    """Makes orphans of our tasks our children, so that none escapes by a double fork."""
    if sys.platform.startswith("linux"):
        try:
            import ctypes

            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        except (ImportError, OSError, AttributeError) as error:
            say("no child subreaper here: %s" % error)


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it does not exist."""
    line = slurp("/proc/%d/stat" % pid)
    fields = line[line.rfind(b")") + 2 :].split()
    return int(fields[19]) if len(fields) > 19 else 0


# -- the node ------------------------------------------------------------------------------


def node_memory() -> int:
    """Bytes this node has for us: its own, or what its control group allows."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ):
        text = slurp(path).strip()
        if text.isdigit():
            total = min(total, int(text))
    return total


def node_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def node_gpus() -> int:
    try:
        return len(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        return 0


def node_engines() -> List[str]:
    """Which container engines there are."""
    folders = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    names = ("docker", "podman")
    return [n for n in names if any(os.access(f + "/" + n, os.X_OK) for f in folders)]


def node_address() -> str:
    """Where other nodes find this one: where the head did, else the address of the way out."""
    found = os.environ.get("SSH_CONNECTION", "").split()  # client, its port, our address, port
    if len(found) == 4 and not found[2].startswith(("127.", "::1", "fe80:")):
        return found[2].replace("::ffff:", "")
    try:  # connecting a datagram socket sends nothing
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it booted."""
    match = re.search(rb"^oom_kill (\d+)", slurp("/proc/vmstat"), re.M)
    return int(match[1]) if match else 0


# -- the head's connection -------------------------------------------------------------------


class BadFrame(Exception):
    """The peer does not speak the protocol."""


class Connection:
    """One peer on the socket: bytes in, messages out; no meaning."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.fd = sock.fileno()
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.epoch = -1  # until it said hello
        self.pull: Optional[List[int]] = None  # [offset, bytes left]
        self.fetches: deque[Fetch] = deque()
        self.blocked = False  # the kernel takes no more for now

    def receive(self) -> Iterator[List[Any]]:
        """Messages that arrived. Raises BadFrame, or OSError when the peer is gone."""
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except BlockingIOError:
                break
            if not data:
                raise ConnectionResetError
            self.inbox += data
            if len(data) < 1 << 16:
                break
        while len(self.inbox) >= 5:
            length, kind = FRAME.unpack_from(self.inbox)
            if not 1 <= length <= MAX_FRAME or kind != 0:
                raise BadFrame("a frame of kind %d and %d bytes" % (kind, length))
            if len(self.inbox) < 4 + length:
                return
            body = bytes(self.inbox[5 : 4 + length])
            del self.inbox[: 4 + length]
            try:
                messages = json.loads(body)
            except ValueError as error:
                raise BadFrame("not JSON: %s" % error) from None
            if not isinstance(messages, list):
                raise BadFrame("not a list of messages")
            for message in messages:
                if not isinstance(message, list) or not message:
                    raise BadFrame("not a message: %.80r" % (message,))
                yield message

    def put(self, messages: List[bytes]) -> None:
        parts: List[bytes] = []
        size = 0
        for message in messages:
            if parts and size + len(message) > 1 << 20:
                self.frame(0, b"[", b",".join(parts), b"]")
                parts, size = [], 0
            parts.append(message)
            size += len(message)
        self.frame(0, b"[", b",".join(parts), b"]")

    def frame(self, kind: int, *parts: bytes) -> None:
        self.outbox += FRAME.pack(1 + sum(map(len, parts)), kind)
        for part in parts:
            self.outbox += part

    def write(self) -> None:
        """Sends what the kernel takes."""
        try:
            while self.outbox:
                sent = self.sock.send(self.outbox)
                del self.outbox[:sent]
            self.blocked = False
        except BlockingIOError:
            self.blocked = True


class Fetch:
    """One tar stream under way."""

    def __init__(self, key: Key, pieces: Iterator[Tuple[bytes, int]], known: int) -> None:
        self.key = key
        self.pieces = pieces
        self.known = known  # so many bytes of it the head has
        self.files = 0
        self.bytes = 0
        self.crc = 0


# -- attempts ------------------------------------------------------------------------------


class Attempt:
    """One try of a task, from the head's `start` to its record."""

    __slots__ = (
        "cgroup",
        "container",
        "copies",
        "deadline",
        "ended",
        "exit",
        "heard",
        "id",
        "input",
        "key",
        "kill_at",
        "killed",
        "kills",
        "linger",
        "log_from",
        "name",
        "ooms",
        "pid",
        "pipes",
        "quiet_at",
        "reason",
        "rss",
        "scratch",
        "slot",
        "spent",
        "started",
        "tails",
        "work",
    )

    def __init__(self, key: Key, id: str, given: Any, home: bytes) -> None:
        self.key = key
        self.id = id
        self.input = given
        self.name = b"%d.%d" % key
        self.work = home + b"/work/" + self.name
        self.scratch = b""
        self.pid = 0
        self.slot = -1
        self.pipes: Set[int] = set()
        self.copies: List[int] = []  # where pipe_to_files writes
        self.started = self.ended = 0.0
        self.exit = 0
        self.rss = 0
        self.spent = 0.0
        self.log_from = -1
        self.tails = [b"", b""]
        self.reason = ""
        self.killed = False
        self.heard = False  # its pipes are in the poller
        self.ooms = 0
        self.kills = 0
        self.cgroup = b""
        self.container = b""  # its name, if it runs in one
        self.deadline: Optional[float] = None  # of the task's own time
        self.kill_at: Optional[float] = None  # TERM was sent; then KILL
        self.linger: Optional[float] = None  # the latest end of waiting for the pipes
        self.quiet_at = 0.0

    def last_line(self, setup: Setup) -> str:
        """The last words: of stderr, else of stdout."""
        for stream in (1, 0):
            lines = setup.blank(self.tails[stream]).split(b"\n")
            for index in range(len(lines) - 1, -1, -1):
                line = lines[index].strip()
                if line:
                    cut = index == 0 and len(self.tails[stream]) >= TAIL
                    line = line[-300:] if cut else line[:300]
                    return line.decode("utf-8", "replace")
        return ""


class Unstartable(Exception):
    """Nothing can be run; (exit code, why)."""

    reason = "unstartable"


class NodeFault(Unstartable):
    """And it is not the program's fault: another node may do."""

    reason = "node"


# -- small parts of the agent --------------------------------------------------------------


class Poller:
    """epoll where there is one, poll elsewhere; seconds in both."""

    def __init__(self) -> None:
        self.timed = 1.0
        poller: Any = select.epoll() if hasattr(select, "epoll") else select.poll()
        if not hasattr(select, "epoll"):
            self.timed = 1000.0
        self.poll: Any = poller.poll
        self.register: Any = poller.register
        self.modify: Any = poller.modify
        self.unregister: Any = poller.unregister

    def forget(self, fd: int) -> None:
        """Of a descriptor about to be closed; epoll sees that by itself."""
        if self.timed != 1.0:
            self.unregister(fd)

    def wait(self, seconds: float) -> List[Tuple[int, int]]:
        found: List[Tuple[int, int]] = self.poll(seconds * self.timed)
        return found


class Doom:
    """What an ended attempt left behind, and when it is killed."""

    def __init__(self, attempt: Attempt, kill_at: float) -> None:
        self.attempt = attempt
        self.kill_at = kill_at


class Cgroup:
    """A control group an attempt, for its memory; version 2, or version 1's own tree."""

    base: Optional[bytes] = None  # where ours are made; empty: nowhere
    limit = b"memory.max"
    events = b"memory.events"

    @classmethod
    def available(cls) -> bool:
        if cls.base is None:
            cls.base = b""
            for base, limit, events in cls.places():
                cls.limit, cls.events = limit, events
                probe = base + b"/batchio-probe-%d" % os.getpid()
                try:
                    os.mkdir(probe)
                    usable = os.access(probe + b"/" + limit, os.W_OK)
                    os.rmdir(probe)
                except OSError:
                    continue
                if usable:
                    cls.base = base
                    break
        return bool(cls.base)

    @staticmethod
    def places() -> Iterator[Tuple[bytes, bytes, bytes]]:
        for line in slurp("/proc/self/cgroup").splitlines():
            _, names, path = line.split(b":", 2)
            path = path.rstrip(b"/")
            if not names:
                yield b"/sys/fs/cgroup" + path, b"memory.max", b"memory.events"
            elif b"memory" in names.split(b","):
                base = b"/sys/fs/cgroup/memory" + path
                yield base, b"memory.limit_in_bytes", b"memory.oom_control"

    @classmethod
    def make(cls, name: bytes, memory: int) -> bytes:
        path = b"%s/batchio-%d-%s" % (cls.base, os.getpid(), name)
        try:
            os.mkdir(path)
            with open(path + b"/" + cls.limit, "wb") as file:
                file.write(b"%d" % memory)
        except OSError as error:
            say("no memory limit: %s" % error)
            return b""
        return path

    @classmethod
    def kills(cls, path: bytes) -> int:
        events = slurp(os.fsdecode(path + b"/" + cls.events))
        match = re.search(rb"^oom_kill (\d+)", events, re.M)
        return int(match[1]) if match else 0

    @staticmethod
    def members(path: bytes) -> Set[int]:
        return {int(pid) for pid in slurp(os.fsdecode(path + b"/cgroup.procs")).split()}

    @staticmethod
    def remove(path: bytes) -> bool:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True


class Helper:
    """A program of ours whose last words count: the host setup script, an image's pull.

    Calls `then(exit code, last words)` once; a text of its own when it took too long.
    """

    def __init__(
        self,
        agent: Agent,
        argv: List[bytes],
        timeout: Optional[float],
        then: Callable[[int, str], None],
    ) -> None:
        self.agent = agent
        self.then = then
        self.tail = b""
        self.deadline = agent.now + timeout if timeout else None
        env = dict(agent.setup.env if agent.setup else os.environb)
        env[b"BATCHIO_AGENT"] = agent.bhome
        os.chdir(agent.home)
        self.output, out = os.pipe()
        os.set_blocking(self.output, False)
        try:
            self.pid = agent.spawn_raw(argv[0], argv, env, out, out)
        except OSError as error:
            os.close(self.output)
            then(*why_not(argv[0], error))
            return
        finally:
            os.close(out)
        agent.helpers[self.pid] = self.ended
        agent.door(self.output, self.read)
        agent.timed.append(self)
        agent.at(self.deadline or agent.wake)

    def read(self, mask: int = 0) -> bool:
        try:
            data = os.read(self.output, CHUNK)
        except BlockingIOError:
            return False
        self.tail = (self.tail + data)[-TAIL:]
        if not data:
            self.agent.close_door(self.output)
        return bool(data)

    def watch(self) -> None:
        if self.deadline and self.agent.now >= self.deadline:
            self.tail = self.tail.rstrip() + b"\nbatchio: this took too long"
            family = below({self.pid}, processes())
            send(signal.SIGKILL, {self.pid})  # first, or it would tell of its child's end
            send(signal.SIGKILL, family)
            self.deadline = None
        elif self.deadline:
            self.agent.at(self.deadline)

    def ended(self, status: int) -> None:
        while self.output in self.agent.doors and self.read():
            pass
        if self.output in self.agent.doors:  # something it left behind holds the pipe
            self.agent.close_door(self.output)
        self.agent.timed.remove(self)
        blank = self.agent.setup.blank if self.agent.setup else bytes
        self.then(exit_code(status), blank(self.tail).decode("utf-8", "replace").strip())


class Prepared:
    """The host setup script: run once for a home, its success kept in `prepared`."""

    def __init__(self, agent: Agent, script: str, timeout: Optional[float]) -> None:
        self.agent = agent
        self.script = script
        self.result: Optional[Tuple[int, str]] = None
        try:
            known = json.loads(slurp(agent.home + "/prepared") or b"null")
        except ValueError:
            known = None
        if known and known[0] == script:
            self.ended(0, known[1])
            return
        with open(agent.home + "/prepare", "wb") as file:
            os.fchmod(file.fileno(), 0o700)
            file.write(raw(script))
        path = agent.bhome + b"/prepare"
        argv = [path] if script.startswith("#!") else [b"/bin/sh", b"-e", path]
        Helper(agent, argv, timeout, self.ended)

    def again(self, script: str) -> bool:
        """Whether it answers for that script too; what failed is tried again."""
        if self.script != script or (self.result and self.result[0]):
            return False
        if self.result:
            self.agent.tell(["prepared", *self.result])
        return True

    def ended(self, code: int, tail: str) -> None:
        self.result = (code, tail)
        if not code:
            with open(self.agent.home + "/prepared", "w") as file:
                file.write(JSON([self.script, tail]))
        self.agent.tell(["prepared", code, tail])


def why_not(path: bytes, error: OSError) -> Tuple[int, str]:
    """The shell's exit code and clear words for a program that cannot be started."""
    name = os.fsdecode(path)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.path.exists(path):
            first = slurp(name)[:256].split(b"\n")[0]
            wants = first[2:].strip() if first.startswith(b"#!") else b"its loader"
            return 127, "%s: needs %s, not found on this node" % (name, os.fsdecode(wants))
        return 127, "%s: not found on this node" % name
    if error.errno == errno.EACCES:
        if os.path.isdir(path):
            return 126, "%s: is a directory" % name
        return 126, "%s: may not be executed (chmod +x?)" % name
    if error.errno == errno.E2BIG:
        return 126, "%s: the words or an input are too long for this node" % name
    return 126, "%s: %s" % (name, error.strerror)


def open_children() -> int:
    """The kernel's list of our children, to be read again and again; -1 without one."""
    try:
        return os.open("/proc/self/task/%d/children" % os.getpid(), os.O_RDONLY)
    except OSError:
        return -1


def cpu_set() -> Set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def read_identity(home: str) -> Dict[str, Any]:
    """agent.json as the last daemon of this home left it."""
    try:
        known = json.loads(slurp(home + "/agent.json") or b"{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


# -- containers ------------------------------------------------------------------------------

STEERING = (b"HOME", b"PATH", b"TMPDIR", b"XDG_", b"LD_", b"DOCKER_", b"CONTAINER")


def find_engine(setup: Optional[Setup]) -> bytes:
    """The path of docker, if its daemon can be reached, or of podman."""
    if setup is None or setup.container is None:
        raise Unstartable(126, "no container was set up")
    wanted = setup.container.get("engine")
    names = [raw(wanted)] if wanted else [b"docker", b"podman"]
    why = "no %s on this node" % " or ".join(map(os.fsdecode, names))
    for name in names:
        path = setup.which(name)
        door = os.environ.get("DOCKER_HOST") or "/var/run/docker.sock"
        if path and name == b"docker" and door[0] == "/" and not os.access(door, os.W_OK):
            why = "docker is on this node, but its daemon cannot be reached at %s" % door
        elif path:
            return path
    raise Unstartable(127, why)


def container_command(
    setup: Setup, attempt: Attempt, argv: List[bytes], env: Dict[bytes, bytes], home: bytes
) -> Tuple[List[bytes], Dict[bytes, bytes]]:
    """The engine's command line for one attempt, and its environment.

    Values travel in the environment and only names in the argv, which anybody may read; but
    what would steer the engine itself (HOME, PATH, ...) is written out, unless secret.
    """
    engine = find_engine(setup)
    given = setup.container or {}
    with open(os.fsdecode(home) + "/engine", "wb") as file:
        file.write(engine)
    attempt.container = b"batchio-%s-%d-%d" % (setup.container_job, *attempt.key)
    words = [engine, b"run", b"--rm", b"--network", b"host", b"--name", attempt.container]
    words += [b"--label", b"batchio.home=" + home, b"--workdir", attempt.work]
    for folder in (attempt.work, attempt.scratch):
        words += [b"--volume", b"%s:%s" % (folder, folder)]
    docker = os.path.basename(engine) == b"docker"
    user = raw(given.get("user"))
    if user:
        os.chmod(attempt.work, 0o777)  # the home around them is ours alone
        os.chmod(attempt.scratch, 0o777)
    elif docker and os.getuid():
        user = b"%d:%d" % (os.getuid(), os.getgid())  # else root owns what it makes
    for name, value in (
        (b"--user", user),
        (b"--memory", b"%d" % setup.memory if setup.memory else b""),
        (b"--pull", raw(given.get("pull"))),
    ):
        words += [name, value] if value else []
    if given.get("gpu"):
        cdi = [b"--device", b"nvidia.com/gpu=all"]
        words += [b"--gpus", b"all"] if docker else cdi
    if not given.get("entrypoint"):
        words += [b"--entrypoint", b""]
    words += [b"--init"] if docker else []
    env = dict(env)
    for name in sorted(setup.own | attempt_names(attempt, setup)):
        if name not in env:
            continue
        if name.startswith(STEERING) and name not in setup.secret:
            words += [b"--env", name + b"=" + env.pop(name)]
            if name in os.environb:
                env[name] = os.environb[name]
        else:
            words += [b"--env", name]
    return [*words, raw(given["image"]), *argv], env


def attempt_names(attempt: Attempt, setup: Setup) -> Set[bytes]:
    """The variables that belong to one attempt."""
    names = b"""BATCHIO_TASK_ID COILED_BATCH_TASK_ID COILED_ARRAY_TASK_ID BATCHIO_ATTEMPT
        BATCHIO_OUTPUT_DIR BATCHIO_SCRATCH_DIR TMPDIR COILED_BATCH_TASK_INPUT""".split()
    own = map(raw, attempt.input) if isinstance(attempt.input, dict) else ()
    return {*names, setup.input_var, *own}


ERASE = b'"$0" kill "$1" >/dev/null 2>&1; exec "$0" rm -f "$1"'  # podman rm waits 10 s


def stop_container(agent: Agent, attempt: Attempt) -> None:
    if attempt.container and attempt.kills in (1, 4) and agent.setup:
        words = [b"/bin/sh", b"-c", ERASE, find_engine(agent.setup), attempt.container]
        agent.help(words, lambda status: None)


def remove_containers(home: str) -> None:
    """Containers of this home, should any have outlived their client."""
    engine = slurp(home + "/engine")
    if engine:
        script = (
            'for again in 1 2 3 4 5; do c=$("$0" ps -aq --filter "label=batchio.home=$1");'
            ' [ "$c" ] || break; "$0" kill $c; "$0" rm -f $c; done >/dev/null 2>&1'
        )
        words = ["/bin/sh", "-c", script, os.fsdecode(engine), home]
        os.waitpid(os.posix_spawn(words[0], words, os.environ), 0)


class Agent:
    """The daemon of one home."""

    def __init__(self, home: str, spool: Optional[str]) -> None:
        self.home = home
        self.bhome = os.fsencode(home)
        for name in ("work", "tmp"):
            os.makedirs(home + "/" + name, 0o700, exist_ok=True)
        for name in os.listdir(home + "/tmp"):  # of the instance before
            if remove(self.bhome + b"/tmp/" + os.fsencode(name), 1 << 30) < 0:
                say("cannot remove tmp/%s" % name)
        self.log = Log(spool or home + "/spool", keep=spool is not None)
        self.results = Results(home + "/results")
        self.instance = os.urandom(8).hex()
        self.identity = read_identity(home)
        self.setup: Optional[Setup] = None
        self.queue: deque[Attempt] = deque()
        self.attempts: Dict[Key, Attempt] = {}  # queued and running
        self.running: Set[Attempt] = set()  # have a slot
        self.lingering: Set[Attempt] = set()  # ended, but their pipes are open
        self.by_pid: Dict[int, Attempt] = {}
        self.helpers: Dict[int, Callable[[int], None]] = {}
        self.timed: List[Helper] = []
        self.doomed: List[Doom] = []
        self.slots_used: Set[int] = set()
        self.young: deque[Tuple[float, Attempt]] = deque()  # not listened to yet
        self.spare_work: List[bytes] = []  # empty folders, within one turn
        self.spare_scratch: List[bytes] = []
        self.scratches = 0
        self.affinity = self.all_cpus = sorted(cpu_set())
        self.pipes: Dict[int, Tuple[Attempt, int]] = {}
        self.doors: Dict[int, Callable[[int], object]] = {}
        self.peers: Dict[int, Connection] = {}
        self.head: Optional[Connection] = None
        self.news: List[List[Any]] = []  # messages for the next flush
        self.dones: List[bytes] = []  # and results, ready made
        self.begun: Dict[Key, float] = {}  # started, to be told
        self.owed: List[List[Any]] = []  # told when there is a head again
        self.troubled: Set[str] = set()
        self.prepared: Optional[Prepared] = None
        self.choked = ""  # why no pipe is read and nothing is started
        self.leaving = ""  # "keep" or "remove"
        self.leave_by = 0.0  # helpers have time until then
        self.forced = False  # do not wait for anybody
        self.dirty = False
        self.children_changed = False
        self.orphaned = False  # no head for longer than its lease
        self.now = self.heard = time.monotonic()
        self.flushed = 0.0
        self.wake = 0.0
        self.retry_at = 0.0
        self.ooms, self.ooms_at = 0, -1.0  # the kernel's count, and when we read it
        self.devnull = os.open("/dev/null", os.O_RDWR)
        os.dup2(self.devnull, 0)  # what every child inherits as its standard input
        self.children = open_children()
        become_subreaper()
        self.poller = Poller()
        self.listen()

    # -- the loop

    def listen(self) -> None:
        waker, self.woken = socket.socketpair()
        waker.setblocking(False)
        self.woken.setblocking(False)
        self.waker = waker
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_signal)
        self.door(self.woken.fileno(), self.on_wakeup)
        os.chdir(self.home)  # a socket's path has room for 107 bytes only
        if os.path.lexists("s"):
            os.unlink("s")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.setblocking(False)
        before = os.umask(0o177)
        self.listener.bind("s")
        os.umask(before)
        self.write_identity()
        self.listener.listen(16)
        self.door(self.listener.fileno(), self.on_peer)

    def door(self, fd: int, handler: Callable[[int], object]) -> None:
        self.doors[fd] = handler
        self.poller.register(fd, select.POLLIN)

    def close_door(self, fd: int) -> None:
        self.poller.unregister(fd)
        del self.doors[fd]
        os.close(fd)

    def on_signal(self, number: int, frame: Any) -> None:
        if not self.leaving:
            self.leaving = "keep"
        self.forced = True

    def on_wakeup(self, mask: int) -> None:
        self.woken.recv(4096)
        self.children_changed = True

    def serve(self) -> None:
        while not self.leave():
            self.turn()

    def turn(self) -> None:
        wake = min(self.wake, self.young[0][0]) if self.young else self.wake
        if self.dirty and self.flushed + FLUSH < wake:
            wake = self.flushed + FLUSH
        for fd, mask in self.poller.wait(max(0.0, wake - time.monotonic())):
            pipe = self.pipes.get(fd)
            if pipe is not None:
                self.read(fd, pipe[0], pipe[1])
            elif fd in self.doors:
                self.doors[fd](mask)
        self.now = now = time.monotonic()
        ended = self.reap() if self.children_changed else ()
        if self.queue and self.setup and not self.choked:
            self.launch_queued(self.setup)  # first, so that no slot waits for our books
        for attempt in ended:
            self.exited(attempt)
        while self.young and now >= self.young[0][0]:
            self.hear(self.young.popleft()[1])
        if now >= self.wake:
            self.watch()
        if self.log.waiting and self.choked in ("", "backlog") and not self.log.write():
            self.choke(str(self.log.error))
        while self.spare_work and not self.queue:
            os.rmdir(self.spare_work.pop())
        if self.dirty and now - self.flushed >= FLUSH:
            self.flush()

    def at(self, when: float) -> None:
        if when < self.wake:
            self.wake = when

    def watch(self) -> None:
        """Everything that happens because time went by; sets the next wake."""
        now = self.now
        self.wake = now + 60.0
        for attempt in list(self.lingering):
            until = min(attempt.linger or now, attempt.quiet_at)
            if now >= until and not self.choked:
                self.finish(attempt)
            else:
                self.at(max(now + 0.02, until))
        for attempt in self.running:
            if attempt.kill_at is not None:
                if now >= attempt.kill_at:
                    self.kill(attempt)
                self.at(attempt.kill_at)
            elif attempt.deadline is not None:
                if now >= attempt.deadline:
                    self.stop(attempt, "timed_out")
                else:
                    self.at(attempt.deadline)
        self.watch_doomed()
        for helper in self.timed:
            helper.watch()
        if self.choked:
            self.unchoke()
            self.at(now + 1.0)
        if self.retry_at > now:
            self.at(self.retry_at)
        self.watch_lease()

    def watch_lease(self) -> None:
        lease = self.setup.lease if self.setup else LEASE
        if self.orphaned or self.now < self.heard + lease:
            self.at(self.heard + lease if not self.orphaned else self.now + 1.0)
            return
        say("no word from a head for %g s: what is queued is dropped" % lease)
        self.orphaned = True
        self.owe_returned(list(self.queue))
        self.at(self.now)

    def leave(self) -> bool:
        """Whether it is time to go; by then nothing of ours runs."""
        if self.orphaned and not self.attempts and not self.leaving:
            self.leaving, self.forced = "keep", True
        cleaning = self.helpers or [d for d in self.doomed if d.attempt.container]
        busy = self.attempts or (cleaning and self.now < self.leave_by)
        if not self.leaving or (busy and not self.forced):
            return False
        sweep(self.home)
        remove_containers(self.home)
        if not self.forced:
            self.news.append(["bye"])
        self.flush()
        self.farewell()
        return True

    def farewell(self) -> None:
        """The head should hear the last words; two seconds are enough."""
        if self.head:
            self.head.sock.settimeout(2.0)
            with suppress(OSError):
                self.head.sock.sendall(self.head.outbox)

    # -- output

    def read(self, fd: int, attempt: Attempt, stream: int) -> int:
        """One read of a pipe; how many bytes it gave, -1 when there is nothing yet."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return -1
        if not data:
            self.close_pipe(fd, attempt)
            if attempt.linger is not None and not attempt.pipes:
                self.finish(attempt)
            return 0
        self.record(attempt, stream, data)
        if attempt.linger is not None:
            attempt.quiet_at = self.now + LINGER
        return len(data)

    def record(self, attempt: Attempt, stream: int, data: bytes) -> None:
        offset = self.log.append(attempt.key[0], attempt.key[1], stream, data)
        if attempt.log_from < 0:
            attempt.log_from = offset
        if len(data) < TAIL:
            attempt.tails[stream - 1] = (attempt.tails[stream - 1] + data)[-TAIL:]
        else:
            attempt.tails[stream - 1] = data[-TAIL:]
        if attempt.copies:
            try:
                os.write(attempt.copies[stream - 1], data)
            except OSError as error:
                self.trouble("cannot write a task's output file: %s" % error.strerror)
        if not self.log.keep and self.log.tail - self.log.logged > BACKLOG:
            self.choke("backlog")
        if self.head and self.head.pull:
            self.dirty = True

    def hear(self, attempt: Attempt) -> None:
        """From now on the loop reads what the attempt writes."""
        if not self.choked and not attempt.heard:
            attempt.heard = True
            for fd in attempt.pipes:
                self.poller.register(fd, select.POLLIN)

    def close_pipe(self, fd: int, attempt: Attempt) -> None:
        if attempt.heard:
            self.poller.forget(fd)
        del self.pipes[fd]
        attempt.pipes.discard(fd)
        os.close(fd)

    def choke(self, why: str) -> None:
        """Stops reading pipes and starting attempts; tasks wait in `write`."""
        if self.choked:
            return
        self.choked = why
        for attempt in self.attempts.values():
            for fd in attempt.pipes if attempt.heard else ():
                self.poller.unregister(fd)
            attempt.heard = False
        if why != "backlog":
            self.trouble("the log cannot be written (%s); tasks wait" % why)
        self.at(self.now + 1.0)

    def unchoke(self) -> None:
        full = not self.log.keep and self.log.tail - self.log.logged > BACKLOG
        if full or not self.log.write():
            return
        self.choked = ""
        for attempt in self.attempts.values():
            self.hear(attempt)
        self.dirty = True

    # -- starting

    def launch_queued(self, setup: Setup) -> None:
        while self.queue and len(self.running) < setup.slots and not self.leaving:
            if self.now < self.retry_at:
                return
            attempt = self.queue.popleft()
            self.running.add(attempt)
            if not attempt.started:
                attempt.started = time.time()
                self.begun[attempt.key] = attempt.started
                self.dirty = True
            try:
                self.launch(attempt, setup)
            except Unstartable as error:
                attempt.exit, why = error.args
                attempt.reason = error.reason
                attempt.ended = time.time()
                self.record(attempt, 2, b"batchio: " + setup.blank(raw(why)) + b"\n")
                self.finish(attempt)
            except BlockingIOError as error:  # fork: no more processes for us
                self.relaunch_later(attempt, error)

    def relaunch_later(self, attempt: Attempt, error: OSError) -> None:
        self.trouble("cannot start a process: %s; waiting" % error.strerror)
        self.release(attempt)
        self.queue.appendleft(attempt)
        self.retry_at = self.now + 1.0
        self.at(self.retry_at)

    def launch(self, attempt: Attempt, setup: Setup) -> None:
        """Makes the attempt's folders and starts its program."""
        slot = 0
        while slot in self.slots_used:
            slot += 1
        attempt.slot = slot
        self.slots_used.add(slot)
        self.make_folders(attempt, setup)
        env, extra = self.environment(attempt, setup)
        argv = setup.command(env, extra)
        if self.now > self.ooms_at + 1.0:  # a slow file; a second's doubt is cheaper
            self.ooms, self.ooms_at = oom_kills(), self.now
        attempt.ooms = self.ooms
        if setup.pin:
            self.pin(slot, setup.cpus)
        if setup.container:
            argv, env = container_command(setup, attempt, argv, env, self.bhome)
        elif setup.memory:
            argv = self.limited(attempt, setup, argv)
        out, out_w = os.pipe()
        err, err_w = os.pipe()
        try:
            attempt.pid = self.spawn(setup, argv, env, out_w, err_w)
        except BaseException:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_w)
            os.close(err_w)
        self.by_pid[attempt.pid] = attempt
        for stream, fd in ((1, out), (2, err)):
            self.pipes[fd] = (attempt, stream)
            attempt.pipes.add(fd)
        self.young.append((self.now + YOUNG, attempt))
        if setup.timeout:
            attempt.deadline = self.now + setup.timeout
            self.at(attempt.deadline)

    def make_folders(self, attempt: Attempt, setup: Setup) -> None:
        try:
            if self.spare_scratch:
                attempt.scratch = self.spare_scratch.pop()
            else:
                self.scratches += 1
                attempt.scratch = b"%s/tmp/%d" % (self.bhome, self.scratches)
                make_folder(attempt.scratch)
            try:
                self.take_folder(attempt.work)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                self.remove(attempt.work)  # an older instance left it
                self.take_folder(attempt.work)
            if setup.manifest:
                setup.manifest.copy(attempt.work)
            if setup.pipe_to_files and not attempt.copies:
                for end in (b"out", b"err"):
                    path = b"%s/task-%s.%s" % (attempt.work, raw(attempt.id), end)
                    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                    attempt.copies.append(os.open(path, flags, 0o666))
            os.chdir(attempt.work)
        except OSError as error:
            if error.errno in FULL:
                self.trouble("working directories: %s" % error.strerror)
            why = "the working directory cannot be made on this node: %s" % error.strerror
            raise NodeFault(126, why) from None

    def take_folder(self, path: bytes) -> None:
        if self.spare_work:
            os.rename(self.spare_work[-1], path)
            self.spare_work.pop()
        else:
            make_folder(path)

    def vacate(self, path: bytes, spare: List[bytes]) -> bool:
        """Whether a folder is empty. Then the next attempt has it, or it is removed.

        On ext4 a rename costs a tenth of `rmdir` and `mkdir`, which would be most of what
        an attempt costs us; and one look at its time says that nothing was ever put in.
        """
        try:
            info = os.stat(path)
            if info.st_mtime_ns != UNTOUCHED or info.st_mode != stat.S_IFDIR | 0o700:
                if os.listdir(path):
                    return False
                os.chmod(path, 0o700)
                os.utime(path, ns=(UNTOUCHED, UNTOUCHED))
        except OSError:
            return False
        spare.append(path)
        return True

    def environment(
        self, attempt: Attempt, setup: Setup
    ) -> Tuple[Dict[bytes, bytes], Tuple[bytes, ...]]:
        """The attempt's variables, and the names its input brought along.

        One dict serves all attempts: each sets the same keys, and spawn copies it.
        """
        env, given = setup.env, attempt.input
        extra: Tuple[bytes, ...] = ()
        if isinstance(given, dict):
            own = {raw(k): raw(v) for k, v in given.items()}
            env = dict(env)
            for name in (setup.input_var, *INPUT_NAMES):
                env.pop(name, None)
            env.update(own)
            extra = tuple(own)
        elif given is not None:
            for name in (setup.input_var, *INPUT_NAMES):
                env[name] = raw(given)
        elif INPUT_NAMES[0] in env:
            env = {k: v for k, v in env.items() if k not in (setup.input_var, *INPUT_NAMES)}
        name = raw(attempt.id)
        env[b"BATCHIO_TASK_ID"] = name
        env[b"COILED_BATCH_TASK_ID"] = name
        env[b"COILED_ARRAY_TASK_ID"] = name
        env[b"BATCHIO_ATTEMPT"] = b"%d" % attempt.key[1]
        env[b"BATCHIO_OUTPUT_DIR"] = attempt.work
        env[b"BATCHIO_SCRATCH_DIR"] = env[b"TMPDIR"] = attempt.scratch
        env[b"PWD"] = attempt.work
        return env, extra

    def spawn(
        self, setup: Setup, argv: List[bytes], env: Dict[bytes, bytes], out: int, err: int
    ) -> int:
        if not argv or not argv[0]:
            raise Unstartable(127, "no command was given")
        path = setup.which(argv[0])
        if path is None:
            raise Unstartable(127, "%s: not found on this node" % os.fsdecode(argv[0]))
        try:
            return self.spawn_raw(path, argv, env, out, err)
        except ValueError:
            raise Unstartable(126, "a word or a variable holds a NUL byte") from None
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                shell = [b"/bin/sh", path, *argv[1:]]
                return self.spawn_raw(b"/bin/sh", shell, env, out, err)
            if error.errno in (errno.EAGAIN, errno.ENOMEM):
                raise BlockingIOError(error.errno, error.strerror) from None
            setup.found.pop(argv[0], None)
            raise Unstartable(*why_not(path, error)) from None

    def spawn_raw(
        self, path: bytes, argv: List[bytes], env: Dict[bytes, bytes], out: int, err: int
    ) -> int:
        return os.posix_spawn(
            path,
            argv,
            env,
            file_actions=(
                (os.POSIX_SPAWN_DUP2, out, 1),
                (os.POSIX_SPAWN_DUP2, err, 2),
            ),
            setpgroup=0,
            setsigmask=(),
            setsigdef=IGNORED,
        )

    def pin(self, slot: int, cpus: float) -> None:
        count = max(1, int(cpus))
        at = slot * count % len(self.all_cpus)
        wanted = (self.all_cpus + self.all_cpus)[at : at + count]
        if wanted != self.affinity and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, wanted)
            self.affinity = wanted

    def limited(self, attempt: Attempt, setup: Setup, argv: List[bytes]) -> List[bytes]:
        """The command inside a control group of its own, where the kernel gives us one."""
        if not Cgroup.available() or not argv or not setup.which(argv[0]):
            return argv
        attempt.cgroup = Cgroup.make(attempt.name, int(setup.memory or 0))
        if not attempt.cgroup:
            return argv
        script = b'echo $$ > "$0"/cgroup.procs && exec "$@"'
        return [b"/bin/sh", b"-c", script, attempt.cgroup, *argv]

    # -- ending

    def reap(self) -> List[Attempt]:
        """Attempts whose main process has ended; their slots are free again."""
        ended: List[Attempt] = []
        self.children_changed = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if not pid:
                return ended
            attempt = self.by_pid.pop(pid, None)
            if attempt is not None:
                attempt.ended = time.time()
                attempt.exit = exit_code(status)
                unit = 1 if sys.platform == "darwin" else 1024
                attempt.rss = usage.ru_maxrss * unit
                attempt.spent = usage.ru_utime + usage.ru_stime
                self.release(attempt)
                ended.append(attempt)
            elif pid in self.helpers:
                self.helpers.pop(pid)(status)

    def exited(self, attempt: Attempt) -> None:
        """The main process is gone; what it wrote may still be in the pipes."""
        self.lingering.add(attempt)
        attempt.linger = self.now + LINGER_MOST
        attempt.quiet_at = self.now + LINGER
        if not attempt.pipes:
            self.finish(attempt)
            return
        if not self.choked:
            self.drain(attempt)
        if attempt in self.lingering:
            self.hear(attempt)
            self.at(attempt.quiet_at)

    def drain(self, attempt: Attempt) -> None:
        """Reads what is there; the last end of a pipe finishes the attempt."""
        for fd in list(attempt.pipes):
            os.set_blocking(fd, False)  # before, the poller said when a read would not wait
            stream = self.pipes[fd][1]
            for _ in range(32):
                if self.choked or self.read(fd, attempt, stream) <= 0:
                    break

    def finish(self, attempt: Attempt) -> None:
        """Everything about an ended attempt, into its record."""
        setup = self.setup
        assert setup is not None
        for fd in list(attempt.pipes):
            self.close_pipe(fd, attempt)
        for fd in attempt.copies:
            os.close(fd)
        strays = False
        if attempt.container:
            self.judge_container(attempt, setup)
        if attempt.pid:
            self.judge(attempt)
            strays = self.doom(attempt, setup)
        self.release(attempt)
        self.lingering.discard(attempt)
        del self.attempts[attempt.key]
        self.begun.pop(attempt.key, None)
        files, size = self.collect(attempt, setup, strays)
        failed = attempt.exit or attempt.reason
        end = self.log.tail
        self.results.fresh[attempt.key] = [
            *attempt.key,
            attempt.exit,
            attempt.reason,
            attempt.started,
            attempt.ended,
            attempt.rss,
            attempt.spent,
            attempt.log_from if attempt.log_from >= 0 else end,
            end,
            files,
            size,
            attempt.last_line(setup) if failed else "",
        ]
        self.dirty = True

    def judge(self, attempt: Attempt) -> None:
        """Was it the kernel, for lack of memory?"""
        killed = 0
        if attempt.cgroup:
            killed = Cgroup.kills(attempt.cgroup) if attempt.exit else 0
        elif attempt.exit in (-9, 137):
            killed = oom_kills() - attempt.ooms
        if killed > 0 and not attempt.reason and not attempt.killed:
            attempt.reason = "oom"

    def judge_container(self, attempt: Attempt, setup: Setup) -> None:
        """What the engine's exit code means; its own memory and time mean nothing."""
        attempt.rss, attempt.spent = 0, 0.0
        if attempt.exit == 125:
            why = "the container could not be started: " + attempt.last_line(setup)
            self.record(attempt, 2, b"batchio: " + raw(why) + b"\n")
            attempt.reason = attempt.reason or "unstartable"

    def release(self, attempt: Attempt) -> None:
        self.running.discard(attempt)
        self.slots_used.discard(attempt.slot)

    def collect(self, attempt: Attempt, setup: Setup, strays: bool) -> Tuple[int, int]:
        """(files, bytes) it left; folders that hold nothing of it are removed."""
        if strays or not self.vacate(attempt.scratch, self.spare_scratch):
            self.remove(attempt.scratch)
        if not strays and self.vacate(attempt.work, self.spare_work):
            return 0, 0
        sizes = [size for _, size in outputs(attempt.work, setup.manifest)]
        if not sizes:
            self.remove(attempt.work)
        return len(sizes), sum(sizes)

    def remove(self, path: bytes) -> None:
        """A small tree at once, a large one by somebody else."""
        if remove(path, 256) >= 0:
            return
        trash = b"%s/tmp/.gone.%s" % (self.bhome, os.urandom(6).hex().encode())
        try:
            os.rename(path, trash)
        except OSError:
            return
        script = b'chmod -R u+rwX "$0" 2>/dev/null; exec rm -rf "$0"'
        self.help([b"/bin/sh", b"-c", script, trash], lambda status: None)

    def help(self, argv: List[bytes], then: Callable[[int], None]) -> int:
        """Runs a program of ours beside the tasks."""
        os.chdir(self.home)
        env = dict(os.environb)
        env[b"BATCHIO_AGENT"] = self.bhome
        try:
            pid = self.spawn_raw(argv[0], argv, env, self.devnull, self.devnull)
        except OSError as error:
            say("cannot run %r: %s" % (argv[0], error.strerror))
            return 0
        self.helpers[pid] = then
        return pid

    def stop(self, attempt: Attempt, reason: str) -> None:
        if attempt in self.lingering:
            return
        if attempt not in self.running:
            self.queue.remove(attempt)
            attempt.reason = reason
            attempt.exit = -signal.SIGTERM
            del self.attempts[attempt.key]
            now = time.time()
            end = self.log.tail
            record = [*attempt.key, -15, reason, now, now, 0, 0.0, end, end, 0, 0, ""]
            self.results.fresh[attempt.key] = record
            self.dirty = True
        elif attempt.kill_at is None:
            attempt.reason = reason
            attempt.killed = True
            attempt.kill_at = self.now + (self.setup.grace if self.setup else 0)
            self.signal(attempt, signal.SIGTERM)
            self.signal(attempt, signal.SIGCONT)
            self.at(attempt.kill_at)

    def signal(self, attempt: Attempt, number: int) -> None:
        with suppress(OSError):
            os.killpg(attempt.pid, number)

    def kill(self, attempt: Attempt) -> None:
        """The end of the grace; and again each second, should it fork faster than we kill.

        A container is its engine's to kill; only if that does not help is it ours.
        """
        attempt.kills += 1
        stop_container(self, attempt)
        if not attempt.container or attempt.kills > 5:
            send(signal.SIGKILL, self.members(attempt, processes()))
            self.signal(attempt, signal.SIGKILL)
        attempt.kill_at = self.now + 1.0

    def members(self, attempt: Attempt, table: Dict[int, Tuple[int, int]]) -> Set[int]:
        """Every process of an attempt.

        Those below its main process, and below each orphan that came to us and belongs to
        it: by its group, by its control group, by the scratch folder in its environment;
        or by default, when no other attempt runs that could own it.
        """
        me = os.getpid()
        mark = b"BATCHIO_SCRATCH_DIR=" + attempt.scratch
        alone = not (self.by_pid.keys() - {attempt.pid})
        grouped = Cgroup.members(attempt.cgroup) if attempt.cgroup else set()
        roots = {attempt.pid} if attempt.pid in self.by_pid else set()
        for pid, (parent, group) in table.items():
            if pid in self.by_pid or pid in self.helpers or pid == me:
                continue
            mine = group == attempt.pid or pid in grouped
            if mine or (parent == me and (alone or marked(pid, mark))):
                roots.add(pid)
        return below(roots, table)

    def doom(self, attempt: Attempt, setup: Setup) -> bool:
        """What an ended attempt left running is told to end, and killed after the grace."""
        if not self.left_behind(attempt) and not attempt.cgroup:
            return False
        left = self.members(attempt, processes())
        if left or attempt.cgroup:
            hard = attempt.killed and self.now >= (attempt.kill_at or 0)
            if not attempt.container:  # else: the engine is cleaning up
                send(signal.SIGKILL if hard else signal.SIGTERM, left)
            self.doomed.append(Doom(attempt, self.now + (0 if hard else setup.grace)))
            self.at(self.now + 0.1)
        return bool(left)

    def left_behind(self, attempt: Attempt) -> bool:
        """Whether we have children that are neither attempts nor helpers. Cheap."""
        if self.children >= 0:
            children = os.pread(self.children, 4096, 0)
            known = len(self.by_pid) + len(self.helpers)
            return children.count(b" ") > known or len(children) == 4096
        try:
            os.killpg(attempt.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True

    def watch_doomed(self) -> None:
        if not self.doomed:
            return
        table = processes()
        for doom in list(self.doomed):
            left = self.members(doom.attempt, table)
            cgroup = doom.attempt.cgroup
            if not left and (not cgroup or Cgroup.remove(cgroup)):
                self.doomed.remove(doom)
                continue
            if self.now >= doom.kill_at:
                send(signal.SIGKILL, left)
            self.at(self.now + 0.1)

    # -- the head

    def on_peer(self, mask: int) -> None:
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        peer = Connection(sock)
        self.peers[peer.fd] = peer
        self.door(peer.fd, lambda mask: self.on_bytes(peer, mask))

    def on_bytes(self, peer: Connection, mask: int) -> None:
        self.now = time.monotonic()
        try:
            if mask & (select.POLLIN | select.POLLHUP | select.POLLERR):
                if peer is self.head:
                    self.heard = self.now
                for message in peer.receive():
                    self.obey(peer, message)
                    if peer.fd not in self.peers:
                        return
            if mask & select.POLLOUT:
                self.pump(peer)
        except OSError:
            self.hang_up(peer)
        except BadFrame as error:
            self.refuse(peer, str(error))

    def obey(self, peer: Connection, message: List[Any]) -> None:
        tag = message[0]
        if peer.epoch < 0 and tag != "hello":
            raise BadFrame("the first message is hello")
        verb = VERBS.get(tag)
        if verb is None:
            self.news.append(["trouble", "unknown message %.80r" % (tag,)])
            self.dirty = True
            return
        try:
            verb(self, peer, *message[1:])
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            import traceback

            say(traceback.format_exc())
            raise BadFrame("bad message %.200r: %s" % (message[0], error)) from None

    def refuse(self, peer: Connection, why: str) -> None:
        say("refused a peer: %s" % why)
        peer.outbox.clear()
        peer.put([JSON(["refused", why]).encode()])
        with suppress(OSError):
            peer.write()
        self.hang_up(peer)

    def hang_up(self, peer: Connection) -> None:
        if self.peers.pop(peer.fd, None) is None:
            return
        self.poller.unregister(peer.fd)
        del self.doors[peer.fd]
        peer.sock.close()
        if self.head is peer:
            self.head = None

    def on_hello(self, peer: Connection, given: Dict[str, Any]) -> None:
        epoch = int(given["epoch"])
        if given["v"] != VERSION:
            why = "this agent speaks protocol %d, not %s" % (VERSION, given["v"])
            self.refuse(peer, why)
            return
        job = self.identity.get("job")
        if job not in (None, given.get("job")):
            self.refuse(peer, "this agent works for job %s" % job)
            return
        if epoch < self.identity.get("epoch", -1):
            seen = self.identity["epoch"]
            self.refuse(peer, "epoch %d is over, %d commands" % (epoch, seen))
            return
        if self.head and self.head is not peer:
            self.refuse(self.head, "epoch %d took over" % epoch)
        if (epoch, job) != (self.identity.get("epoch"), given.get("job")):
            self.identity.update(epoch=epoch, job=given.get("job"))
            self.write_identity()
        self.head = peer
        peer.epoch = epoch
        self.heard = self.now
        self.orphaned = False
        self.news.clear()
        self.news.append(["hello", self.facts(epoch)])
        self.dones = list(self.results.sealed.values())
        self.news += self.owed
        self.owed.clear()
        self.flush()

    def facts(self, epoch: int) -> Dict[str, Any]:
        return {
            "v": VERSION,
            "instance": self.instance,
            "pid": os.getpid(),
            "epoch": epoch,
            "python": "%d.%d.%d" % sys.version_info[:3],
            "hostname": socket.gethostname(),
            "cpus": len(self.all_cpus),
            "memory": node_memory(),
            "gpus": node_gpus(),
            "engines": node_engines(),
            "address": node_address(),
            "boot_id": slurp("/proc/sys/kernel/random/boot_id").decode().strip(),
            "time": time.time(),
            "spool": self.log.end,
            "unacked": len(self.results.sealed),
            "limits": {"memory": Cgroup.available()},
        }

    def on_setup(self, peer: Connection, given: Dict[str, Any]) -> None:
        self.setup = Setup(given, self.home)
        self.at(self.now)

    def on_prepare(self, peer: Connection, script: str, timeout: Any = None) -> None:
        if self.prepared is None or not self.prepared.again(script):
            self.prepared = Prepared(self, script, timeout)

    def on_image(self, peer: Connection, image: str) -> None:
        try:
            engine = find_engine(self.setup)
        except Unstartable as error:
            self.tell(["imaged", image, False, error.args[1]])
            return
        script = b'"$0" image inspect "$1" >/dev/null 2>&1 || exec "$0" pull -q "$1"'
        argv = [b"/bin/sh", b"-c", script, engine, raw(image)]
        Helper(
            self,
            argv,
            None,
            lambda code, tail: self.tell(["imaged", image, not code, tail]),
        )

    def on_start(self, peer: Connection, attempts: List[List[Any]]) -> None:
        for task, attempt, id, given in attempts:
            key = (int(task), int(attempt))
            known = self.attempts.get(key)
            if known is None and key in self.results.seqs:
                again = self.results.sealed[self.results.seqs[key]]
                if again not in self.dones:
                    self.dones.append(again)
                self.dirty = True
            elif known is None and key not in self.results.fresh:
                known = Attempt(key, str(id), given, self.bhome)
                self.attempts[key] = known
                self.queue.append(known)
            elif known is not None and known.pid:
                self.begun[key] = known.started
                self.dirty = True

    def on_stop(self, peer: Connection, keys: List[List[int]], reason: str) -> None:
        for task, number in keys:
            attempt = self.attempts.get((task, number))
            if attempt:
                self.stop(attempt, str(reason))

    def on_recall(self, peer: Connection, keys: List[List[int]]) -> None:
        wanted = {(task, number) for task, number in keys}
        self.owe_returned([one for one in self.queue if one.key in wanted])

    def owe_returned(self, attempts: List[Attempt]) -> None:
        gone = set(attempts)
        if not gone:
            return
        self.queue = deque(one for one in self.queue if one not in gone)
        for one in attempts:
            del self.attempts[one.key]
        self.tell(["returned", [list(one.key) for one in attempts]])

    def tell(self, message: List[Any]) -> None:
        """News that waits for a head when there is none."""
        (self.news if self.head else self.owed).append(message)
        self.dirty = True

    def trouble(self, text: str) -> None:
        if text not in self.troubled:
            self.troubled.add(text)
            say(text)
            self.tell(["trouble", text])

    def on_ack(self, peer: Connection, seq: int) -> None:
        self.results.ack(int(seq))

    def on_pull(self, peer: Connection, offset: int, limit: int) -> None:
        peer.pull = [int(offset), int(limit)]
        self.dirty = True

    def on_logged(self, peer: Connection, offset: int) -> None:
        self.log.forget(int(offset))
        if self.choked:
            self.unchoke()

    def on_fetch(self, peer: Connection, task: int, attempt: int, known: int = 0) -> None:
        folder = self.bhome + b"/work/%d.%d" % (task, attempt)
        pieces = tar(folder, self.setup.manifest if self.setup else None)
        peer.fetches.append(Fetch((task, attempt), pieces, int(known)))
        self.dirty = True

    def on_discard(self, peer: Connection, keys: List[List[int]]) -> None:
        for task, attempt in keys:
            if (task, attempt) not in self.attempts:
                self.remove(self.bhome + b"/work/%d.%d" % (task, attempt))

    def on_ping(self, peer: Connection, number: Any) -> None:
        disk = os.statvfs(self.home)
        state = {
            "load": os.getloadavg()[0],
            "running": len(self.running),
            "queued": len(self.queue),
            "disk_free": disk.f_bavail * disk.f_frsize,
            "spool": self.log.end,
        }
        self.news.append(["pong", number, state])
        self.dirty = True

    def on_bye(self, peer: Connection, keep: bool = False) -> None:
        self.leaving = "keep" if keep else "remove"
        self.leave_by = self.now + (self.setup.grace if self.setup else 0.0) + 5.0
        self.at(self.leave_by)
        for attempt in list(self.attempts.values()):
            self.stop(attempt, "bye")

    def flush(self) -> None:
        """Results to disk, then everything new to the head, then log bytes."""
        self.dirty = False
        self.flushed = self.now
        if self.log.waiting and self.choked in ("", "backlog"):
            self.log.write()
        done = None if self.log.waiting else self.results.seal()
        if self.results.stale:
            self.trouble("results cannot be written to disk; they are kept in memory")
        head = self.head
        if head is None:
            self.begun.clear()
            self.news.clear()
            self.dones.clear()
            return
        if self.begun:
            begun = [[*key, when] for key, when in self.begun.items()]
            self.news.append(["started", begun])
            self.begun.clear()
        if done:
            self.dones.append(done)
        if self.news or self.dones:
            head.put([JSON(one).encode() for one in self.news] + self.dones)
            self.news, self.dones = [], []
        try:
            self.pump(head)
        except OSError:
            self.hang_up(head)

    def pump(self, peer: Connection) -> None:
        """Control messages, then data a frame at a time, as long as the kernel takes it."""
        blocked = peer.blocked
        peer.write()
        frames = 0
        while not peer.outbox and frames < 8 and self.next_data(peer):
            frames += 1
            peer.write()
        more = peer.blocked or (frames == 8)
        if more != blocked:
            peer.blocked = more
            mask = select.POLLIN | (select.POLLOUT if more else 0)
            self.poller.modify(peer.fd, mask)

    def next_data(self, peer: Connection) -> bool:
        """Puts one frame of log or output bytes into the outbox, if there is any."""
        found = False
        if peer.pull and peer.pull[1] > 0:
            offset, data = self.log.read(peer.pull[0], min(DATA_FRAME, peer.pull[1]))
            if data:
                peer.frame(1, OFFSET.pack(offset), data)
                peer.pull = [offset + len(data), peer.pull[1] - len(data)]
                found = True
        if peer.fetches:
            fetch = peer.fetches[0]
            data, files = next(fetch.pieces, (b"", 0))
            new = data[max(fetch.known - fetch.bytes, 0) :]
            fetch.files += files
            fetch.bytes += len(data)
            fetch.crc = zlib.crc32(data, fetch.crc)
            if new or not data:
                peer.frame(2, OUTPUT.pack(*fetch.key), new)
            if not data:
                peer.fetches.popleft()
                news = ["fetched", *fetch.key, fetch.files, fetch.bytes, fetch.crc]
                peer.put([JSON(news).encode()])
            found = True
        return found

    def write_identity(self) -> None:
        self.identity.update(
            v=VERSION,
            instance=self.instance,
            pid=os.getpid(),
            start=start_time(os.getpid()),
            socket=self.home + "/s",
        )
        try:
            with open(self.home + "/agent.json.new", "w") as file:
                file.write(JSON(self.identity) + "\n")
            os.replace(self.home + "/agent.json.new", self.home + "/agent.json")
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.trouble("agent.json cannot be written: %s" % error.strerror)


VERBS: Dict[str, Callable[..., None]] = {
    name[3:]: getattr(Agent, name)
    for name in dir(Agent)
    if name.startswith("on_") and name not in ("on_signal", "on_wakeup", "on_peer", "on_bytes")
}


# -- commands ------------------------------------------------------------------------------


def own_folder(home: str) -> None:
    """Makes the home; refuses one that somebody else could have put there."""
    parent = os.path.dirname(home)
    for folder in (parent, home):
        os.makedirs(folder, 0o700, exist_ok=True)
    info = os.lstat(home)
    if info.st_uid != os.getuid() or not stat.S_ISDIR(info.st_mode):
        raise OSError(errno.EPERM, "%s belongs to somebody else" % home)
    os.chmod(home, 0o700)


def lock(home: str, wait: float = 0.0) -> int:
    """The descriptor that makes us the owner of the home; -1 when there is one."""
    fd = os.open(home + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError:
            if time.monotonic() >= end:
                os.close(fd)
                return -1
            time.sleep(0.01)


def listening(home: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            os.chdir(home)
            probe.connect("s")
        except OSError:
            return False
    return True


def run(home: str, spool: Optional[str], ready: int = -1) -> int:
    own_folder(home)
    owner = lock(home)
    if owner < 0:
        say("another agent owns %s" % home)
        return 1
    sweep(home)
    remove_containers(home)
    agent = Agent(home, spool)
    if ready >= 0:
        os.close(ready)
    agent.serve()
    agent.listener.close()
    if agent.leaving == "remove":
        erase(home)
    return 0


def up(home: str, spool: Optional[str]) -> int:
    own_folder(home)
    end = time.monotonic() + 20.0
    told = b""
    if not listening(home):
        out, into = os.pipe()
        if os.fork() == 0:
            daemon(home, spool, into)
        os.close(into)
        while True:
            data = os.read(out, 4096)
            if not data:
                break
            told += data
    while not listening(home):
        if told or time.monotonic() > end:
            sys.stderr.write(told.decode() or "the agent does not come up; see agent.log\n")
            return 1
        time.sleep(0.01)
    known = read_identity(home)
    names = ("v", "instance", "pid", "socket")
    sys.stdout.write(JSON({name: known.get(name) for name in names}) + "\n")
    return 0


def daemon(home: str, spool: Optional[str], ready: int) -> None:
    """Never returns: the daemon's whole life, in a session of its own."""
    code = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        words = os.open(home + "/agent.log", flags, 0o600)
        nothing = os.open("/dev/null", os.O_RDONLY)
        for fd, target in ((nothing, 0), (words, 1), (words, 2)):
            os.dup2(fd, target)
        ready = os.dup2(ready, 3, inheritable=False)
        os.closerange(4, 1 << 16)
        try:
            code = run(home, spool, ready)
        except BaseException as error:
            import traceback

            say(traceback.format_exc())
            with suppress(OSError):
                os.write(ready, raw("agent: %s\n" % error))
    finally:
        os._exit(code)


def down(home: str) -> int:
    if os.path.isdir(home):
        known = read_identity(home)
        pid = known.get("pid", 0)
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
            if pid and start_time(pid) == known.get("start"):
                send(number, {pid})
            if lock(home, patience) >= 0:
                break
        sweep(home)
        remove_containers(home)
        erase(home)
    return 0


def erase(home: str) -> None:
    """Removes the home, and the user's folder around it when nothing else is in there."""
    import shutil

    def insist(function: Any, path: str, info: Any) -> None:
        try:
            os.chmod(os.path.dirname(path), 0o700)
            os.chmod(path, 0o700)
            function(path)
        except OSError as error:
            say("cannot remove %s: %s" % (path, error.strerror))

    os.chdir("/")
    for _ in range(3):  # what a task left unreadable takes another round
        shutil.rmtree(home, onerror=insist)
        if not os.path.exists(home):
            break
    parent = os.path.dirname(home)
    if os.path.basename(parent).startswith("batchio-"):
        with suppress(OSError):
            os.rmdir(parent)


def logs(paths: List[str]) -> int:
    """Prints segments: time, task.attempt, stream, text."""
    for path in paths:
        data = memoryview(slurp(path))
        for at, (size, task, attempt, stream, _, when) in records(data):
            clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when // 1000000))
            head = "%s.%06dZ %d.%d %s " % (
                clock,
                when % 1000000,
                task,
                attempt,
                "err" if stream == 2 else "out",
            )
            for line in bytes(data[at : at + size]).splitlines():
                sys.stdout.write(head + line.decode("utf-8", "replace") + "\n")
    return 0


def main(words: List[str]) -> int:
    verb, rest = (words or [""])[0], words[1:]
    spool = None
    if "--spool" in rest[:-1]:
        at = rest.index("--spool")
        spool = os.path.abspath(rest[at + 1])
        del rest[at : at + 2]
    if verb == "logs" and rest:
        return logs(rest)
    if verb not in ("up", "run", "down") or len(rest) != 1:
        sys.stderr.write("usage: agent.py up|run|down HOME [--spool DIR] | logs FILE...\n")
        return 2
    home = os.path.abspath(rest[0])
    try:
        if verb == "down":
            return down(home)
        return (up if verb == "up" else run)(home, spool)
    except OSError as error:
        sys.stderr.write("agent: %s\n" % error)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
