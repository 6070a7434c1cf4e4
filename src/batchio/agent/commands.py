"""The commands: up, run, down, logs."""

from __future__ import annotations

import _signal as signal
import os
import sys
import time

from batchio.agent.basics import raw, say, slurp
from batchio.agent.containers import remove_containers
from batchio.agent.daemon import Agent
from batchio.agent.home import erase, listening, lock, own_folder, public, read_identity
from batchio.agent.processes import send, start_time, sweep
from batchio.agent.spool import records


def run(home: str, spool: str | None, ready: int = -1) -> int:
    """The daemon's life; `ready` hears what `up` is to print."""
    own_folder(home)
    used = os.path.exists(home + "/lock")
    owner = lock(home)
    if owner < 0:
        say("another agent owns %s" % home)
        return 1
    if used:  # looking at every process of the node is most of what a start costs
        sweep(home)
        remove_containers(home)
    agent = Agent(home, spool)
    agent.begin()
    if ready >= 0:
        os.write(ready, public(agent.identity.known).encode())
        os.close(ready)
    agent.serve()
    if not agent.departure.keep:
        erase(home)
    return 0


def up(home: str, spool: str | None) -> int:
    own_folder(home)
    if listening(home):
        told = b""
    else:
        out, into = os.pipe()
        if os.fork() == 0:
            daemon(home, spool, into)
        os.close(into)
        told = read_all(out)
    if not told:  # it is not ours; perhaps somebody else's is about to listen
        end = time.monotonic() + 20.0
        while not listening(home):
            if time.monotonic() > end:
                told = b"the agent does not come up; see agent.log\n"
                break
            time.sleep(0.01)
        else:
            told = public(read_identity(home)).encode()
    good = told.startswith(b"{")
    (sys.stdout if good else sys.stderr).write(told.decode())
    return 0 if good else 1


def read_all(fd: int) -> bytes:
    told = b""
    while True:
        data = os.read(fd, 4096)
        if not data:
            return told
        told += data


def daemon(home: str, spool: str | None, ready: int) -> None:
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
        close_from(4)
        try:
            code = run(home, spool, ready)
        except BaseException as error:
            import traceback

            say(traceback.format_exc())
            try:
                os.write(ready, raw("agent: %s\n" % error))
            except OSError:
                pass
    finally:
        os._exit(code)


def close_from(lowest: int) -> None:
    """Descriptors that whoever called us left open. Older Pythons try all that there may be."""
    try:
        fds = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        fds = list(range(1 << 16))
    for fd in fds:
        if fd >= lowest:
            try:
                os.close(fd)
            except OSError:
                pass


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


def logs(paths: list[str]) -> int:
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


def main(words: list[str]) -> int:
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
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # without tidying up a memory that goes away: that costs two milliseconds
