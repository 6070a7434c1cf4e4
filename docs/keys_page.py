"""docs/reference/dashboard-keys.md, from the dashboard's one table of actions."""

from __future__ import annotations

from batchio_tui.actions import ACTIONS, TABLES, shown_key
from docs.reference_pages import NOTE


def page() -> str:
    """Return the page."""
    rows = []
    for action in ACTIONS:
        keys = " ".join(f"`{shown_key(key)}`" for key in action.keys)
        where = "" if action.views == TABLES else ", ".join(sorted(action.views))
        changes = "yes" if action.changes else ""
        rows.append(f"| {keys} | `{action.name}` | {action.help} | {where} | {changes} |")
    return "\n".join([NOTE, _HEAD, *rows, ""])


_HEAD = """\
# Keys of the dashboard

What [`batchio dashboard`](../how-to/dashboard.md) does, by key. To change a key, name its action in
`batchio.toml` or `pyproject.toml`; see [Keys of your own](../how-to/dashboard.md#keys-of-your-own).

| keys | action | what it does | only in | changes the job |
| --- | --- | --- | --- | --- |"""
