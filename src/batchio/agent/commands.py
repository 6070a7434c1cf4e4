"""The commands of the agent's command line: up, run, down, logs."""

from __future__ import annotations

import os
import signal
import sys
import time

from batchio.agent.basics import say, slurp
from batchio.agent.containers import remove_containers
from batchio.agent.daemon import Agent
from batchio.agent.home import VERSION, erase, listener, lock, own_folder, public, read_identity
from batchio.agent.processes import send, start_time, sweep
from batchio.agent.spawning import Caller
from batchio.agent.spool import records

CRASH = 2000  # characters of the words in which an agent ended


def run(home: str, spool: str | None) -> int:
    Caller.umask = os.umask(0o077)
    own_folder(home)
    used = os.path.exists(home + "/lock")
    owner = lock(home)
    if owner < 0:
        say("another agent owns %s" % home)
        return 1
    begun(home, spool, used).serve()
    return 0


def up(home: str, spool: str | None) -> int:
    """Print where the agent of a home listens; when there is none, become it.

    An agent of an older version, or one that could not write down who it is, is ended with what
    it runs, like one that was killed: its results are kept. The caller waits for the end of our
    output, not of our process.
    """
    Caller.umask = os.umask(0o077)
    own_folder(home)
    end = time.monotonic() + 20.0
    while time.monotonic() < end:
        answers = listener(home)
        known = read_identity(home) if answers else {}
        if known.get("v", 0) >= VERSION:
            answer(public(known))
            return 0
        used = os.path.exists(home + "/lock")
        owner = evict(home) if answers else lock(home)
        if owner >= 0:
            return live(home, spool, used)
        time.sleep(0.01)
    sys.stderr.write("agent: it does not come up; see agent.log\n")
    return 1


def evict(home: str) -> int:
    """End the daemon of a home, and lock the home; return the lock's descriptor, or -1.

    -1 means that the daemon did not end.
    """
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        pid = owner_pid(home)
        if pid:
            send(number, {pid})
        owner = lock(home, patience)
        if owner >= 0:
            return owner
    return -1


def owner_pid(home: str) -> int:
    """Return the pid of the daemon of a home, or 0 when nobody tells."""
    known = read_identity(home)
    pid = known.get("pid", 0)
    if pid and start_time(pid) == known.get("start"):
        return int(pid)
    return max(listener(home), 0)  # agent.json could not be written


def live(home: str, spool: str | None, used: bool) -> int:
    """Run the daemon until its end, in a session of its own, away from its caller."""
    try:
        os.setsid()
    except PermissionError:  # it leads one already
        pass
    agent = begun(home, spool, used)
    answer(public(agent.identity.known))
    words = os.open(home + "/agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target in (1, 2):
        os.dup2(words, target)
    os.close(words)
    try:
        agent.serve()
    except BaseException:
        import traceback

        last = traceback.format_exc()
        say(last)
        try:
            with open(home + "/crash", "w") as file:
                file.write(last)
        except OSError:
            pass
        return 1
    return 0


def begun(home: str, spool: str | None, used: bool) -> Agent:
    """Return the agent of a home that is locked by us, after ending what an older one ran."""
    if used:  # looking at every process of the node is most of what a start costs
        sweep(home)
        remove_containers(home)
    agent = Agent(home, spool)
    crash = slurp(home + "/crash").decode("utf-8", "replace").strip()
    if crash:
        os.unlink(home + "/crash")
        agent.outbox.trouble("the agent before this one broke down: %s" % crash[-CRASH:])
    agent.begin()
    return agent


def answer(line: str) -> None:
    """Print the command line's answer to the head."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def down(home: str) -> int:
    if os.path.isdir(home):
        evict(home)
        sweep(home)
        remove_containers(home)
        left = erase(home)
        if left:
            sys.stderr.write("agent: %s\n" % left)
            return 1
    answer('"gone"')
    return 0


def logs(paths: list[str]) -> int:
    """Print log segments: time, task.attempt, stream, text."""
    for path in paths:
        data = memoryview(slurp(path))
        for at, (size, task, attempt, stream, _, when) in records(data):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when // 1000000))
            head = "%s.%06dZ %d.%d %s " % (
                stamp,
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
        sys.stderr.write("agent: %s: %s\n" % (error.filename, error.strerror))
        return 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # without tidying up a memory that goes away: that costs two milliseconds
