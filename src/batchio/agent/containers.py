"""Attempts in containers: the engine, its command line, and how containers are ended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.agent.basics import raw, slurp
from batchio.agent.spawning import Unstartable

if TYPE_CHECKING:
    from batchio.agent.attempts import Attempt
    from batchio.agent.setup import Setup

INITS = (
    b"/usr/libexec/podman/catatonit",
    b"/usr/lib/podman/catatonit",
    b"catatonit",
    b"tini",
)
STEERING = (b"HOME", b"PATH", b"TMPDIR", b"XDG_", b"LD_", b"DOCKER_", b"CONTAINER")
ERASE = b'"$0" kill "$1" >/dev/null 2>&1; exec "$0" rm -f "$1"'  # podman rm waits 10 s
PULL = b"""
"$0" image inspect "$1" >/dev/null 2>&1 && exit
for pause in 2 8 0; do
    said=$("$0" pull -q "$1" 2>&1) && exit
    case $said in
    *unknown*|*denied*|*unauthorized*|*"not found"*|*"o such"*|*nvalid*) break ;;
    esac
    sleep $pause
done
printf '%s\\n' "$said"
exit 1
"""
"""A script that pulls an image: refusals that may pass are tried again, others are not."""
ENGINE_WORDS = (b"Error: ", b"docker: ", b"podman: ", b"Error response from daemon")


def said_by_engine(line: bytes) -> bool:
    """Return whether a container's last line on stderr is its engine's; any program may exit
    125.
    """
    return line.startswith(ENGINE_WORDS) or b": executable file not found in" in line


def find_engine(setup: Setup | None) -> bytes:
    """Return the path of docker, if its daemon can be reached, or of podman.

    Raises Unstartable when there is neither.
    """
    if setup is None or not setup.container or "image" not in setup.container:
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
    setup: Setup, attempt: Attempt, argv: list[bytes], env: dict[bytes, bytes], home: bytes
) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return the engine's command line for one attempt, and its environment.

    Values travel in the environment and only names in the argv, which anybody may read; but
    variables that would steer the engine itself (HOME, PATH, ...) are written out, unless
    secret.
    """
    engine = find_engine(setup)
    given = setup.container or {}
    with open(os.fsdecode(home) + "/engine", "wb") as file:
        file.write(engine)
    attempt.container = container_name(setup, attempt)
    words = [engine, b"run", b"--rm", b"--network", b"host", b"--name", attempt.container]
    words += [b"--label", b"batchio.home=" + home, b"--workdir", attempt.work]
    for folder in (attempt.work, attempt.scratch):
        words += [b"--volume", b"%s:%s" % (folder, folder)]
    docker = os.path.basename(engine) == b"docker"
    user = raw(given.get("user"))
    if user:
        os.chmod(attempt.work, 0o777)  # the home around them is ours alone
        os.chmod(attempt.scratch, 0o777)
    elif docker:
        user = b"%d:%d" % (os.getuid(), os.getgid())  # whoever the image would be could not write
    else:
        user = b"0:0"  # where we are not root, podman has us for it
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
    init = None if docker else find_init(setup)
    if docker or init:
        words += [b"--init"]  # as the first process a program would not hear TERM
        words += [b"--init-path", init] if init else []
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


def find_init(setup: Setup) -> bytes | None:
    """Return the first process that podman is to put before a program, or None without one.

    Debian only recommends catatonit, and podman refuses `--init` where it is missing.
    """
    found = (setup.which(name) for name in INITS)
    return next((path for path in found if path and os.access(path, os.X_OK)), None)


def container_name(setup: Setup, attempt: Attempt) -> bytes:
    import re

    job = re.sub(rb"[^A-Za-z0-9_.-]", b"-", setup.job)
    return b"batchio-%s-%d-%d" % (job, *attempt.key)


def attempt_names(attempt: Attempt, setup: Setup) -> set[bytes]:
    """Return the names of the variables that belong to one attempt alone."""
    names = b"""BATCHIO_TASK_ID COILED_BATCH_TASK_ID COILED_ARRAY_TASK_ID BATCHIO_ATTEMPT
        BATCHIO_OUTPUT_DIR BATCHIO_SCRATCH_DIR TMPDIR COILED_BATCH_TASK_INPUT
        CUDA_VISIBLE_DEVICES""".split()
    own = map(raw, attempt.input) if isinstance(attempt.input, dict) else ()
    return {*names, setup.input_var, *own}


def stop_container(attempt: Attempt) -> list[bytes]:
    """Return the command that ends an attempt's container."""
    return [b"/bin/sh", b"-c", ERASE, find_engine(attempt.setup), attempt.container]


def pull_image(setup: Setup | None, image: str) -> list[bytes]:
    """Return the command that pulls an image to this node."""
    return [b"/bin/sh", b"-c", PULL, find_engine(setup), raw(image)]


def remove_containers(home: str) -> None:
    """Remove containers of this home that have outlived their client."""
    engine = slurp(home + "/engine")
    if engine:
        script = (
            'for again in 1 2 3 4 5; do c=$("$0" ps -aq --filter "label=batchio.home=$1");'
            ' [ "$c" ] || break; "$0" kill $c; "$0" rm -f $c; done >/dev/null 2>&1'
        )
        words = ["/bin/sh", "-c", script, os.fsdecode(engine), home]
        os.waitpid(os.posix_spawn(words[0], words, os.environ), 0)
