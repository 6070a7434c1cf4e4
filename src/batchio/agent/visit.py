"""A program of its own: a shell, or a command, in the folder and environment of a task.

The environment is read off the task's own process, so that secrets travel no other way. Words
of the command line: the home; `TASK.ATTEMPT` in numbers, or "" for the home itself; the
task's id; the command, by default the user's shell.
"""

from __future__ import annotations

import os
import pwd
import sys


def environment(home: str, task: str) -> dict[bytes, bytes]:
    """Return the variables of a process that runs for this task; our own when there is none."""
    marks = {b"BATCHIO_AGENT=" + os.fsencode(home), b"BATCHIO_TASK_ID=" + os.fsencode(task)}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                found = file.read().split(b"\0")
        except OSError:
            continue
        if marks.issubset(found):
            env = dict(entry.split(b"=", 1) for entry in found if b"=" in entry)
            env.setdefault(b"TERM", os.environb.get(b"TERM", b"dumb"))
            return env
    return dict(os.environb)


def own_shell() -> str:
    """Return the account's shell; a user id need not have an account."""
    try:
        return pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:
        return "/bin/sh"


def visit(home: str, key: str, task: str, words: list[str]) -> str:
    """Become the command; return only when it cannot be run, and why."""
    place = "%s/work/%s" % (home, key) if key else home
    env = environment(home, task) if key else dict(os.environb)
    try:
        os.chdir(place)
    except OSError:
        return "%s is not there any more" % place
    if not words:
        words = [os.environ.get("SHELL") or own_shell(), "-i"]
    try:
        os.execvpe(words[0], words, env)
    except OSError as error:
        return "%s: %s" % (words[0], error.strerror)


if __name__ == "__main__":
    sys.exit("batchio: " + visit(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
