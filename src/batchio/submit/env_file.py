r"""`.env` files: `KEY=value`, as people, python-dotenv and `export -p` write it.

`export` or `declare -x` may stand before a key. A value in quotes is what a shell makes of it:
it may be put together of several (`'it'"'"'s'`) and go over several lines; between single quotes
everything is itself, between double ones `\n`, `\r`, `\t`, `\"`, `\\`, `\$` and a backquote are
understood, and `$'…'` is bash's. What no shell could read is tried as python-dotenv writes it
(`'it\'s'`). Without quotes a blank and `#` begin a comment. `$NAME` is just text, and the last of
two values of one key counts. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from batchio.errors import UsageError

_NAME: Final = re.compile(
    r"\s*(?:(export|(?:declare|typeset)\s+-\w+)\s+)?([A-Za-z_]\w*)[^\S\n]*(=)?", re.ASCII
)
_END: Final = r"[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)"
_SEGMENT: Final = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\$'(?P<ansi>(?:[^'\\]|\\.)*)'|(?P<bare>.)""",
    re.DOTALL,
)
_SHELL: Final = (
    r"""((?:'[^'{0}]*'|"(?:[^"\\{0}]|\\.)*"|\$'(?:[^'\\{0}]|\\.)*'|\\.|[^\s'"\\#;&|<>()`$])+)"""
)
_DOTENV: Final = r"""'((?:[^'\\{0}]|\\.)*)'"""
_FORMS: Final = tuple(
    (form is _SHELL, re.compile(form.format(within) + _END, flags))
    for within, flags in (("\n", 0), ("", re.DOTALL))
    for form in (_SHELL, _DOTENV)
)
"""The forms of a value in quotes, in the order in which they are tried: a line comes first."""

_ESCAPE: Final = re.compile(r'\\([nrt"\\$`\n])')
_ANSI: Final = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|[uU]([0-9a-fA-F]{1,8})|(.))", re.DOTALL
)
_MEANING: Final = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}
_CONTROL: Final = dict(zip(b"abeEfnrtv", b"\a\b\x1b\x1b\f\n\r\t\v", strict=True))


def parse(text: str, shown: str) -> dict[str, str]:
    """Return the variables of a file.

    Raises:
        UsageError: a line is something else; `where` is file and line. Never quotes the
            line, as it may hold a secret.
    """
    out: dict[str, str] = {}
    at, number = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        line = text[at:] if end < 0 else text[at:end]
        after = at + len(line) + 1
        if line.strip() and not line.lstrip().startswith("#"):
            where, match = f"{shown}:{number}", _NAME.match(text, at)
            if match is None or (match[3] is None and line[match.end() - at :].strip()):
                raise UsageError("not KEY=value", where=where)
            if match[3] is None and match[1] in (None, "export"):
                hint = f"write {match[2]}=value"
                raise UsageError(f"{match[2]} has no value", where=where, hint=hint)
            if match[3]:
                out[match[2]], after = _value(text, match.end(), match[2], where)
        number += text.count("\n", at, after)
        at = after
    return out


def _value(text: str, at: int, key: str, where: str) -> tuple[str, int]:
    """Return the value that stands at a place, and where the next line begins."""
    begin = at
    while text[begin : begin + 1] in (" ", "\t"):
        begin += 1
    if not text.startswith(('"', "'", "$'"), begin):
        end = text.find("\n", at)
        line = text[at:] if end < 0 else text[at:end]
        return re.split(r"\s#", line, maxsplit=1)[0].strip(), at + len(line) + 1
    for shell, form in _FORMS:
        if match := form.match(text, begin):
            inner = match[1]
            value = _joined(inner) if shell else re.sub(r"\\(['\\])", r"\1", inner)
            return value, match.end()
    raise UsageError(f"the quotes around the value of {key} do not match", where=where)


def _joined(word: str) -> str:
    """Return the text that a shell makes of a word with quotes in it."""
    out = []
    segments = _SEGMENT.finditer(word)
    for segment in segments:
        kind = segment.lastgroup
        said = segment[kind or 0]
        if kind == "double":
            said = _ESCAPE.sub(lambda found: _MEANING.get(found[1], found[1]), said)
        elif kind == "ansi":
            said = _ANSI.sub(_byte, said.encode("utf-8", "surrogateescape")).decode(
                "utf-8", "surrogateescape"
            )
        elif kind == "bare" and said == "\\":
            said = next(segments)[0]
        out.append(said)
    return "".join(out)


def _byte(found: re.Match[bytes]) -> bytes:
    octal, byte, point, sign = found.groups()
    if octal or byte:
        return bytes([int(octal, 8) & 0xFF if octal else int(byte, 16)])
    if point:
        return chr(int(point, 16)).encode("utf-8", "replace")
    return bytes([_CONTROL.get(sign[0], sign[0])])
