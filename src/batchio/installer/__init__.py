"""A program of its own: makes an environment on a node, of pieces that are there or are sent.

It travels as one line, made of its rooms as the agent is of its own (`software.program`): the
standard library of 3.8, nothing of ours imported. Words: `make STORE HOME`, or `clean STORE`.
The first line of standard input is JSON: `recipe`, with its `digest`; `wheels`, SHA-256 and URL of
what an index has, by the name of the package; and `pieces`: digest, size and kind of those whose
bytes follow. One line of JSON is printed: where the `environment` is, or which pieces are
`missing`, or why it was `refused`, and for which `target` another recipe may do. Nothing is ever
seen half-made: what is whole gets its name.

    pieces/<digest>        a file, or the folder of what was in a zip
    envs/<digest>          an environment, of hard links to pieces
    <either>.list          JSON: path and size of each file in it
    envs/<digest>.homes    homes of agents whose tasks use it; its time: when it was used last
    locks/                 held while an environment is made; `all` by whoever sweeps
"""

from __future__ import annotations

from typing import Final

ROOMS: Final = ("basics", "pieces", "wheels", "building", "node", "sweeping", "making")
"""The modules of the program; each uses only those before it."""
