"""The program of a detached head that was not forked: `python -m batchio.heads WORKSPACE JOB`."""

from __future__ import annotations

import json
import signal
import sys

from batchio.heads.detached import be_head
from batchio.stores import open_workspace

signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as in cli/main.py
root, job = sys.argv[1:]
secrets = json.loads(sys.stdin.readline() or "{}")
sys.stdin.close()
sys.exit(be_head(open_workspace(root).job(job), secrets))
