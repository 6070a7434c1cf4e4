"""The keys that a person has chosen for the dashboard, in the table [dashboard.keys] of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.errors import UsageError
from batchio.options.table import nearest
from batchio.submit import config

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchio.submit.caller import CallerContext


def own_keys(
    here: CallerContext, actions: Collection[str], names: Collection[str]
) -> dict[str, str]:
    """Return the keys by action; what the project's file says counts before the user's.

    Args:
        actions: The actions that there are.
        names: The names of keys other than single characters.

    Raises:
        UsageError: an action or a key that there is not; `where` is file and line.
    """
    keys: dict[str, str] = {}
    for file in reversed(config.files(here)):
        table = file.values.get(config.DASHBOARD)
        if not isinstance(table, dict):
            continue
        for name in table:
            if name != "keys" or not isinstance(table[name], dict):
                raise UsageError(
                    f'"{name}" means nothing in [dashboard]',
                    where=file.origin(name, config.DASHBOARD),
                    hint="keys stand in [dashboard.keys]",
                )
        for action, key in table.get("keys", {}).items():
            where = file.origin(action, config.DASHBOARD, "keys")
            keys[action] = _checked(action, key, actions, names, where)
    return keys


def _checked(
    action: str, key: Any, actions: Collection[str], names: Collection[str], where: str
) -> str:
    if action not in actions:
        close = nearest(action, actions)
        hint = f'did you mean "{close}"?' if close else f"one of: {', '.join(actions)}"
        raise UsageError(f'the dashboard has no action "{action}"', where=where, hint=hint)
    is_character = isinstance(key, str) and len(key) == 1 and key.isprintable() and key != " "
    if not is_character and key not in names:
        close = nearest(str(key), names)
        hint = f'did you mean "{close}"?' if close else f"a character, or {', '.join(names)}"
        raise UsageError(f"{key!r} is no key", where=where, hint=hint)
    return str(key)
