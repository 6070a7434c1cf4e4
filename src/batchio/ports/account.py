"""The port to the accounts from which nodes are rented: what can be asked without a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from batchio.core.quote import Durations, Quote
    from batchio.core.spec import JobSpec
    from batchio.ports.rent import Finding


class PriceList(NamedTuple):
    """Prices of one region.

    Attributes:
        source: Who says so, and when.
        age: Seconds since they were asked for; None: they came with this program.
        rates: US dollars an hour by type of machine, nothing beside it included.
    """

    region: str
    source: str
    age: float | None
    rates: dict[str, float]


class Orphan(NamedTuple):
    """Something that was taken for a job, and that nobody seems to lead any more.

    Attributes:
        handle: The provider's name for it.
        kind: instance, launch template or security group.
        job: Id of the job; "" where the tags do not say it.
        since: When it was made, in Unix seconds; 0: not known.
        expired: Seconds since it should have been renewed.
        rate: US dollars an hour; 0 for what costs nothing, None where the price is not known.
        state: Such as running.
    """

    handle: str
    kind: str
    job: str
    since: float
    expired: float
    rate: float | None
    state: str


class Left(NamedTuple):
    """What one look at an account found.

    Attributes:
        orphans: What is past its time.
        alive: How many are not: somebody renews them.
        unknown: What could not be looked at, and why; nothing is ended on its account.
    """

    orphans: tuple[Orphan, ...]
    alive: int
    unknown: tuple[str, ...]


class Account(Protocol):
    """An account with a provider that rents."""

    async def estimate(self, spec: JobSpec, durations: Durations | None) -> Quote:
        """Return what a job would cost; without credentials as far as that is known here.

        Raises:
            UsageError: no type of machine fits, or a name is unknown.
        """
        ...

    async def prices(self, regions: Sequence[str], *, refresh: bool) -> list[PriceList]:
        """Return the prices that are reckoned with; with `refresh` they are asked for anew.

        Raises:
            UsageError, NotAuthorised, ProviderDown: they cannot be asked for.
        """
        ...

    async def regions(self, *, every: bool) -> list[str]:
        """Return the usual region; with `every` all that the account may use.

        Raises:
            UsageError, NotAuthorised, ProviderDown: it cannot be found out.
        """
        ...

    async def left(self, regions: Sequence[str]) -> Left:
        """Return what is held of jobs that nobody leads any more, by tags alone."""
        ...

    def end(self, orphans: Sequence[Orphan]) -> AsyncIterator[tuple[Orphan, str]]:
        """End each orphan; yield it with why it could not be ended, or ""."""
        ...

    async def check(self, spec: JobSpec, workspace: str) -> list[Finding]:
        """Check what a job needs of the account; takes nothing.

        Args:
            workspace: URL of the place where the job is kept.
        """
        ...

    def setup(self, form: str, bucket: str) -> str:
        """Return what makes an account ready for jobs, for a tool of the provider's to apply.

        Args:
            form: Of the tool that applies it.
            bucket: Name of the bucket for workspaces.

        Raises:
            UsageError: there is no such form.
        """
        ...

    async def aclose(self) -> None:
        """Close whatever is open."""
        ...
