"""Where nodes come from, one module a provider; each is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchio.ports import Provider

NAMES: Final = ("local", "ssh")


def load(name: str, *, hosts: Sequence[str] = ()) -> Provider:
    """The provider `name`.

    Args:
        hosts: The job's hosts, so that a head that takes over a job knows them; see
            `hosts.parse_host`. Only the ssh provider looks at them.

    Raises:
        UsageError: there is no such provider, or a host makes no sense.
    """
    match name:
        case "local":
            from batchio.providers.local import LocalProvider

            return LocalProvider()
        case "ssh":
            from batchio.providers.ssh import SshProvider

            return SshProvider(hosts)
        case _:
            raise UsageError(
                f"there is no provider {name}", hint=f"providers are {', '.join(NAMES)}"
            )
