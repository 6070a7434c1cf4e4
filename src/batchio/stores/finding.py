"""Finding the job that a person means, in any workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.core.ids import is_prefix
from batchio.errors import NoSuchJob

if TYPE_CHECKING:
    from batchio.ports import Workspace

CANDIDATES: Final = 5
"""Most jobs that the hint about an ambiguous id lists."""


def find(workspace: Workspace, text: str | None = None) -> str:
    """Return the id of the job that a text means: an id, a unique beginning of one, or a name.

    Of several jobs with one name it is the newest; None means the newest of all jobs.

    Raises:
        NoSuchJob: nothing fits, or more than one beginning; the hint lists them.
    """
    jobs = workspace.jobs()
    if text is None:
        if not jobs:
            raise NoSuchJob("there are no jobs yet", hint="start one: batchio run SCRIPT")
        return jobs[0]
    if text in jobs:
        return text
    begun = [job for job in jobs if job.startswith(text)] if is_prefix(text) else []
    if len(begun) == 1:
        return begun[0]
    named = next((job for job, name in workspace.names() if text and name == text), None)
    if named is not None:
        return named
    if begun:
        some = [(job, workspace.job(job).name()) for job in begun[:CANDIDATES]]
        listed = ", ".join(f"{job} {name}".strip() for job, name in some)
        more = f" and {len(begun) - CANDIDATES} more" if len(begun) > CANDIDATES else ""
        raise NoSuchJob(f'{len(begun)} jobs start with "{text}"', hint=listed + more)
    raise NoSuchJob(f'no job has the id or name "{text}"', hint="see: batchio list")
