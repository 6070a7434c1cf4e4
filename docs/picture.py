"""Make docs/images/run.svg, the picture in the README: real commands, in a real terminal.

`python docs/picture.py` runs them in a workspace that is thrown away, and draws what they
wrote. Nothing is written by hand, so the picture cannot promise what batchio does not do.
"""

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).parents[1]
PICTURE: Final = ROOT / "docs" / "images" / "run.svg"
COLUMNS: Final = 100
COMMANDS: Final = (
    "batchio run --follow examples/hello.sh",
    "batchio run --wait --array 0-19 --name steep -- sh -c 'exit $((BATCHIO_TASK_ID % 7 == 5))'",
)

_MOVES: Final = re.compile(r"\x1b\[[?\d;]*[A-Za-ln-z]|\x1b\][^\x07]*\x07")
"""Every escape sequence but those for colour."""


def seen(command: str, environ: dict[str, str]) -> str:
    """What the command writes to a terminal, with its colours."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        written = bytearray()
        try:
            while part := os.read(ours, 65536):
                written += part
        except OSError:  # how Linux says that nobody holds the other end any more
            pass
    os.close(ours)
    return _last_words(written.decode())


def _last_words(written: str) -> str:
    """The lines as they stand at the end: what was drawn over is gone."""
    drawn = re.sub(r"\r\x1b\[2?K|\x1b\[2K\r", "\r", written.replace("\r\n", "\n"))
    lines = [_MOVES.sub("", line.rpartition("\r")[2]) for line in drawn.split("\n")]
    return "\n".join(lines).strip("\n")


def main() -> None:
    """Run the commands and draw them."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {
            "BATCHIO_WORKSPACE": folder,
            "COLUMNS": str(COLUMNS),
            "HOME": folder,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TERM": "xterm-256color",
        }
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            console.print(Text.from_ansi(seen(command, environ)))
            console.print()
    svg = console.export_svg(title="batchio", unique_id="batchio-run")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


if __name__ == "__main__":
    main()
