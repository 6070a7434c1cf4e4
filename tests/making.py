"""Jobs with known ids, in any kind of workspace."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchio.ports import JobStore
    from tests.contracts.store_kinds import AnyWorkspace


def make(
    workspace: AnyWorkspace,
    job: str,
    events: Sequence[str],
    *,
    name: str = "",
    made_by: str = "",
    inputs: Iterable[bytes] | None = None,
) -> str:
    """Make a job of this id from its first events; returns the id."""
    workspace.new_id = lambda now: job
    with workspace.draft(0.0) as draft:
        if inputs is not None:
            draft.put_inputs(inputs, "a list")
        draft.commit(events, name=name, made_by=made_by)
    return job


def bodies(store: JobStore) -> list[str]:
    """All events as another process reads them; their numbers have no gaps."""
    with closing(store.reader()) as reader:
        rows = reader.read()
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    return [body for _, body in rows]


def texts(store: JobStore) -> list[str]:
    """The inputs of all tasks."""
    with closing(store.inputs()) as inputs:
        return [inputs.value(position) for position in range(inputs.count)]
