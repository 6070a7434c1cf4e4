"""What a node must have before tasks go there: a list of errands, in their order. Pure.

How each is done stands in `runtime/errands.py`. Whoever waits for a node waits for as long
as its errands may take, and no longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from batchio.core.reports import Facts
    from batchio.core.spec import JobSpec

SETTLING_S: Final = 600.0
"""Seconds a node may be wanted, or booting, before it is given up; its errands come on top."""

MIN_UPLOAD_RATE_BPS: Final = 100_000
"""Bytes of the job's files that a node gets in a second, on a line that is still of use."""


class Errand(Protocol):
    """One thing that a node may have to get or do first."""

    name: str

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether a node has this errand; `facts` is its hello, None before that."""
        ...

    def limit(self, spec: JobSpec) -> float:
        """Return the seconds it may take."""
        ...

    def words(self, spec: JobSpec) -> str:
        """Return what a node does meanwhile, for people."""
        ...


class Files:
    """Bring the uploaded files."""

    name = "files"

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether anything was uploaded."""
        return bool(spec.files)

    def limit(self, spec: JobSpec) -> float:
        """Return a minute, and the seconds that their bytes take on a slow line."""
        return 60.0 + sum(file.size for file in spec.files) / MIN_UPLOAD_RATE_BPS

    def words(self, spec: JobSpec) -> str:
        """Return what a node does meanwhile."""
        return "receiving files"


class HostSetup:
    """Run the host setup script."""

    name = "host setup"

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether there is one."""
        return bool(spec.host_setup)

    def limit(self, spec: JobSpec) -> float:
        """Return an hour."""
        return 3600.0

    def words(self, spec: JobSpec) -> str:
        """Return what a node does meanwhile."""
        return "running the host setup script"


class Image:
    """Get the container image."""

    name = "image"

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether tasks run in a container, and the node has an engine for it."""
        engines = None if facts is None else facts.get("engines")
        return bool(spec.container) and not spec.run_on_host and engines != []

    def limit(self, spec: JobSpec) -> float:
        """Return an hour."""
        return 3600.0

    def words(self, spec: JobSpec) -> str:
        """Return what a node does meanwhile."""
        return f"getting the image {spec.container}"


ERRANDS: Final[tuple[Errand, ...]] = (Files(), HostSetup(), Image())
"""In the order in which a node does them."""


def settling(spec: JobSpec) -> float:
    """Return the seconds a node of this job may take from being there to being ready."""
    return SETTLING_S + sum(each.limit(spec) for each in ERRANDS if each.needed(spec))
