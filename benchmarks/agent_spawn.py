"""The agent against the floor: N x /bin/true, two at a time, output captured.

    python -m benchmarks.agent_spawn [--tasks 10000] [--rounds 3]

Runs `spawn.c` and the agent in turn, so that both see the same machine, and prints each
round's wall time, the agent's own CPU time per task, and the ratio of the medians. The
driver below is a head reduced to its least: it keeps 64 attempts on the agent and
acknowledges what is done. AGENT_PYTHON=python3.8 names another Python for the agent.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from batchio.agent import source
from batchio.runtime.frames import FRAME, VERSION
from benchmarks.side_by_side import options

HERE = Path(__file__).parent
WINDOW = 64


def floor(program: Path, count: int) -> float:
    words = [str(program), str(count), "2", "/bin/true"]
    return float(subprocess.run(words, check=True, capture_output=True).stdout)


def send(sock: socket.socket, *messages: list[object]) -> None:
    body = json.dumps(messages).encode()
    sock.sendall(FRAME.pack(1 + len(body), 0) + body)


def drive(sock: socket.socket, count: int) -> float:
    """Seconds from the first start to the last result."""
    begin = time.monotonic()
    sent = done = 0
    inbox = bytearray()
    while done < count:
        room = min(WINDOW - (sent - done), count - sent)
        news: list[list[object]] = []
        if room > 0:
            batch = [[task, 1, str(task), None] for task in range(sent, sent + room)]
            news.append(["start", batch])
            sent += room
        if news:
            send(sock, *news)
        inbox += sock.recv(1 << 18)
        while len(inbox) >= 5:
            length, kind = FRAME.unpack_from(inbox)
            if len(inbox) < 4 + length:
                break
            body = bytes(inbox[5 : 4 + length])
            del inbox[: 4 + length]
            for message in json.loads(body) if kind == 0 else ():
                if message[0] == "done":
                    assert all(record[2] == 0 for record in message[2]), message
                    done += len(message[2])
                    send(sock, ["ack", message[1]])
    return time.monotonic() - begin


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def agent(python: str, program: Path, count: int) -> tuple[float, float]:
    """Return wall seconds and the agent's own CPU seconds for `count` tasks."""
    with tempfile.TemporaryDirectory(prefix="batchio-", dir="/var/tmp") as folder:
        home = folder + "/b.n"
        begin = ["/bin/sh", "-c", '"$@" &', "sh", python, "-I", str(program), "up", home]
        up = subprocess.run(begin, check=True, capture_output=True)
        facts = json.loads(up.stdout)
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(home + "/s")
        send(sock, ["hello", {"v": VERSION, "job": "b", "epoch": 1}])
        send(sock, ["setup", {"argv": ["/bin/true"], "slots": 2}])
        before = cpu(facts["pid"])
        wall = drive(sock, count)
        own = cpu(facts["pid"]) - before
        subprocess.run([python, "-I", program, "down", home], check=True, capture_output=True)
        return wall, own


def main() -> None:
    asked = options(__doc__, tasks=10_000, rounds=3)
    count = asked.tasks
    python = os.environ.get("AGENT_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        floor_program = Path(folder, "spawn")
        subprocess.run(["cc", "-O2", "-o", floor_program, HERE / "spawn.c"], check=True)
        agent_program = Path(folder, "agent.py")
        agent_program.write_bytes(source())
        floors, walls = [], []
        for _ in range(asked.rounds):
            floors.append(floor(floor_program, count))
            wall, own = agent(python, agent_program, count)
            walls.append(wall)
            print(
                f"floor {floors[-1]:.2f} s  agent {wall:.2f} s"
                f"  its own CPU {own / count * 1e3:.3f} ms a task"
            )
    ratio = statistics.median(walls) / statistics.median(floors)
    print(f"ratio of medians: {ratio:.2f}")


if __name__ == "__main__":
    main()
