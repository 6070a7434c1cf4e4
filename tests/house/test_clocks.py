"""Durations are counted by a clock that nobody can set; the computer's clock is for people."""

from __future__ import annotations

import ast

from tests.house.source import PACKAGE, python_files

MAY_ASK = {
    "agent/basics.py": "once, when an agent starts",
    "runtime/steady.py": "once, when a clock is made",
    "submit/prepared.py": "when a job is submitted",
    "buckets/connection.py": "when credentials expire, which their issuer says in time of day",
    "buckets/blocking.py": "beside the times of objects, where the store is this computer",
    "stores/folder.py": "beside the times of files, which are the computer's",
    "software/cache.py": "beside the times of files",
    "software/index.py": "when an index is asked again, which another process may do",
    "installer/building.py": "beside the times of files",
    "installer/sweeping.py": "beside the times of files",
    "providers/aws/cache.py": "beside the times of files",
    "providers/aws/check.py": "whether this computer's clock is that of AWS",
    "providers/aws/clients.py": "when credentials expire, which their issuer says in time of day",
    "providers/aws/provider.py": "which spot prices are those of now",
    "cli/words.py": "which day it is today",
    "cli/summary.py": "how long ago something was, for people",
    "cli/logs.py": "what --since 5m means",
}
"""Modules that may ask what time it is, and for what."""


def test_nobody_else_asks_for_the_time_of_the_computers_clock() -> None:
    asking = set()
    for path in python_files("src/"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(ast.Name("time"), "time") | ast.Attribute(_, "utcnow" | "today"):
                    asking.add(str(path.relative_to(PACKAGE)))
                case ast.Attribute(ast.Name("datetime"), "now"):
                    asking.add(str(path.relative_to(PACKAGE)))

    assert asking == MAY_ASK.keys()
