"""docs/reference/python.md: the docstrings of the public names."""

import inspect
from collections.abc import Iterator
from typing import Any, Final

import batchio

HEAD: Final = """\
<!-- Written by make docs; change the code, not this page. -->

# Python

What `import batchio` offers. The verbs and the methods of `Job` and `Node` are to be awaited,
under asyncio or trio; `batchio.sync` has the verbs and `Job` for programs without a loop. Keyword
arguments of `run` and `plan` are the [options](options.md). How to use it:
[Use it from Python](../how-to/python.md).
"""


def page() -> str:
    """The whole page."""
    things = {name: getattr(batchio, name) for name in batchio.__all__}
    verbs = {n: t for n, t in things.items() if inspect.isroutine(t)}
    classes = {n: t for n, t in things.items() if inspect.isclass(t)}
    modules = {n: t for n, t in things.items() if inspect.ismodule(t)}
    parts = [HEAD, "## Verbs\n"]
    parts += [_entry(f"### {name}", f"{name}{_call(verb)}", verb) for name, verb in verbs.items()]
    parts.append("## Classes\n")
    for name, kind in classes.items():
        parts.append(_entry(f"### {name}", f"class {name}{_bases(kind)}", kind))
        parts += [_entry("", told, member) for told, member in _members(kind)]
    parts.append("## Modules\n")
    parts += [_entry(f"### {name}", f"import batchio.{name}", m) for name, m in modules.items()]
    return "\n".join(parts)


def _entry(heading: str, code: str, thing: Any) -> str:
    text = inspect.cleandoc(thing.__doc__ or "")
    body = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    return f"{heading}\n\n```text\n{code}\n{body}\n```\n".lstrip("\n")


def _bases(kind: type) -> str:
    if issubclass(kind, Exception):
        return f"({kind.__bases__[0].__name__})"
    hints = vars(kind).get("__annotations__", {})
    return "".join(f"\n    {name}: {_plain(hint)}" for name, hint in hints.items())


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Each public method and property with how it is written."""
    for name, member in vars(kind).items():
        if name.startswith("_") or issubclass(kind, Exception):
            continue
        if isinstance(member, property):
            yield f"{kind.__name__}.{name}: {_plain(member.fget.__annotations__['return'])}", member
        elif inspect.isfunction(member):
            yield f"{kind.__name__}.{name}{_call(member)}", member


def _call(function: Any) -> str:
    return _plain(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")


def _plain(annotation: object) -> str:
    """Without the quotes that postponed annotations have, and the same in every Python."""
    return str(getattr(annotation, "__forward_arg__", annotation)).replace("'", "")
