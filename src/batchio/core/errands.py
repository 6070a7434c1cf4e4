"""Errands: what a node must have or do before tasks go there, in order. Pure.

`runtime/errands.py` runs them. A node is waited for as long as its errands may take, and no
longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from batchio.core.reports import Facts
    from batchio.core.spec import JobSpec

READY_LIMIT_S: Final = 600.0
"""Seconds a node may be wanted, or booting, before it is given up; its errands come on top."""

MIN_UPLOAD_RATE_BPS: Final = 100_000
"""Bytes a second at which a node receives the job's files over the slowest usable connection."""


class Errand(Protocol):
    """One thing that a node may have to get or do first."""

    name: str

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether a node has this errand; `facts` is its agent's hello, None before it."""
        ...

    def limit(self, spec: JobSpec) -> float:
        """Return how many seconds this errand may take."""
        ...

    def words(self, spec: JobSpec) -> str:
        """Return a phrase for people: what the node does during this errand."""
        ...


class Files:
    """Bring the uploaded files."""

    name = "files"

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether the job has uploaded files."""
        return bool(spec.files)

    def limit(self, spec: JobSpec) -> float:
        """Return a minute and the seconds that the files take at MIN_UPLOAD_RATE_BPS."""
        return 60.0 + sum(file.size for file in spec.files) / MIN_UPLOAD_RATE_BPS

    def words(self, spec: JobSpec) -> str:
        """Return what a node does meanwhile."""
        return "receiving files"


class Packages:
    """Bring the user's Python environment."""

    name = "packages"

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether an environment travels."""
        return spec.software is not None

    def limit(self, spec: JobSpec) -> float:
        """Return ten minutes and the seconds that its pieces take at MIN_UPLOAD_RATE_BPS."""
        return 600.0 + (spec.software.size if spec.software else 0) / MIN_UPLOAD_RATE_BPS

    def words(self, spec: JobSpec) -> str:
        """Return what a node does meanwhile."""
        return "unpacking packages"


class HostSetup:
    """Run the host setup script."""

    name = "host setup"

    def needed(self, spec: JobSpec, facts: Facts | None = None) -> bool:
        """Return whether the job has a host setup script."""
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


ERRANDS: Final[tuple[Errand, ...]] = (Files(), Packages(), HostSetup(), Image())
"""All errands, in the order in which a node does them."""


def ready_limit(spec: JobSpec) -> float:
    """Return the seconds that a node of this job may take from booting to being ready."""
    return READY_LIMIT_S + sum(each.limit(spec) for each in ERRANDS if each.needed(spec))
