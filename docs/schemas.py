"""docs/reference/schema: JSON Schemas of all that programs read, made from the types themselves.

A document is a view (a dataclass of `core.views`), a typed dictionary, or an event; what one
command adds to a view stands here, and the tests hold what commands print to it.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from dataclasses import fields
from types import GenericAlias, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from batchio.cli.documents import (
    Changed,
    Checked,
    Cleaned,
    Explained,
    HeadLog,
    LogRecord,
    NamedEnvironments,
    PriceTable,
    ShownEnvironment,
    Submitted,
    Version,
)
from batchio.core import events, news, views
from batchio.core.quote import Quote
from batchio.core.record import View
from batchio.submit.prepared import PlanDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Printed(NamedTuple):
    """What a command prints: one document, or an array or lines of them."""

    how: str
    json: str
    jsonl: str


PRINTED: Final = (
    Printed("run", "submitted", "submitted"),
    Printed("run --wait", "ended", "ended"),
    Printed("run --dry-run", "plan", "plan"),
    Printed("plan", "plan", "plan"),
    Printed("prices", "prices, in an array", "prices, a line each"),
    Printed("wait", "ended", "ended"),
    Printed("status", "status", "task, a line each"),
    Printed("status --no-tasks", "ended", "ended"),
    Printed("list", "job, in an array", "job, a line each"),
    Printed("nodes", "node, in an array", "node, a line each"),
    Printed("cancel", "changed", "changed"),
    Printed("retry", "changed", "changed"),
    Printed("recover", "changed", "changed"),
    Printed("version", "version", "version"),
    Printed("check", "checked", "checked"),
    Printed("doctor", "checked", "checked"),
    Printed("explain", "explanation", "explanation"),
    Printed("env show", "environment", "environment"),
    Printed("env list", "named-environments", "named-environments"),
    Printed("env clean", "cleaned", "cleaned"),
    Printed("logs --scheduler", "head-log", "head-log"),
    Printed("logs", "log-line, in an array", "log-line, a line each"),
)
"""By command. `Job.events()` yields `event`s."""


_INPUT: Final = "The task's input, with --inputs; null where the job maps over nothing."


_COST: Final = "What it would cost; absent or null where nothing is rented."


def documents() -> dict[str, Any]:
    """Return the type of each document, by the name of its schema."""
    number = {"schema": int}
    failures = {"failures": GenericAlias(list, document(views.FailureGroup))}
    given = {"input": Annotated[NotRequired[str | None], Field(description=_INPUT)]}
    about = Field(description=_COST)
    cost = {"cost": Annotated[NotRequired[document(Quote) | None], about]}
    tasks = {"tasks": GenericAlias(list, document(views.TaskRow, **given))}
    return {
        "submitted": document(Submitted),
        "plan": document(PlanDocument, **cost),
        "prices": document(PriceTable),
        "job": document(views.JobSummary, **number),
        "ended": document(views.JobView, **number, **failures),
        "status": document(views.JobView, **number, **failures, **tasks),
        "task": document(views.TaskRow, **number, **given),
        "node": document(views.NodeRow, **number),
        "changed": document(Changed),
        "version": document(Version),
        "checked": document(Checked),
        "environment": document(ShownEnvironment),
        "cleaned": document(Cleaned),
        "named-environments": document(NamedEnvironments),
        "explanation": document(Explained),
        "head-log": document(HeadLog),
        "log-line": document(LogRecord),
        "event": event(),
    }


def document(kind: type, **more: Any) -> Any:
    """Return a typed dictionary with the public fields of a class, and with `more`."""
    hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        hints |= _hints(base)
    said = [text for base in reversed(kind.__mro__) for text in _docstrings(base).items()]
    described = {
        name: Annotated[hint, Field(description=text)] if (text := dict(said).get(name)) else hint
        for name, hint in hints.items()
    }
    return _typed(kind, {**more, **described})


def _typed(kind: type, hints: Mapping[str, Any], suffix: str = "") -> Any:
    """Return a typed dictionary of these fields, with the name and the sentence of a class."""
    total = getattr(kind, "__total__", True)
    made: Any = TypedDict(kind.__name__ + suffix, hints, total=total)  # type: ignore[misc]
    made.__doc__ = None if suffix else inspect.getdoc(kind)
    return made


def _hints(kind: type) -> dict[str, Any]:
    """Return the public annotations that a class itself has; views in them become documents."""
    written = vars(kind).get("__annotations__", {})
    public = {name: hint for name, hint in written.items() if not name.startswith("_")}
    space = vars(sys.modules[kind.__module__])
    found = get_type_hints(type("Public", (), {"__annotations__": public}), space, {"Any": Any})
    return {name: _plain(h) for name, h in found.items() if get_origin(h) is not ClassVar}


def _plain(hint: Any) -> Any:
    """Return the type with each view in it, and each typed dictionary, as its document."""
    if isinstance(hint, type) and (issubclass(hint, View) or hasattr(hint, "__total__")):
        return document(hint)
    arguments = tuple(_plain(part) for part in get_args(hint))
    if not arguments or get_origin(hint) is Literal:
        return hint
    origin: Any = get_origin(hint)
    return Union[arguments] if origin is UnionType else origin[arguments]  # noqa: UP007


def _docstrings(kind: type) -> dict[str, str]:
    """Return the text below each field of a class."""
    try:
        [body] = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError):
        return {}
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: text.value.value
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


# ---- events -------------------------------------------------------------------------

_COLUMNS: Final[Mapping[str, Any]] = {
    "task": int,
    "attempt": int,
    "exit_code": int | None,
    "reason": str,
    "started": float,
    "stopped": float,
    "not_before": float,
    "cause": str,
    "memory": int,
    "cpu": float,
    "log_from": int,
    "log_to": int,
    "files": int,
    "bytes": int,
    "last_words": str,
    "offer": str,
    "nodes": int,
    "slots": int,
}
"""Types of the columns that `core.news` names."""


def event() -> Any:
    """Return the type of what `Job.events()` yields: a union, told apart by `event`."""
    kinds = tuple(_event(kind) for kind in sorted(events._TYPES.values(), key=news.name_of))
    return Annotated[Union[kinds], Field(discriminator="event")]  # noqa: UP007


def _event(kind: type[events.Event]) -> Any:
    hints: dict[str, Any] = {"at": float, "event": Literal[news.name_of(kind)]}
    found = {name: h for base in reversed(kind.__mro__) for name, h in _hints(base).items()}
    for item in fields(kind):
        if item.name == "node":
            hints |= {"node": str, "node_number": int}
        elif item.name == "nodes" and found["nodes"] == list[int]:
            hints |= {"nodes": GenericAlias(list, str), "node_numbers": GenericAlias(list, int)}
        elif item.name == "rows" and (columns := news.ROWS.get(kind)):
            row = _typed(kind, {name: _COLUMNS[name] for name in columns}, "Row")
            hints["rows"] = GenericAlias(list, row)
        elif item.name in ("tasks", "records") and (columns := news.ROWS.get(kind)):
            named = {name: _COLUMNS[name] for name in columns}
            named |= {"signal": str | None} if "exit_code" in columns else {}
            row = _typed(kind, named, "Task")
            hints["tasks"] = GenericAlias(list, row)
        elif item.name != "at":
            hints[item.name] = found[item.name]
    return _typed(kind, hints)


# ---- texts --------------------------------------------------------------------------


class _Short(GenerateJsonSchema):
    """Without the titles that only repeat the name of a field."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(name: str) -> str:
    """Return the text of the schema of that name."""
    made = TypeAdapter(documents()[name]).json_schema(schema_generator=_Short)
    whole = {"$schema": _Short.schema_dialect, **made, "title": name}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def page() -> str:
    """Return the page that says which schema is whose."""
    rows = (
        f"| `batchio {one.how}` | {_linked(one.json)} | {_linked(one.jsonl)} |" for one in PRINTED
    )
    return _PAGE.format(rows="\n".join(rows))


