"""Options of commands, made from the table of options, and their form in --help."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from batchio.cli import diagnostics, place
from batchio.options.schema import GROUPS, opposite
from batchio.options.table import OPTIONS, nearest
from batchio.options.values import COMMAND_LINE, FALSE_WORDS, TRUE_WORDS, parse_value
from batchio.providers import NAMES, traits

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from _typeshed import DataclassInstance
    from click.shell_completion import CompletionItem

    from batchio.options.schema import Option

    A = TypeVar("A", bound=DataclassInstance)

FEW: Final = 16
"""Most options that --help shows without groups."""

SET_APART: Final = "batchio.set_apart"
"""Key of a click context's `meta`: whether `--` stood before the words of a command."""

_FLAGS: Final = ("flag", "tri")


class TableOption(click.Option):
    """One row of the table as an option of a command; its value stays text."""

    def __init__(self, row: Option) -> None:
        self.row = row
        self.useful = bool(_honouring(row))
        """Whether any provider honours the option."""
        self.optional_word = row.boolean_word
        self.flag = row.kind in _FLAGS and not row.boolean_word
        names = [
            f"--{name}/--{opposite(name)}" if self.flag else f"--{name}" for name in row.spellings
        ]
        names = ([row.short] if row.short else []) + names
        super().__init__(
            [_identifier(row.name), *names],
            default=None,
            required=False,
            multiple=row.repeat,
            is_flag=self.flag,
            help=row.help + _limits(row),
            metavar=row.metavar or "WORD",
            type=None if self.flag else click.UNPROCESSED,
        )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the option's line in --help: all spellings, and --no- where it has a meaning."""
        shown = [f"--{name}" for name in self.row.spellings]
        if self.row.default is True or (self.row.kind == "tri" and not self.optional_word):
            shown.append(f"--{self.row.opposites[0]}")
        text = ", ".join([self.row.short, *shown] if self.row.short else shown)
        if self.optional_word:
            return f"{text} [true|false]", self.help or ""
        return (text if self.flag else f"{text} {self.row.metavar}"), self.help or ""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the choices that fit, a mark for the shell to complete files, or nothing."""
        from click.shell_completion import CompletionItem

        if self.row.choices:
            return [CompletionItem(c) for c in self.row.choices if c.startswith(incomplete)]
        if self.row.kind in ("path", "paths"):
            return [CompletionItem(incomplete, type="file")]
        return []


class TableCommand(click.Command):
    """A command whose options come from the table, grouped as the table groups them."""

    def __init__(self, name: str, *, takes: type[Any], **settings: Any) -> None:
        super().__init__(name, **settings)
        self.takes = takes
        """The dataclass of the command's arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; a mistyped option gets a suggestion."""
        try:
            options, rest = _parted(self, args)
            ctx.meta[SET_APART] = rest[:1] == ["--"]
            return super().parse_args(ctx, [*options, *rest])
        except click.NoSuchOption as err:
            known = [n.lstrip("-") for p in self.params for n in p.opts if n.startswith("--")]
            close = nearest(err.option_name, [*known, "help"])
            near = [f"--{close}"] if close else None
            raise click.NoSuchOption(err.option_name, possibilities=near, ctx=ctx) from None
        except click.UsageError as err:
            err.ctx = err.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under the names of their groups, or without groups when few."""
        rows = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        shown = [p for p in rows if not isinstance(p, TableOption) or p.useful]
        grouped = len(shown) > FEW
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in shown:
            record = param.get_help_record(ctx)
            if record is not None:
                group = param.row.group if isinstance(param, TableOption) else "Options"
                group = group if grouped else "Options"
                sections.setdefault(group, []).append(record)
        for name in (*GROUPS, "Options"):
            if name in sections:
                with formatter.section(name):
                    formatter.write_dl(sections[name])
        idle = [f"--{p.row.name}" for p in rows if isinstance(p, TableOption) and not p.useful]
        if idle:
            with formatter.section(
                "Options of Coiled Batch that batchio cannot honor: they are refused or ignored, "
                "with a reason"
            ):
                size = max(map(len, idle)) + 2
                across = max((formatter.width - 2) // size, 1)
                for at in range(0, len(idle), across):
                    row = "".join(name.ljust(size) for name in idle[at : at + across])
                    formatter.write(f"  {row.rstrip()}\n")


def command(
    name: str,
    call: Callable[[A], int],
    takes: type[A],
    *own: click.Parameter,
    like: str = "",
    groups: Container[str] = GROUPS,
    **settings: Any,
) -> TableCommand:
    """Make a command from a function and the dataclass of its arguments.

    Args:
        name: The command's name, as it is typed.
        call: Runs the command and returns the exit code. Its docstring is the help.
        takes: A dataclass with a field for each parameter, of the same name.
        own: Parameters that are not in the table.
        like: Another command whose options of the table this one has, too.
        groups: Groups of the table whose options are taken.
        settings: Settings of the click context.
    """
    params = [*own, *table_options(like or name, groups)]
    rows = {param.name: param.row for param in params if isinstance(param, TableOption)}

    def called(**said: Any) -> int:
        if said.get("secret_env"):
            from batchio.api import hide_arguments

            hide_arguments(said["secret_env"])
        place.use(said.get("workspace"))
        diagnostics.be_quiet(bool(said.get("quiet")))
        return call(_arguments(takes, rows, said))

    return TableCommand(
        name,
        takes=takes,
        callback=called,
        help=call.__doc__,
        params=params,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
            **settings,
        },
    )


def _arguments(takes: type[A], rows: Mapping[str, Option], said: Mapping[str, Any]) -> A:
    """Return the values that click read as the dataclass of a command's arguments.

    An option of the table has its typed value; where nothing was typed the default of the
    field counts before that of the table. A field `typed` gets the text of all typed options.

    Raises:
        UsageError: a value that cannot be read.
    """
    values: dict[str, Any] = {}
    for item in fields(takes):
        if item.name == "typed":
            values["typed"] = given(said)
        elif item.name not in rows:
            values[item.name] = said[item.name]
        elif said[item.name] not in (None, ()) or item.default is MISSING:
            values[item.name] = _value(rows[item.name], said[item.name])
    return takes(**values)


def table_options(command: str, groups: Container[str] = GROUPS) -> list[click.Parameter]:
    """Return the command's options of these groups, in the order of the table."""
    rows = [o for o in OPTIONS if command in o.commands and "cli" in o.surfaces]
    return [TableOption(row) for row in rows if row.group in groups]


