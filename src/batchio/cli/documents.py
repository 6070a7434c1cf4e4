"""JSON that `--format json` and `jsonl` print, where it is not just a view of `core.views`.

docs/reference/schema is made from these types.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class Submitted(TypedDict):
    """A job that was submitted and that the command does not wait for."""

    schema: int
    id: str
    name: str
    tasks: int
    """Number of tasks."""


class Changed(TypedDict):
    """What `batchio cancel`, `retry` or `recover` did; it does not wait for the job."""

    schema: int
    id: str
    """The job's id."""
    verb: Literal["cancel", "retry", "recover"]
    acted: bool
    """False: there was nothing to do."""
    tasks: list[int] | None
    """Ids of the tasks that it is about; None: the whole job."""


class Version(TypedDict):
    """What a report of a problem should name."""

    schema: int
    version: str
    """Version of batchio."""
    python: str
    system: str
    """Name and release of the operating system."""


class PriceTable(TypedDict):
    """On-demand prices of a region."""

    schema: int
    region: str
    source: str
    """Who says so, and of when it is."""
    age: float | None
    """Seconds since they were asked for; null: they came with batchio, and are estimates."""
    prices: dict[str, float]
    """US dollars an hour by type of machine; disk and address are not in it."""


class CheckedPart(TypedDict):
    """One thing that a job needs, and whether it is there."""

    name: str
    """`workspace`, or a node as it was named."""
    ok: bool | None
    """None: it cannot be found out."""
    said: str
    """What was found, or what is wrong."""
    hint: str
    """What helps; "" when nothing is wrong."""


class Checked(TypedDict):
    """What `batchio check` found."""

    schema: int
    ok: bool
    """Whether nothing is wrong."""
    findings: list[CheckedPart]


class EnvironmentPart(TypedDict):
    """A package, or a folder of code, that travels to other computers."""

    name: str
    version: str
    """"" for a folder."""
    travels: str
    """As what: "as installed", "editable: /home/me/project"."""
    files: int
    """Number of files."""
    bytes: int


class LeftOut(TypedDict):
    """A part of the environment that does not travel."""

    what: str
    why: str


class ShownEnvironment(TypedDict):
    """What `batchio env show` found."""

    schema: int
    python: str
    """Version of the Python."""
    executable: str
    because: str
    """How it is known that this Python is meant: "VIRTUAL_ENV", ".venv"."""
    parts: list[EnvironmentPart]
    bytes: int
    """Size of all parts."""
    left: list[LeftOut]


class NamedEnvironment(TypedDict):
    """An environment that was made with a name."""

    name: str
    executable: str
    """Path of its Python."""
    sources: list[str]
    """Absolute paths of the files that it was made of."""


class NamedEnvironments(TypedDict):
    """What `batchio env list` found, or what `create` and `delete` made of them."""

    schema: int
    environments: list[NamedEnvironment]


class CleanedPlace(TypedDict):
    """A computer from which packages were removed."""

    name: str
    ok: bool
    bytes: int
    """Bytes that were removed."""
    said: str
    """Why it could not be done; "" when it was."""


class Cleaned(TypedDict):
    """What `batchio env clean` did."""

    schema: int
    places: list[CleanedPlace]


class Explained(TypedDict):
    """Why a job or a task is in its state."""

    schema: int
    job: str
    task: int | None
    """The task's id; None when the whole job was asked about."""
    why: list[str]
    """Sentences for people."""


class HeadLog(TypedDict):
    """What `batchio logs --scheduler` shows: what the job's head itself wrote to stderr."""

    schema: int
    id: str
    """The job's id."""
    text: str
    """All of it; mostly empty."""


class LogRecord(TypedDict):
    """One line that a task printed."""

    schema: int
    task: int
    attempt: int
    stream: Literal["stdout", "stderr"]
    time: float
    """Unix seconds, by the clock of the head's computer."""
    node: str
    """The node's name."""
    node_number: int
    """The node's number in the job."""
    text: str
