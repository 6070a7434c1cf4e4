"""Directives: the `# BATCHIO key value` lines at the head of a script.

Pure: text in, directives out. Only the leading comment block counts: blank lines, a
shebang, comments, and a docstring among them, up to the first line of code, so nothing
that a here-document or a string holds is ever taken for a directive.

A line is a comment sign (`#`, `//`, `--`, `;`, `%` or `'`), BATCHIO or COILED, and one
of `key value`, `key=value`, `key: value`, each also with dashes before the key. A flag
needs no value; `no-key` means no, or for an option with a value: forget what lower
layers say. A value may stand in quotes and may be followed by a comment: a blank, the
comment sign (or `#`), and a blank or the end of the line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.errors import UsageError
from batchio.options.table import find, find_opposite, nearest, suggestion
from batchio.options.values import is_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchio.options.schema import Option

TAGS: Final = ("BATCHIO", "COILED")

_COMMENT = re.compile(r"\s*(#+|//+|--+|;+|%+|')")
_SIGNS: Final = {"/": "//+", "-": "--+", ";": ";+", "%": "%+"}
_HASH_COMMENT = re.compile(r"\s*(#+)")
_HASH_NAMES: Final = (".sh", ".bash", ".zsh", ".ksh", ".py")
_HASH_SHEBANG = re.compile(r"#!.*\b(?:(?:ba|z|k|da|a)?sh|python[\d.]*)\b")
_DOCSTRING = re.compile(r"""[rRuU]?("{3}|'{3}|"|')""")
_FOREIGN = re.compile(r"(SBATCH|PBS|BSUB)\s")
_AFTER_TAG: Final = ":-,;=|"
"""Signs that may part the tag from its key, as well as any blank, a no-break space among them."""
_KEY = re.compile(r"-{0,2}([A-Za-z][A-Za-z0-9_-]*)(?:\s*[=:]\s*|\s+|$)(.*)", re.S)
_QUOTED_PAIR = re.compile(r"""([A-Za-z_]\w*=)(["'].*)""", re.S)


class Directive(NamedTuple):
    """One directive: an option's name, its value as text, and where it stands.

    A flag has the value "true" or "false"; "" clears the option.
    """

    key: str
    value: str
    line: int
    tag: str


def parse(text: str, filename: str, tags: Sequence[str] = TAGS) -> list[Directive]:
    """Return the directives in the leading comment block of a script, in order.

    A tag in capitals always makes a directive; one in small letters only when a known
    key follows ("# batchio run hello.sh" is prose).

    Args:
        filename: for messages, and its ending decides what a comment is.

    Raises:
        UsageError: an unknown key, a missing value, an open quote; `where` is
            "filename:line".
    """
    found = []
    for number, sign, comment in _header(text, filename):
        tagged = _tagged(comment, tags)
        if tagged is not None:
            tag, rest = tagged
            directive = _directive(rest, tag, sign, f"{filename}:{number}", number)
            if directive is not None:
                found.append(directive)
    return found


def ignored(text: str, filename: str, tags: Sequence[str] = TAGS) -> list[str]:
    """Return a line for each directive that is ignored because it stands after code began."""
    last = max((number for number, _, _ in _header(text, filename)), default=0)
    notes = _foreign(text, filename) + _late_shebang(text, filename)
    for number, line in enumerate(text.splitlines()[last:], last + 1):
        match = _HASH_COMMENT.match(line)
        tagged = _tagged(line[match.end() :], tags) if match else None
        key = _KEY.fullmatch(tagged[1]) if tagged and tagged[0] in tags else None
        if key and _option(key[1]) is not None:
            notes.append(
                f"{filename}:{number}: ignored, directives must come before the first line of "
                f"code: {line.strip()}"
            )
    return notes


def _foreign(text: str, filename: str) -> list[str]:
    """Return a line when a script has directives of another scheduler and none of ours."""
    header = list(_header(text, filename))
    for number, _, comment in header:
        found = _FOREIGN.match(comment)
        if found and not any(_tagged(each, TAGS) for _, _, each in header):
            return [
                f"{filename}:{number}: #{found[1]} lines are not read; "
                "write # BATCHIO KEY VALUE, such as # BATCHIO array 1-10"
            ]
    return []


def _late_shebang(text: str, filename: str) -> list[str]:
    """Return a line when comments, such as directives, stand before the "#!" of a script."""
    if filename.endswith(".py"):  # never read
        return []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#!/"):
            why = "so it is ignored; make it the first line"
            before = any(each.strip() for each in text.splitlines()[: number - 1])
            return [f'{filename}:{number}: "#!" is not in the first line, {why}'] if before else []
        if line.strip() and not line.startswith("#"):
            return []
    return []


def quote(value: str) -> str:
    """Return the value in quotes, so that a directive gives back exactly this text.

    Raises:
        ValueError: it holds a line break, which no directive can.
    """
    if len(value.splitlines()) > 1 or value.endswith(("\n", "\r")):
        raise ValueError("a directive is one line")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _header(text: str, filename: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, comment sign and text of each line of the leading comment block."""
    lines = text.removeprefix("\ufeff").splitlines()
    first = next((line for line in lines if line.strip()), "")
    hashes = filename.endswith(_HASH_NAMES) or _HASH_SHEBANG.match(first)
    comment = _HASH_COMMENT if hashes else _COMMENT
    docstring_allowed = True
    numbered = iter(enumerate(lines, 1))
    for number, line in numbered:
        docstring = _DOCSTRING.match(line) if docstring_allowed else None
        if docstring and (hashes or len(docstring[1]) == 3):
            if not _skip_docstring(line[docstring.end() :], docstring[1], numbered):
                return
            docstring_allowed = False
        elif match := comment.match(line):
            yield number, match[1], line[match.end() :]
        elif line.strip():
            return


def _skip_docstring(rest: str, mark: str, numbered: Iterable[tuple[int, str]]) -> bool:
    """Read on to the end of a docstring; return False when code (or nothing) follows it."""
    if mark not in rest and len(mark) == 3:
        rest = next((line for _, line in numbered if mark in line), "")
    _, closed, after = rest.partition(mark)
    return bool(closed) and not after.partition("#")[0].strip()


def _tagged(comment: str, tags: Sequence[str]) -> tuple[str, str] | None:
    """Return the tag as written and the text after it, without the separator."""
    body = comment.strip()
    for tag in tags:
        for spelling in (tag, tag.lower(), tag.capitalize()):
            rest = body.removeprefix(spelling)
            if rest != body and (not rest or rest[0].isspace() or rest[0] in _AFTER_TAG):
                return spelling, rest.lstrip().lstrip(_AFTER_TAG.replace("-", "")).lstrip()
    return None


def _option(key: str) -> Option | None:
    return find(key) or find_opposite(key)


def _directive(rest: str, tag: str, sign: str, where: str, line: int) -> Directive | None:
    match = _KEY.fullmatch(rest)
    key = match[1] if match else rest.split(" ")[0]
    option = _option(key) if match else None
    prose = not tag.isupper()
    if option is None or match is None:
        if prose and (match is None or nearest(key, cutoff=0.8) is None):
            return None
        raise UsageError(_unknown(key), where=where, hint=suggestion(key))
    if "directive" not in option.surfaces:
        raise UsageError(
            f"{option.name} cannot be set in a script",
            where=where,
            hint="pass it to batchio run"
            if "cli" in option.surfaces
            else "pass it to batchio.run() in Python",
        )
    text, quoted = _value(match[2], option, sign, where)
    if not quoted:
        _refuse_more(option, text, where)
    value = _meant(option, text, quoted, find(key) is None, where)
    return Directive(option.name, value, line, tag.upper())


def _refuse_more(option: Option, text: str, where: str) -> None:
    """Refuse a value that holds further options, or goes on in the next line."""
    quotes = "put quotes around the value"
    for word in text.split():
        name = word.partition("=")[0]
        other = find(name) or find_opposite(name) if name.startswith("--") else None
        if other is not None and "directive" in other.surfaces:
            raise UsageError(
                f"{option.name} and {name} are on the same line",
                where=where,
                hint=f"write one option per line, or {quotes}",
            )
    if text.endswith("\\") and (text == "\\" or text[-2].isspace()):
        raise UsageError(
            f"{option.name}: a directive cannot continue on the next line",
            where=where,
            hint=f"write one option per line, or {quotes}",
        )


def _unknown(key: str) -> str:
    return f'unknown directive "{key}"' if key else "a directive without a key"


def _meant(option: Option, text: str, quoted: bool, negated: bool, where: str) -> str:
    """Return the value as text, once flags and no-… are understood."""
    yes_no = option.kind in ("flag", "tri")
    if negated:
        if text:
            raise UsageError(
                f'no-{option.name} takes no value, but got "{text}"',
                where=where,
            )
        return "false" if yes_no else ""
    if quoted and is_empty(option, text):
        raise UsageError(
            f"{option.name}: the value is empty",
            where=where,
            hint=f"to clear the value of configuration files: no-{option.name}",
        )
    if text or quoted:
        return text
    if yes_no:
        return "true"
    raise UsageError(
        f"{option.name} needs a value",
        where=where,
        hint=f"write {option.name} {option.metavar}, or no-{option.name} to clear it",
    )


def _value(text: str, option: Option, sign: str, where: str) -> tuple[str, bool]:
    """Return the value without trailing comment and quotes, and whether it had quotes."""
    text = text.strip()
    if text[:1] in ('"', "'"):
        inner = _unquoted(text, sign, where)
        return (_uncommented(text, sign), False) if inner is None else (inner, True)
    pair = _QUOTED_PAIR.fullmatch(text) if option.kind == "pairs" else None
    if pair:
        inner = _unquoted(pair[2], sign, where)
        if inner is not None:
            return pair[1] + inner, True
    return _uncommented(text, sign), False


def _unquoted(text: str, sign: str, where: str) -> str | None:
    """Return the text inside the quotes; None when more than a comment follows them.

    Between double quotes a backslash protects a double quote and a backslash.
    """
    mark = text[0]
    pattern = r'"((?:[^"\\]|\\.)*)"' if mark == '"' else r"'([^']*)'"
    match = re.match(pattern, text, re.S)
    if match is None:
        raise UsageError(f"the quote is not closed: {text}", where=where)
    if _uncommented(" " + text[match.end() :], sign):
        return None
    inner = match[1]
    return re.sub(r'\\(["\\])', r"\1", inner) if mark == '"' else inner


def _uncommented(text: str, sign: str) -> str:
    """Return the text up to a comment sign that stands between blanks."""
    own = _SIGNS.get(sign[0], "#+")
    return re.split(rf"(?:^|\s)(?:#+|{own})(?:\s|$)", text, maxsplit=1)[0].strip()
