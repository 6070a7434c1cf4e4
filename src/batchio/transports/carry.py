"""A program that carries a Unix socket on stdin and stdout, for hosts that forward none.

Sent as text to any Python 3 there (`python3 -c TEXT PATH`). Its first byte says that it is
connected; if it is not, stderr says why.
"""

import os
import socket
import sys
import threading

CONNECTED = b"\x06"


def carry(path: str) -> None:
    """Connect to the socket `path`, and copy both ways until either side ends."""
    there = socket.socket(socket.AF_UNIX)
    try:
        there.connect(path)
    except OSError as error:
        sys.exit(error.strerror)
    say(CONNECTED)
    threading.Thread(target=ask, args=(there,), daemon=True).start()
    while True:
        data = there.recv(1 << 16)
        if not data:
            break
        say(data)
    os._exit(0)  # the other thread waits for words that never come


def ask(there: socket.socket) -> None:
    """Copy stdin to the socket until stdin ends."""
    try:
        while True:
            data = os.read(0, 1 << 16)
            if not data:
                break
            there.sendall(data)
    finally:
        os._exit(0)


def say(data: bytes) -> None:
    """Write all of `data` to stdout."""
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    carry(sys.argv[1])
