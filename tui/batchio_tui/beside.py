"""Work that goes on beside the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from textual.widget import Widget


def beside(
    widget: Widget,
    group: str,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    exclusive: bool = False,
) -> None:
    """Begin work that ends with the widget.

    Args:
        exclusive: End what the widget began before in this group.
    """
    # The function, not its coroutine: one that is ended before it began was never awaited.
    widget.run_worker(cast("Any", work), group=group, exclusive=exclusive)
