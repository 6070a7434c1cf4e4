#!/usr/bin/env python3
# BATCHIO ntasks 3
# BATCHIO task-timeout 2m
"""One program on several nodes: the ranks find each other and sum a number.

As torchrun or MPI do it: rank 0 listens on the scheduler's address, the others connect,
everybody sends a number, everybody gets the sum.
"""

import os
import socket
import time

RANK = int(os.environ["BATCHIO_TASK_ID"])
WORLD = int(os.environ["BATCHIO_TASK_COUNT"])
MASTER = os.environ["BATCHIO_SCHEDULER_ADDRESS"]
PORT = int(os.environ.get("MASTER_PORT", "29500"))


def lead(mine):
    """Rank 0: collect a number of each of the others, and tell all of them the sum."""
    with socket.create_server((MASTER, PORT)) as server:
        others = [server.accept()[0] for _ in range(WORLD - 1)]
    files = [other.makefile("rw") for other in others]
    total = mine + sum(int(file.readline()) for file in files)
    for file in files:
        print(total, file=file, flush=True)
    return total


def follow(mine):
    """Any other rank: rank 0 may not listen yet, so try until it does."""
    while True:
        try:
            with socket.create_connection((MASTER, PORT)) as sock, sock.makefile("rw") as file:
                print(mine, file=file, flush=True)
                return int(file.readline())
        except ConnectionRefusedError:
            time.sleep(0.05)


number = (RANK + 1) ** 2
total = lead(number) if RANK == 0 else follow(number)
print(f"rank {RANK} of {WORLD} gave {number}, the sum is {total}")
