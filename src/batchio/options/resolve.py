"""The resolution of options: layers of settings in, values in effect with their origins out.

Pure; `layers` reads what each place says. Order, highest first:

command line or Python call, BATCHIO directives, COILED directives, BATCHIO_*
environment, project file, user file, defaults.

A single value: the highest layer that sets it wins. Lists: the highest layer that sets
any wins. KEY=VAL pairs: merged, the higher layer wins key by key. `no-key` in a script
clears what lower layers say; --ignore drops what all layers say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.errors import UsageError
from batchio.options.table import OPTIONS, find, get, suggestion
from batchio.options.values import CLEAR, COMMAND_LINE, located, show

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from batchio.core.traits import Trait
    from batchio.options.layers import Layer, Setting
    from batchio.options.schema import Option

SHAPES: Final = (
    "ntasks",
    "array",
    "map-over-values",
    "map-over-file",
    "map-over-task-var-dicts",
)
"""Options that say which tasks there are; one job has one of them."""

LONGEST: Final = 200
"""Most characters of a value that are kept to be shown."""

_EXCLUSIVE: Final = (SHAPES, ("host-setup-script", "host-setup-script-content"))

_TOGETHER: Final = (("hosts", "hosts-file"),)
"""Options of which a higher layer replaces all that lower ones say; one layer may have both."""

_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)


class Row(NamedTuple):
    """One line of the table that --dry-run shows."""

    name: str
    text: str
    origin: str


class _Found(NamedTuple):
    value: Any
    origin: str
    rank: int
    origins: tuple[str, ...] = ()
    """The origin of each item of a list."""


@dataclass(frozen=True, slots=True)
class Effective:
    """The value of every option, and its origin."""

    found: Mapping[str, _Found]
    key_ranks: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...]
    """One line for each thing that a person should know but that stops nothing."""

    def value(self, name: str) -> Any:
        """Return the typed value of an option; its default when nothing sets it."""
        found = self.found.get(name)
        if found is not None:
            return found.value
        default = get(name).default
        return {} if get(name).kind == "pairs" else default

    def origin(self, name: str) -> str:
        """Return the origin of a value: "command line", "hello.sh:3", "default"."""
        found = self.found.get(name)
        return found.origin if found else "default"

    def items(self, name: str) -> list[tuple[Any, str]]:
        """Return each item of a list, and its origin."""
        found = self.found.get(name)
        return list(zip(found.value, found.origins, strict=True)) if found else []

    def is_set(self, name: str) -> bool:
        """Return whether any layer sets the option, be it to its default."""
        return name in self.found

    def with_file(self, name: str, from_file: Mapping[str, str]) -> dict[str, str]:
        """Return the pairs of env or secret-env, together with those read from its files.

        The files stand just below the pairs of the layer that names them.
        """
        merged = dict(self.value(name))
        ranks = self.key_ranks.get(name, {})
        file = self.found.get(f"{name}-file")
        for key, value in from_file.items():
            if key not in merged or (file is not None and ranks[key] > file.rank):
                merged[key] = value
        return merged

    def rows(self, *, short: bool = False) -> list[Row]:
        """Return every option of `run` that was set or has a default other than no.

        Args:
            short: Keep of a value the first line only, and of that no more than is of use.
        """
        out = []
        for option in OPTIONS:
            if "run" in option.commands:
                value = self.value(option.name)
                text = show(option, value)
                if self.is_set(option.name) or (text and value is not False):
                    text = _shortened(text) if short else text
                    out.append(Row(option.name, text, self.origin(option.name)))
        return out

    def outranks(self, name: str, other: str) -> bool:
        """Return whether an option is set in a higher layer than another, or it alone is."""
        found, rival = self.found.get(name), self.found.get(other)
        return found is not None and (rival is None or found.rank < rival.rank)

    def ignored(self, provider: str, traits: Container[Trait]) -> frozenset[str]:
        """Return the names of options that were set and that this provider ignores."""
        refused = self.refused(provider, traits)
        return frozenset(option.name for option, _ in refused if not option.requirement)

    def unsupported(self, provider: str, traits: Container[Trait]) -> list[str]:
        """Return a line for each option that was set and that this provider ignores."""
        return [
            f"{_spelled(option, self.value(option.name))} ({self.origin(option.name)}): "
            f"ignored, {reason}"
            for option, reason in self.refused(provider, traits)
            if not option.requirement
        ]

    def refused(self, provider: str, traits: Container[Trait]) -> Iterator[tuple[Option, str]]:
        """Yield each option that was set and that this provider cannot honour, and why."""
        for option in OPTIONS:
            reason = option.refusal(provider, traits)
            value = self.value(option.name)
            if reason is None or not self.is_set(option.name):
                continue
            if value not in (option.default, {}):
                yield option, reason


def _spelled(option: Option, value: Any) -> str:
    """Return an option and its value as they are typed."""
    if option.kind in ("flag", "tri"):
        return f"--{option.name}" if value else f"--{option.opposites[0]}"
    return f"--{option.name} {show(option, value)}"


def _shortened(text: str) -> str:
    first, *more = text.splitlines() or [""]
    return first[:LONGEST] + " …" if more or len(first) > LONGEST else first


def resolve(layers: Sequence[Layer], environ: Mapping[str, str]) -> Effective:
    """Decide the value of every option. `layers` stand highest first.

    Args:
        environ: the caller's environment, for `--env KEY` and `--env KEY=$NAME`.

    Raises:
        UsageError: two options of one layer exclude each other, or a variable that
            should be copied is not set.
    """
    notes = [note for layer in layers for note in layer.notes]
    chosen = _without_replaced(_without_ignored([layer.settings for layer in layers], notes))
    found: dict[str, _Found] = {}
    key_ranks: dict[str, dict[str, int]] = {}
    by_option: dict[str, list[tuple[int, list[Setting]]]] = {}
    for rank, settings in enumerate(chosen):
        for setting in settings:
            levels = by_option.setdefault(setting.option.name, [])
            if not levels or levels[-1][0] != rank:
                levels.append((rank, []))
            levels[-1][1].append(setting)
    for name, levels in by_option.items():
        option = get(name)
        if option.kind == "pairs":
            found[name], key_ranks[name] = _merged_pairs(levels, environ, notes)
        else:
            found[name] = _highest(option, *levels[0])
    return Effective(found, key_ranks, tuple(notes))


def _without_ignored(
    layers: Sequence[Sequence[Setting]], notes: list[str]
) -> Sequence[Sequence[Setting]]:
    """Return the settings without those of options that --ignore names, and note each.

    Raises:
        UsageError: it names what is no option.
    """
    asked = next(
        (each for layer in layers if (each := [s for s in layer if s.option.name == "ignore"])), []
    )
    named: set[str] = set()
    for setting in _after_clear(asked):
        for word in setting.value:
            option = find(word)
            if option is None or option.name == "ignore":
                wrong = f'there is no option "{word}"'
                raise located(setting.option, wrong, setting.where, suggestion(word))
            named.add(option.name)
    if not named:
        return layers
    for setting in (s for layer in layers for s in layer):
        if setting.option.name in named and setting.value is not CLEAR:
            spelled = _spelled(setting.option, setting.value)
            notes.append(f"{spelled} ({setting.origin}): left out, as --ignore asks")
    return [[s for s in layer if s.option.name not in named] for layer in layers]


def _without_replaced(layers: Sequence[Sequence[Setting]]) -> list[list[Setting]]:
    """Return the settings, less those that a rival in a higher layer replaces."""
    out = [list(settings) for settings in layers]
    for group in _EXCLUSIVE:
        winner = ""
        for settings in out:
            rivals = {
                s.option.name: s
                for s in settings
                if s.option.name in group and s.value is not CLEAR
            }
            if len(rivals) > 1:
                raise _clash(*list(rivals.values())[:2])
            if winner:
                settings[:] = [
                    s for s in settings if s.option.name not in group or s.option.name == winner
                ]
            winner = winner or next(iter(rivals), "")
    for group in _TOGETHER:
        replaced = False
        for settings in out:
            if replaced:
                settings[:] = [s for s in settings if s.option.name not in group]
            replaced = replaced or any(s.option.name in group for s in settings)
    return out


def _clash(one: Setting, other: Setting) -> UsageError:
    names = [
        f"{s.origin.removeprefix('argument ')}"
        if s.origin.startswith("argument ")
        else f"--{s.option.name}"
        if s.origin == COMMAND_LINE
        else f"{s.option.name} ({s.origin})"
        for s in (one, other)
    ]
    return UsageError(
        f"{names[0]} and {names[1]} cannot be used together", hint="choose one of them"
    )


def _highest(option: Option, rank: int, settings: Sequence[Setting]) -> _Found:
    """Return the value of the highest layer: its last one, or its whole list."""
    last = settings[-1]
    if not option.repeat:
        value = option.default if last.value is CLEAR else last.value
        return _Found(value, last.origin, rank)
    kept = _after_clear(settings)
    values = tuple(item for setting in kept for item in setting.value)
    each = tuple(setting.origin for setting in kept for _ in setting.value)
    origins = dict.fromkeys(setting.origin for setting in kept or [last])
    return _Found(values, ", ".join(origins), rank, each)


def _merged_pairs(
    levels: Sequence[tuple[int, Sequence[Setting]]],
    environ: Mapping[str, str],
    notes: list[str],
) -> tuple[_Found, dict[str, int]]:
    merged: dict[str, str] = {}
    ranks: dict[str, int] = {}
    origins: dict[str, None] = {}
    for rank, settings in levels:
        level: dict[str, str] = {}
        kept = _after_clear(settings)
        for setting in kept:
            level.update(_copied(setting, environ, notes))
        new = {key: value for key, value in level.items() if key not in merged}
        merged.update(new)
        ranks.update(dict.fromkeys(new, rank))
        origins.update(dict.fromkeys(setting.origin for setting in kept))
        if len(kept) < len(settings):
            origins = origins or {settings[-1].origin: None}
            break
    return _Found(merged, ", ".join(origins), levels[0][0]), ranks


def _after_clear(settings: Sequence[Setting]) -> list[Setting]:
    kept: list[Setting] = []
    for setting in settings:
        kept = [] if setting.value is CLEAR else [*kept, setting]
    return kept


def _copied(setting: Setting, environ: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """Return the pairs of one setting, with the caller's variables filled in.

    KEY alone copies KEY from the caller's environment, KEY=$NAME copies NAME (and stays
    as it is, with a note, when there is none), KEY=\\$NAME is the text $NAME.
    """
    out: dict[str, str] = {}
    for key, value in setting.value.items():
        if value is None:
            if key not in environ:
                raise located(
                    setting.option,
                    f"{key} has no value and is not set in your environment",
                    setting.where,
                    f"write {key}=value",
                )
            out[key] = environ[key]
        elif value.startswith("\\$"):
            out[key] = value[1:]
        elif match := _REFERENCE.fullmatch(value):
            name = match[1] or match[2]
            if name not in environ:
                notes.append(
                    f"{setting.option.name} {key}={value} ({setting.origin}): {name} is not set "
                    f"in your environment; tasks get the literal text {value}"
                )
            out[key] = environ.get(name, value)
        else:
            out[key] = value
    return out