def _linked(text: str) -> str:
    name, comma, rest = text.partition(",")
    return f"[{name}](schema/{name}.json){comma}{rest}"


_PAGE: Final = """\
<!-- Written by make docs; change docs/schemas.py, not this page. -->

# JSON for programs

With `--format json` a command prints one JSON value, with `--format jsonl` one a line. Each has a
[JSON Schema](https://json-schema.org) of the 2020-12 draft, made from the code; tests hold what is
printed to it.

| command | `--format json` | `--format jsonl` |
| --- | --- | --- |
{rows}

`Job.events()` of the [Python API](python.md) yields dictionaries after [event](schema/event.json).

```console
$ batchio run --wait --format json -- true > ended.json
$ python3 -c 'import json; print(json.load(open("ended.json"))["outcome"])'
succeeded
```

Times are Unix seconds, durations seconds, sizes bytes; null stands for "not yet" or "not known".
Every document bears `schema`, the version of their meaning: it rises when a field changes its
meaning or goes away. A thing has one name everywhere: its own id is `id`, and what it belongs to is
`job`, `task`, `node` (a node's name) and `node_number`; processes end with `exit_code` or
`signal`.
Fields and kinds of events may be added at any time: ignore those that you do not know.
"""


def files() -> dict[str, Callable[[], str]]:
    """Return what makes each file, by its path below docs/reference."""
    return {"schema.md": page, **dict(_schemas())}


def _schemas() -> Iterator[tuple[str, Callable[[], str]]]:
    for name in documents():
        yield f"schema/{name}.json", lambda name=name: schema(name)  # type: ignore[misc]
