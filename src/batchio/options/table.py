"""The one table of options, and look-ups in it.

The command line, the directives of scripts, the keyword arguments, the `BATCHIO_*`
environment, the configuration files and the reference page derive from OPTIONS, so
they cannot disagree. `options.job` holds the rows about what runs, `options.node`
those about where and how, `options.look` those about looking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.options.job import JOB_OPTIONS
from batchio.options.look import LOOK_OPTIONS
from batchio.options.node import NODE_OPTIONS
from batchio.options.schema import GROUPS, Option

if TYPE_CHECKING:
    from collections.abc import Iterable

OPTIONS: Final[tuple[Option, ...]] = tuple(
    sorted(
        (*JOB_OPTIONS, *NODE_OPTIONS, *LOOK_OPTIONS),
        key=lambda option: GROUPS.index(option.group),
    )
)

_BY_NAME: Final = {spelling: option for option in OPTIONS for spelling in option.spellings}
_BY_KEYWORD: Final = {word: option for option in OPTIONS for word in option.keywords}
_BY_OPPOSITE: Final = {name: option for option in OPTIONS for name in option.opposites}
_BY_SHORT: Final = {option.short: option for option in OPTIONS if option.short}

ENV_PREFIX: Final = "BATCHIO_"


def find(key: str) -> Option | None:
    """Return the option that a key means: "ntasks", "--n_tasks", "-N", "local_upload_path"."""
    bare = key.lstrip("-")
    if option := _BY_SHORT.get(f"-{bare}"):
        return option
    plain = bare.lower().replace("-", "_")
    return _BY_KEYWORD.get(plain)


def find_opposite(key: str) -> Option | None:
    """Return the option to which a key says no: "no-wait", "--no-cross-zone"."""
    return _BY_OPPOSITE.get(key.lstrip("-").lower().replace("_", "-"))


def find_keyword(word: str) -> Option | None:
    """Return the option that a Python keyword argument means, or None."""
    return _BY_KEYWORD.get(word)


def get(name: str) -> Option:
    """Return the option of exactly this name.

    Raises:
        KeyError: there is none (a mistake in batchio itself).
    """
    return _BY_NAME[name]


def env_name(option: Option) -> str:
    """Return the environment variable that sets an option: max-workers is BATCHIO_MAX_WORKERS."""
    return ENV_PREFIX + option.name.upper().replace("-", "_")


def nearest(key: str, among: Iterable[str] | None = None, cutoff: float = 0.6) -> str | None:
    """Return the valid key most like a mistyped one; None when nothing comes close.

    `cutoff` is the least likeness, from 0 to 1, that is accepted.
    """
    from difflib import get_close_matches  # 5 ms that only a mistake should pay

    known = list(_BY_NAME if among is None else among)
    bare = key.lstrip("-").lower().replace("_", "-")
    by_folded = {name.lower().replace("_", "-"): name for name in known}
    close = get_close_matches(bare, by_folded, n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else None


def suggestion(key: str, among: Iterable[str] | None = None, dashes: str = "") -> str:
    """Return a hint for a mistyped key: "did you mean memory?", or where to look."""
    close = nearest(key, among)
    if close is None:
        return "batchio run --help lists every option"
    return f"did you mean {dashes}{close}?"