def spelled_alike(words: Sequence[str]) -> list[str]:
    """Return the words that are spelled like an option of `run`: `--ntasks`, `--no-wait`."""
    rows = [o for o in OPTIONS if "run" in o.commands and "cli" in o.surfaces]
    names = {f"--{name}" for row in rows for name in row.spellings}
    names |= {f"--{name}" for row in rows if row.kind in _FLAGS for name in row.opposites}
    return [word for word in words if word.partition("=")[0] in names]


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the typed options: name to text, bool, or list of texts; no others."""
    return {
        option.name: params[_identifier(option.name)]
        for option in OPTIONS
        if params.get(_identifier(option.name)) not in (None, ())
    }


def _value(option: Option, said: Any) -> Any:
    if said in (None, ()):
        return option.default
    return said if isinstance(said, bool) else parse_value(option, said, COMMAND_LINE)


def _parted(command: click.Command, args: Sequence[str]) -> tuple[list[str], Sequence[str]]:
    """Return the words before the first one that is no option or is `--`, and the rest.

    Among the former the word after a yes/no option is joined (`--run-on-host=true`) and `-N=8`
    is parted; the rest belongs to the user's program.
    """
    by_name = {name: param for param in command.params for name in param.opts}
    optional = {
        name: f"--{param.row.spellings[0]}"
        for name, param in by_name.items()
        if isinstance(param, TableOption) and param.optional_word
    }
    out: list[str] = []
    at = 0
    while at < len(args):
        word = args[at]
        if word == "--" or not word.startswith("-") or word == "-":
            break
        at += 1
        positive = word.replace("--no-", "--", 1)
        if positive in optional:
            value = str(positive == word).lower()
            if positive == word and at < len(args) and _is_yes_or_no(args[at]):
                value = args[at]
                at += 1
            out.append(f"{optional[positive]}={value}")
            continue
        if word[:1] == "-" != word[1:2] and word[2:3] == "=" and word[:2] in by_name:
            out += [word[:2], word[3:]]  # -N=8
            continue
        out.append(word)
        param = by_name.get(word)
        if isinstance(param, click.Option) and not param.is_flag and at < len(args):
            out.append(args[at])
            at += 1
    return out, args[at:]


def _is_yes_or_no(word: str) -> bool:
    return word.lower() in TRUE_WORDS | FALSE_WORDS


def _identifier(name: str) -> str:
    return name.replace("-", "_")


def _honouring(option: Option) -> list[str]:
    """Return the names of the providers that honour an option."""
    return [name for name in NAMES if not option.refusal(name, traits(name))]


def _limits(option: Option) -> str:
    """Return which providers honour an option, for --help, or "" when all or none do."""
    honouring = _honouring(option)
    return f" [only on {', '.join(honouring)}]" if 0 < len(honouring) < len(NAMES) else ""
