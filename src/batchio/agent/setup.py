"""The settings that all attempts share: the head's `setup`, made ready for cheap starts."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from batchio.agent.basics import raw, slurp
from batchio.agent.door import MOST_SLOTS, listing, maybe, seconds, table, text, whole_number
from batchio.agent.node import node_devices, node_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from batchio.agent.members import Members

LEASE = 3600.0  # until a setup says otherwise
SHORTEST = 4  # bytes of a secret that is blanked: fewer stand in every other word
DEVICES = b"CUDA_VISIBLE_DEVICES"
THREADS = (
    b"OMP_NUM_THREADS",
    b"MKL_NUM_THREADS",
    b"OPENBLAS_NUM_THREADS",
    b"NUMEXPR_NUM_THREADS",
)


def linked(home: str) -> bytes:
    """Return the path of the Python environment that a home leads to, or b""."""
    try:
        return os.fsencode(os.readlink(home + "/software"))
    except OSError:
        return b""


class Setup:
    """The head's `setup` message, made ready so that each start is cheap."""

    def __init__(self, given: dict[str, Any], home: str, members: Members) -> None:
        get = given.get
        self.slots = max(1, whole_number(get("slots") or 1, MOST_SLOTS))
        self.cpus = min(seconds(get("cpus") or 1), float(MOST_SLOTS))
        self.pin = bool(get("pin"))
        self.memory = maybe(whole_number, get("memory"))
        self.grace = seconds(given.get("grace", 10))
        self.timeout = maybe(seconds, get("timeout"))
        self.lease = seconds(get("lease") or LEASE)
        self.shell = bool(get("shell"))
        self.pipe_to_files = bool(get("pipe_to_files"))
        self.container = maybe(table, get("container"))
        self.input_var = raw(text(get("input_var") or "BATCHIO_TASK_INPUT"))
        own = {raw(k): raw(v) for k, v in table(get("env") or {}).items()}
        secrets = {raw(k): raw(v) for k, v in table(get("secrets") or {}).items()}
        self.redacted = sorted(
            {
                line
                for value in secrets.values()
                for line in value.split(b"\n")
                if len(line) >= SHORTEST
            },
            key=len,
            reverse=True,
        )
        own.update(secrets)
        own.update(self.names(get, home))
        self.node = str(get("node_id"))
        own.update(members.variables(self.node))
        threads = b"%d" % max(1, int(self.cpus))
        for name in THREADS:
            if name not in os.environb:
                own.setdefault(name, threads)
        self.secret = set(secrets)
        self.job = raw(get("job_id") or "job")
        self.own = set(own)  # what is ours to pass on; the rest is the node's
        self.env = dict(os.environb)
        environment = linked(home) if get("software") else b""
        if environment:
            for name in (b"PYTHONPATH", b"PYTHONHOME"):  # the node's own
                self.env.pop(name, None)
        self.env.update(own)
        if environment:
            self.enter(environment)
        self.found: dict[bytes, bytes | None] = {}
        python = environment + b"/bin/python" if environment else raw(get("python"))
        self.python = python or (
            b"python3"
            if self.container
            else self.which(b"python3") or self.which(b"python") or b"python3"
        )
        self.gpus = whole_number(get("gpus") or 0, MOST_SLOTS)  # of each attempt
        if DEVICES in own:  # the user knows better
            self.gpus = 0
        self.devices = (os.environb.get(DEVICES) or node_devices()).split(b",")
        self.words = self.template([raw(text(word)) for word in listing(get("argv") or [])])
        self.files = bool(get("files"))

    def enter(self, environment: bytes) -> None:
        """Let attempts use a Python environment, as if it were activated."""
        path = self.env.get(b"PATH") or b"/usr/bin:/bin"
        self.env[b"PATH"] = b"%s/bin:%s" % (environment, path)
        virtual = os.path.exists(environment + b"/pyvenv.cfg")
        self.env[b"VIRTUAL_ENV" if virtual else b"CONDA_PREFIX"] = environment
        folders = slurp(os.fsdecode(environment) + "/pythonpath")
        if folders:
            self.env.setdefault(b"PYTHONPATH", folders)

    def names(self, get: Callable[[str], Any], home: str) -> dict[bytes, bytes]:
        """Return the variables that are the same for every attempt."""
        host = socket.gethostname()
        memory = self.memory or node_memory()
        rows = (
            ("BATCHIO_TASK_COUNT COILED_BATCH_TASK_COUNT", get("task_count")),
            ("BATCHIO_JOB_ID COILED_CLUSTER_ID", get("job_id")),
            ("BATCHIO_JOB_NAME COILED_CLUSTER_NAME", get("job_name")),
            ("BATCHIO_NODE_ID", get("node_id")),
            ("BATCHIO_HOSTNAME", host),
            ("BATCHIO_LOCAL_ADDRESS COILED_BATCH_LOCAL_ADDRESS", get("address")),
            ("BATCHIO_CPUS", "%g" % self.cpus),
            ("BATCHIO_MEMORY", memory),
            ("BATCHIO_AGENT", home),
        )
        return {
            name.encode(): raw(value)
            for names, value in rows
            if value is not None
            for name in names.split()
        }

    def template(self, words: list[bytes]) -> list[Any]:
        """Return the words of the command; `command` still fills in their `$NAME`s."""
        if self.shell:
            self.fixed = True
            return [b"/bin/sh", b"-c", *words[:1], b"sh", *words[1:]]
        words = [self.python if word == b"{python}" else word for word in words[:1]] + words[1:]
        self.fixed = not any(b"$" in word for word in words)
        return words

    def pattern(self, names: tuple[bytes, ...]) -> Any:
        """Return a pattern that matches `$NAME` and `${NAME}`, each also after a backslash."""
        import re  # ten milliseconds that a plain command does not cost

        some = b"|".join(re.escape(name) for name in names)
        name = rb"(?:BATCHIO|COILED)_[A-Za-z0-9_]+|(?:" + some + rb")(?![A-Za-z0-9_])"
        return re.compile(rb"\\?\$(?:\{(" + name + rb")\}|(" + name + rb"))")

    def command(self, env: dict[bytes, bytes], extra: tuple[bytes, ...]) -> list[bytes]:
        """Return the argv of one attempt; names without a value stay as typed, so do secrets'."""
        if self.fixed:
            return self.words
        pattern = self.pattern((self.input_var, *extra))

        def value(match: Any) -> bytes:
            name = match[1] or match[2]
            found = None if name in self.secret else env.get(name)
            return match[0] if found is None else found

        return [pattern.sub(value, w) if b"$" in w else w for w in self.words]

    def which(self, name: bytes) -> bytes | None:
        """Return where PATH has a program, or None; found ones are remembered."""
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
        """Return the text without any secret's value."""
        for secret in self.redacted:
            text = text.replace(secret, b"***")
        return text
