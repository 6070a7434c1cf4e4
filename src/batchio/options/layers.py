"""Layers of settings: what each place says about the options, read and checked.

Pure: made from data that others have read; `resolve` decides which layer is in effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import UsageError
from batchio.options.table import (
    ENV_PREFIX,
    OPTIONS,
    env_name,
    find,
    find_keyword,
    get,
    nearest,
    suggestion,
)
from batchio.options.values import CLEAR, COMMAND_LINE, parse_value, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchio.options.directives import Directive
    from batchio.options.schema import Option

TASK_VARIABLES: Final = frozenset(
    f"BATCHIO_{name}"
    for name in (
        "TASK_ID",
        "TASK_COUNT",
        "TASK_INPUT",
        "ATTEMPT",
        "JOB_ID",
        "JOB_NAME",
        "NODE_ID",
        "LOCAL_ADDRESS",
        "SCHEDULER_ADDRESS",
        "PROCESS_TYPE",
        "READY_WORKERS",
        "CPUS",
        "MEMORY",
        "OUTPUT_DIR",
        "SCRATCH_DIR",
    )
)
"""Variables that every task gets; inside a task these say nothing about options."""


class Setting(NamedTuple):
    """One option set at one place. `where` is for messages, `origin` for people."""

    option: Option
    value: Any
    origin: str
    where: str | None


class Layer(NamedTuple):
    """All settings of one level, in the order in which they were given."""

    settings: tuple[Setting, ...]
    notes: tuple[str, ...] = ()


def typed_layer(given: Mapping[str, Any]) -> Layer:
    """Return the layer of a command line: option name to text, bool, or list of texts.

    Options that were not given are absent, None, or an empty list.

    Raises:
        UsageError: a value that cannot be read.
    """
    return _layer(
        (get(name), value, COMMAND_LINE, COMMAND_LINE)
        for name, value in given.items()
        if value is not None and value != () and value != []
    )


def call_layer(kwargs: Mapping[str, Any]) -> Layer:
    """Return the layer of a Python call's keyword arguments; None means not given.

    Raises:
        UsageError: an unknown argument, or a value that cannot be read.
    """

    def rows() -> Iterable[tuple[Option, Any, str, str | None]]:
        for word, value in kwargs.items():
            option = find_keyword(word)
            if option is None or not option.for_calls:
                names = (o.keyword for o in OPTIONS if o.for_calls)
                hint = suggestion(word, names)
                raise UsageError(f'run() has no argument "{word}"', hint=hint)
            if value is not None:
                yield option, value, f"argument {word}", None

    return _layer(rows())


def directive_layers(directives: Sequence[Directive], filename: str) -> list[Layer]:
    """Return the layers of a script's directives: one for BATCHIO above one for COILED.

    Raises:
        UsageError: a value that cannot be read; `where` is "filename:line".
    """
    layers = []
    for tag in ("BATCHIO", "COILED"):
        chosen = [item for item in directives if item.tag == tag]
        places = [f"{filename}:{item.line}" for item in chosen]
        layers.append(
            _layer(
                (get(item.key), item.value or CLEAR, place, place)
                for item, place in zip(chosen, places, strict=True)
            )
        )
    return layers


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Return the layer of the BATCHIO_* variables; an empty variable says nothing.

    Raises:
        UsageError: a value that cannot be read; `where` is the variable.
    """
    inside_task = f"{ENV_PREFIX}TASK_ID" in environ
    known = {env_name(o): o for o in OPTIONS if "env" in o.surfaces}
    rows, notes = [], []
    for variable in sorted(environ):
        if not variable.startswith(ENV_PREFIX):
            continue
        if inside_task and variable in TASK_VARIABLES:
            continue
        if option := known.get(variable):
            if environ[variable].strip():
                rows.append((option, environ[variable], variable, variable))
        elif variable not in TASK_VARIABLES:
            close = nearest(variable, known, cutoff=0.9)
            if close:
                notes.append(f"{variable}: not an option; did you mean {close}?")
    return _layer(rows)._replace(notes=tuple(notes))


def config_layer(table: Mapping[str, Any], origin: str) -> Layer:
    """Return the layer of a configuration file's table, such as "pyproject.toml [tool.batchio]".

    Raises:
        UsageError: an unknown key, or a value that cannot be read.
    """

    def rows() -> Iterable[tuple[Option, Any, str, str | None]]:
        for key, value in table.items():
            option = find(key)
            if option is None:
                raise UsageError(f'unknown option "{key}"', where=origin, hint=suggestion(key))
            if "config" not in option.surfaces:
                raise UsageError(
                    f"{option.name} cannot be set in a configuration file",
                    where=origin,
                    hint="pass it to batchio run",
                )
            yield option, value, origin, origin

    return _layer(rows())


def _layer(rows: Iterable[tuple[Option, Any, str, str | None]]) -> Layer:
    settings = []
    for option, given, origin, where in rows:
        if given is CLEAR:
            settings.append(Setting(option, CLEAR, origin, where))
            continue
        several = option.repeat and isinstance(given, (list, tuple)) and given
        for one in given if several else (given,):
            if isinstance(one, str):
                value = parse_value(option, one, where)
            else:
                value = validate(option, [one] if several else one, where)
            settings.append(Setting(option, value, origin, where))
    return Layer(tuple(settings))
