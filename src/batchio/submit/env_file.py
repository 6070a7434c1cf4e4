r"""`.env` files: one `KEY=value` a line.

`export` may stand before a line. A value may stand in quotes: between single ones
everything is itself, between double ones `\n`, `\t`, `\"`, `\\` and `\$` are understood.
Without quotes a blank and `#` begin a comment. `$NAME` is just text, and the last of two
lines of one key counts. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from batchio.errors import UsageError

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)", re.ASCII)
_QUOTED: Final = re.compile(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:#.*)?""")
_ESCAPE: Final = re.compile(r'\\([nt"\\$])')
_MEANING: Final = {"n": "\n", "t": "\t"}


def parse(text: str, shown: str) -> dict[str, str]:
    """Return the variables of a file.

    Raises:
        UsageError: a line is something else; `where` is file and line. Never quotes the
            line, as it may hold a secret.
    """
    out: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        where, match = f"{shown}:{number}", _LINE.fullmatch(stripped)
        if match is None:
            name = re.fullmatch(r"(?:export\s+)?([A-Za-z_]\w*)", stripped, re.ASCII)
            said = f"{name[1]} has no value" if name else "not KEY=value"
            hint = f"write {name[1]}=value" if name else None
            raise UsageError(said, where=where, hint=hint)
        out[match[1]] = _value(match[2], match[1], where)
    return out


def _value(text: str, key: str, where: str) -> str:
    if text.lstrip()[:1] not in ('"', "'"):
        return re.split(r"\s#", text, maxsplit=1)[0].strip()
    match = _QUOTED.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"the quotes around the value of {key} do not match", where=where)
    if match[1] is None:
        return match[2]
    return _ESCAPE.sub(lambda found: _MEANING.get(found[1], found[1]), match[1])
