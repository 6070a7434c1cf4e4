"""Configuration files: where they are, and the layers of settings they make.

The project file is the nearest `batchio.toml`, or `pyproject.toml` with a table
[tool.batchio], in the current folder or above; the user file is
`$XDG_CONFIG_HOME/batchio/config.toml` (`~/.config` when that is not set). A path in a file
is relative to the file.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import UsageError
from batchio.options.layers import Layer, config_layer
from batchio.submit.caller import unreadable

if TYPE_CHECKING:
    from batchio.options.layers import Setting
    from batchio.submit.caller import CallerContext

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


DASHBOARD: Final = "dashboard"
"""Name of the table of what is no option of jobs: the keys of the dashboard."""


class File(NamedTuple):
    """A configuration file."""

    path: str
    shown: str
    """The path as people are shown it."""
    text: str
    table: tuple[str, ...]
    """Names of the table in which batchio's own stand."""
    values: dict[str, Any]
    """All of that table."""

    def origin(self, key: str, *tables: str) -> str:
        """Return file and line of a key in that table, or in tables within it."""
        return f"{self.shown}:{_line_of(self.text, key, (*self.table, *tables))}"


def layers(here: CallerContext) -> list[Layer]:
    """Return the layers of the project file and the user file, in this order.

    Raises:
        UsageError: a file is broken; `where` is file and line.
    """
    return [_layer(file) for file in files(here)]


def _user_file(here: CallerContext) -> str:
    base = here.environ.get("XDG_CONFIG_HOME", "")
    return here.path(
        os.path.join(base if os.path.isabs(base) else "~/.config", "batchio", "config.toml")
    )


def files(here: CallerContext) -> list[File]:
    """Return the project file and the user file, those that there are, in this order.

    Raises:
        UsageError: a file is broken; `where` is file and line.
    """
    found = [_project(here), _file(here, _user_file(here), ())]
    return [file for file in found if file is not None]


def _project(here: CallerContext) -> File | None:
    folder, below = here.folder, ""
    while folder != below:
        for name, table in (("batchio.toml", ()), ("pyproject.toml", ("tool", "batchio"))):
            file = _file(here, os.path.join(folder, name), table)
            if file is not None:
                return file
        folder, below = os.path.dirname(folder), folder
    return None


def _file(here: CallerContext, path: str, table: tuple[str, ...]) -> File | None:
    """Return a file; None when there is none, or no such table in it."""
    shown = here.shown(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise unreadable(shown, err) from None
    if table and table[-1].encode() not in data:
        return None  # somebody else's file, which may be as broken as it likes
    text, values = _parsed(data, shown)
    for key in table:
        values = values.get(key)
        if not isinstance(values, dict):
            return None
    return File(path, shown, text, table, values)


def _layer(file: File) -> Layer:
    settings: list[Setting] = []
    for key, value in file.values.items():
        if key == DASHBOARD and isinstance(value, dict):
            continue  # no options of jobs
        found = config_layer({key: value}, file.origin(key)).settings
        settings += [_rooted(setting, os.path.dirname(file.path)) for setting in found]
    return Layer(tuple(settings))


def _parsed(data: bytes, shown: str) -> tuple[str, Any]:
    import tomllib  # most people have no such file

    try:
        text = data.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise UsageError("not UTF-8 text", where=f"{shown}:{line}") from None
    except tomllib.TOMLDecodeError as err:
        said = str(err)
        place = _POSITION.search(said)
        line = int(place[1]) if place and place[1] else max(1, len(text.splitlines()))
        what = _POSITION.sub("", said)
        raise UsageError(f"not valid TOML: {what}", where=f"{shown}:{line}") from None


def _line_of(text: str, key: str, table: tuple[str, ...]) -> int:
    """Return the line on which a key stands, which tomllib does not tell."""
    header = ".".join(table)
    quoted = rf"[\"']?{re.escape(key)}[\"']?"
    own_table = re.compile(rf"\s*\[\s*{re.escape(header + '.') if table else ''}{quoted}\s*[\].]")
    assigned = re.compile(rf"\s*{quoted}\s*[.=]")
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if own_table.match(line) or (current == header and assigned.match(line)):
            return number
        if heading := re.match(r"\s*\[\s*([\w.\- ]+?)\s*\]", line):
            current = heading[1]
    return 1


def _rooted(setting: Setting, folder: str) -> Setting:
    """Return the setting with its paths made relative to the folder of the file."""

    def rooted(path: str) -> str:
        kept = path == "-" or "://" in path
        return path if kept else os.path.join(folder, os.path.expanduser(path))

    option, value = setting.option, setting.value
    if (option.kind == "path" or option.name == "workspace") and isinstance(value, str):
        return setting._replace(value=rooted(value))
    if option.kind == "paths" and isinstance(value, tuple):
        return setting._replace(value=tuple(map(rooted, value)))
    return setting
