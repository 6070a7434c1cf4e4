"""Makes sure that an agent runs on a node, and takes everything away again.

Everything of a user's agents lies in one folder of the node, `/var/tmp/batchio-<uid>`: a
copy of the agent, named by its digest, and one home a job and node. One command does it
all; a second one is only needed to send the agent to a node that does not have it yet.
Verbs may be repeated, and two heads may say them at once: the agent itself locks its home.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio import agent
from batchio.errors import NodeError, Unfit
from batchio.runtime import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.ports import Transport

BASE: Final = "/var/tmp"  # noqa: S108 - the folder in it is private, and its owner is checked
"""On a local disk everywhere, unlike homes, and not emptied at a reboot, unlike /tmp."""

PATIENCE_S: Final = 60.0
"""How long one command of a bootstrap may take; a loaded node starts Python slowly."""

_MARK: Final = "@batchio"

_SCRIPT: Final = r"""
mode=$1 base=$2 digest=$3 verb=$4 name=$5; shift 5
umask 077; cd /
answer() { printf '\n@batchio %s\n' "$*"; exit 0; }
tidy() {
  for home in "$root"/*/; do [ -d "$home" ] && return; done
  [ -d "$root" ] || return
  find "$root" -name '*.part' -mmin +10 -exec rm -f {} +
  rm -f "$root"/agent-*.py "$root"/agent-*.pyc; rmdir "$root" 2>/dev/null
}
work() {
  if [ "$verb" = sweep ]; then "$python" -I -S -c "$1" "$root"
  else "$python" -I -S "$agent" "$verb" "$root/$name" "$@"; fi </dev/null
}
root=$base/batchio-$(id -u)
[ "$verb" = up ] || [ -d "$root/$name" ] || { tidy; answer done - "$root"; }
if [ ! -d "$root" ]; then
  why=$(mkdir -m 700 "$root" 2>&1) || [ -d "$root" ] || answer failed "$root" "$why"
fi
[ -O "$root" ] && [ ! -L "$root" ] || answer foreign "$root"
agent=$root/agent-$digest
part=$agent.$$.part
case $mode in
  ask)
    if [ -s "$agent.pyc" ]; then agent=$agent.pyc
    elif [ -s "$agent.py" ] || [ "$verb" = sweep ]; then agent=$agent.py
    else answer absent "$root"; fi ;;
  *)
    why=$( { cat >"$part" && rm -f "$agent".py* && mv "$part" "$agent.$mode"; } 2>&1 ) ||
      { rm -f "$part"; answer failed "$root" "$why"; }
    agent=$agent.$mode ;;
esac
old=
for python in /usr/bin/python3 python3 /usr/local/bin/python3 \
    python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
  command -v "$python" >/dev/null 2>&1 || continue
  if said=$(work "$@"); then
    [ "$verb" = down ] && tidy
    printf '\n@batchio done %s %s\n%s\n' "$python" "$root" "$said"; exit 0
  fi
  "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null &&
    answer failed "$root"
  old="$old, $python is $("$python" -V 2>&1 | head -n 1)"
done
answer pythonless "$root" "${old#, }"
"""
"""Arguments: ask, or pyc or py when that comes on stdin; the base folder; the agent's digest;
up, down or sweep; the home's name; further words. The answer is a marked line, for a login
shell may print what it likes before it. No Python is started to look whether one is fit:
only when the agent did not run is the reason looked for."""

_SWEEP: Final = """
import os, socket, sys
for entry in os.scandir(sys.argv[1]):
    if entry.is_dir(follow_symlinks=False):
        probe = socket.socket(socket.AF_UNIX)
        try:
            probe.connect(entry.path + "/s")
        except OSError:
            print(entry.name)
        probe.close()
"""

_FROM_STDIN: Final = "import marshal, sys; exec(marshal.loads(sys.stdin.buffer.read()[16:]))"
"""Where this installation may not be written to: an agent that is no file."""


class AgentAddress(NamedTuple):
    """Where an agent of a node is, and which."""

    socket: str
    """Path of its Unix socket there."""
    instance: str
    """New whenever the agent process is new."""
    pid: int
    python: str
    """What it runs with; also fit for anything else that needs Python there."""
    home: str


async def bootstrap(
    transport: Transport, *, home_name: str, spool: str | None = None, base: str = BASE
) -> AgentAddress:
    """Make sure that the agent `home_name` runs on the node, and say where.

    One round trip where the node has the agent's file; otherwise two, or three when its
    Python is of another version than ours.

    Args:
        transport: An open way to the node.
        home_name: One path element, the same for the same job and node.
        spool: A folder there for log segments, instead of one in the home.
        base: The folder in which the user's own is made.

    Raises:
        Unfit: there is no Python 3.8 or later.
        NodeError: no room, or the folder belongs to somebody else.
        Unreachable, TimeoutError: of the transport.
    """
    options = [] if spool is None else ["--spool", spool]
    if transport.local:
        home = f"{_local_root(transport.where, base)}/{home_name}"
        python, said = sys.executable, await _here(transport, "up", home, *options)
    else:
        python, root, said = await _there(transport, base, "up", home_name, *options)
        home = f"{root}/{home_name}"
    told: dict[str, Any] = json.loads(said)
    return AgentAddress(told["socket"], told["instance"], told["pid"], python, home)


async def remove(transport: Transport, home_name: str, *, base: str = BASE) -> None:
    """End the agent `home_name` with all it runs, and remove what batchio put there.

    The agent's file goes too when no other home needs it. Quiet when nothing is there.

    Raises:
        NodeError: something could not be removed.
        Unreachable, TimeoutError: of the transport.
    """
    if transport.local:
        await _here(transport, "down", f"{base}/batchio-{os.getuid()}/{home_name}")
    else:
        await _there(transport, base, "down", home_name)


async def sweep(transport: Transport, *, base: str = BASE) -> list[str]:
    """Names of homes on the node in which no agent runs any more. Removes nothing.

    Raises:
        Unreachable, TimeoutError, NodeError: as `remove`.
    """
    if transport.local:
        root = _local_root(transport.where, base)
        done = await transport.run([sys.executable, "-I", "-S", "-c", _SWEEP, root])
        said = done.stdout.decode()
    else:
        said = (await _there(transport, base, "sweep", ".", _SWEEP))[2]
    return sorted(said.split())


async def _here(transport: Transport, verb: str, home: str, *options: str) -> str:
    """Run the agent of this installation: its file, or what would be in it."""
    file = program.path()
    words = [str(file)] if file else ["-c", _FROM_STDIN]
    argv = [sys.executable, "-I", "-S", *words, verb, home, *options]
    stdin = None if file else program.compiled()
    done = await transport.run(argv, stdin=stdin, timeout=PATIENCE_S)
    if done.exit_code:
        raise _failure(transport, os.path.dirname(home), "", done.stderr)
    return done.stdout.decode()


async def _there(
    transport: Transport, base: str, verb: str, name: str, *words: str
) -> tuple[str, str, str]:
    """Run the agent over there: its Python, the user's folder, and what it printed."""
    root, why, stderr = base, "", b""
    # Compiled first: that halves what starting it costs, if the Python there can read it.
    # Sent once more, because somebody may tidy up between our looking and our starting.
    for mode in ("ask", "pyc", "py", "py"):
        argv = ["/bin/sh", "-c", _SCRIPT, "sh", mode, base, agent.digest(), verb, name, *words]
        stdin = None
        if mode != "ask":
            stdin = agent.source() if mode == "py" else program.compiled()
        done = await transport.run(argv, stdin=stdin, timeout=PATIENCE_S)
        head, said = _answer(done.stdout)
        stderr = done.stderr
        match head:
            case ["done", python, root]:
                return python, root, said
            case ["foreign", root]:
                raise _foreign(root, transport.where)
            case ["pythonless", root, *found]:
                raise Unfit(
                    "no python3 (>= 3.8) found" + (f": {' '.join(found)}" if found else ""),
                    where=transport.where,
                    hint="install it there, for example: apt-get install python3",
                )
            case ["failed", root, *found]:
                why = " ".join(found) + said
            case _:
                why = "it did not answer as a POSIX shell does" if head != ["absent", root] else ""
    raise _failure(transport, root, why, stderr)


def _answer(stdout: bytes) -> tuple[list[str], str]:
    """The words of the script's answer, and what follows it."""
    _, mark, rest = stdout.decode("utf-8", "replace").rpartition(f"\n{_MARK} ")
    head, _, said = rest.partition("\n")
    return (head.split() if mark else []), said.strip()


def _failure(transport: Transport, root: str, why: str, stderr: bytes) -> NodeError:
    lines: Sequence[str] = (why or stderr.decode("utf-8", "replace")).strip().splitlines()
    why = lines[-1] if lines else "it did not say why"
    hint = f"make room under {root}" if "space" in why or "quota" in why.lower() else None
    return NodeError(f"the agent cannot start in {root}: {why}", where=transport.where, hint=hint)


def _foreign(root: str, where: str) -> NodeError:
    return NodeError(
        f"{root} belongs to somebody else, or is a link",
        where=where,
        hint=f"have its administrator remove {root}",
    )


def _local_root(where: str, base: str) -> str:
    """The user's folder on this computer, made when missing."""
    root = f"{base}/batchio-{os.getuid()}"
    try:
        os.mkdir(root, 0o700)
    except FileExistsError:
        found = os.lstat(root)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            why = f"{root} belongs to somebody else, or is a link"
            raise NodeError(
                why, where=where, hint=f"have your administrator remove {root}"
            ) from None
    except OSError as error:
        raise NodeError(f"cannot make {root}: {error.strerror}", where=where) from error
    return root
