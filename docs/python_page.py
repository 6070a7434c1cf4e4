"""docs/reference/python.md: the docstrings of the public names, and every field of the results."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, is_typeddict

import batchio

HEAD: Final = """\
<!-- Written by make docs; change the code, not this page. -->

# Python

What `import batchio` offers. The verbs and the methods of `Job` and `Node` are to be awaited,
under asyncio or trio; `batchio.sync` has the verbs and `Job` for programs without a loop. Keyword
arguments of `run`, `plan` and `check` are the [options](options.md); errors form
[a tree](errors.md). How to use it: [Use it from Python](../how-to/python.md).
"""


def page() -> str:
    """Return the whole page."""
    things = {name: getattr(batchio, name) for name in batchio.__all__}
    verbs = {n: t for n, t in things.items() if inspect.isroutine(t)}
    classes = {n: t for n, t in things.items() if inspect.isclass(t)}
    modules = {n: t for n, t in things.items() if inspect.ismodule(t)}
    parts = [HEAD, "## Verbs\n"]
    parts += [_entry(f"### {name}", f"{name}{_call(verb)}", verb) for name, verb in verbs.items()]
    parts.append("## Classes\n")
    for name, kind in classes.items():
        parts.append(_entry(f"### {name}", f"class {name}{_bases(kind)}", kind))
        if fields := list(_fields(kind)):
            parts.append("\n".join(["| Field | Type | |", "| --- | --- | --- |", *fields, ""]))
        parts += [_entry("", told, member) for told, member in _members(kind)]
    parts.append("## Modules\n")
    parts += [_entry(f"### {name}", f"import batchio.{name}", m) for name, m in modules.items()]
    return "\n".join(parts)


def _entry(heading: str, code: str, thing: Any) -> str:
    text = inspect.cleandoc(thing.__doc__ or "")
    body = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    return f"{heading}\n\n```text\n{code}\n{body}\n```\n".lstrip("\n")


def _bases(kind: type) -> str:
    bases = [base.__name__ for base in kind.__bases__ if issubclass(base, Exception)]
    return f"({', '.join(bases)})" if bases else ""


def _lineage(kind: type) -> Iterator[type]:
    """Yield the classes of ours that a class is made from, from the base to itself."""
    for one in reversed(kind.__mro__):
        ours = one.__module__.startswith("batchio.") and one.__name__ not in ("Record", "View")
        if ours and (one is kind or not issubclass(one, Exception)):
            yield one


def _fields(kind: type) -> Iterator[str]:
    """Yield a line of a table for each public field, also for those of its bases."""
    if is_typeddict(kind):
        return
    for one in _lineage(kind):
        for name, annotation, said in _written_fields(one):
            told = (annotation.replace("|", "\\|"), said.replace("|", "\\|"))
            yield f"| `{name}` | `{told[0]}` | {told[1]} |"


@cache
def _written_fields(kind: type) -> list[tuple[str, str, str]]:
    """Return name, type and sentence of each public field, as the class is written."""
    [body] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found = []
    for step, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(step, ast.AnnAssign) and isinstance(step.target, ast.Name):
            said = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                said = " ".join(str(after.value.value).split())
            if step.target.id[0] != "_" and "ClassVar" not in ast.unparse(step.annotation):
                found.append((step.target.id, ast.unparse(step.annotation), said))
    return found


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield each public method and property with how it is written, also those of its bases."""
    members = {name: one for base in _lineage(kind) for name, one in vars(base).items()}
    for name, member in members.items():
        if name.startswith("_") or issubclass(kind, Exception):
            continue
        if isinstance(member, property):
            yield f"{kind.__name__}.{name}: {_plain(member.fget.__annotations__['return'])}", member
        elif inspect.isfunction(member):
            yield f"{kind.__name__}.{name}{_call(member)}", member


def _call(function: Any) -> str:
    return _plain(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")


def _plain(annotation: object) -> str:
    """Return an annotation without the quotes of a postponed one, the same in every Python."""
    return str(getattr(annotation, "__forward_arg__", annotation)).replace("'", "")
