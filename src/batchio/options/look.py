"""The rows of the option table about looking at jobs: most are not for `run`."""

from __future__ import annotations

from typing import Final

from batchio.options.schema import CODE_ONLY, TYPED_ONLY, Option

_LOOK: Final = frozenset(("run", "status", "list", "wait", "logs", "explain"))

LOOK_OPTIONS: Final = (
    Option(
        name="format",
        kind="choice",
        group="Looking",
        help="How to print the answer.",
        default="table",
        choices=("table", "json", "jsonl"),
        surfaces=TYPED_ONLY,
        commands=_LOOK,
    ),
    Option(
        name="yes",
        kind="flag",
        group="Looking",
        help="Do not ask before doing it.",
        default=False,
        short="-y",
        surfaces=TYPED_ONLY,
        commands=frozenset(("cancel", "retry", "recover")),
    ),
    Option(
        name="logger",
        kind="object",
        group="Looking",
        help="A logging.Logger that is told what would be printed.",
        annotation="Logger",
        surfaces=CODE_ONLY,
    ),
    Option(
        name="sort",
        kind="text",
        group="Looking",
        help="Columns to sort the tasks by, such as state,exit_code.",
        unit="COLUMNS",
        surfaces=TYPED_ONLY,
        commands=frozenset(("status",)),
    ),
    Option(
        name="limit",
        kind="integer",
        group="Looking",
        help="Show at most this many.",
        default=10,
        minimum=1,
        surfaces=TYPED_ONLY | CODE_ONLY,
        commands=frozenset(("list", "status")),
    ),
    Option(
        name="task",
        kind="array",
        group="Looking",
        help="Only these tasks: 3, or 2,4-6.",
        surfaces=TYPED_ONLY | CODE_ONLY,
        commands=frozenset(("logs", "cancel", "retry")),
    ),
    Option(
        name="since",
        kind="text",
        group="Looking",
        help="Only lines after this time: 2024-11-18T17:25, or 10m for the last ten minutes.",
        unit="TIME",
        surfaces=TYPED_ONLY | CODE_ONLY,
        commands=frozenset(("logs",)),
    ),
    Option(
        name="tail",
        kind="integer",
        group="Looking",
        help="Only the last N lines.",
        minimum=0,
        surfaces=TYPED_ONLY | CODE_ONLY,
        commands=frozenset(("logs",)),
    ),
    Option(
        name="filter",
        kind="text",
        group="Looking",
        help="Only lines that contain this text.",
        surfaces=TYPED_ONLY | CODE_ONLY,
        commands=frozenset(("logs",)),
    ),
    Option(
        name="scheduler",
        kind="flag",
        group="Looking",
        help="Show the log of the head.",
        default=False,
        surfaces=TYPED_ONLY,
        commands=frozenset(("logs",)),
    ),
    Option(
        name="workers",
        kind="text",
        group="Looking",
        help="Only the logs of these nodes: any, all, or a list of names.",
        unit="NAMES",
        surfaces=TYPED_ONLY,
        commands=frozenset(("logs",)),
    ),
    Option(
        name="profile",
        kind="text",
        group="Looking",
        help="AWS profile for reading logs.",
        unit="NAME",
        surfaces=TYPED_ONLY,
        commands=frozenset(("logs",)),
        never="logs are read from the workspace, not from CloudWatch",
    ),
)
