"""Providers, where nodes come from, one module each; a module is imported when it is needed.

A new provider is a module and a row of `_PROVIDERS`; what it can do stands in its traits.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.core.spec import HEADS_HERE
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.extras import how_to_install

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchio.core.spec import JobSpec
    from batchio.ports import Provider
    from batchio.ports.account import Account


class _Row(NamedTuple):
    """Where a provider's class stands, and what is known of it without importing it."""

    place: str
    traits: frozenset[Trait] = frozenset()
    libraries: tuple[str, ...] = ()
    """Modules of which one must be installed; (): none is needed."""


_PROVIDERS: Final = {
    "local": _Row("batchio.providers.local:LocalProvider"),
    "ssh": _Row(
        "batchio.providers.ssh:SshProvider",
        frozenset((Trait.REMOTE, Trait.HOSTS, Trait.GPUS)),
    ),
    "aws": _Row(
        "batchio.providers.aws.provider:AwsProvider",
        frozenset((Trait.REMOTE, Trait.RENTS, Trait.REGIONS, Trait.GPUS)),
        ("aioboto3", "aiobotocore"),
    ),
}

_ACCOUNTS: Final[dict[str, str]] = {"aws": "batchio.providers.aws.account:AwsAccount"}
"""By name of a provider that rents: where the class of its accounts stands."""

NAMES: Final = tuple(_PROVIDERS)


def check_installed(name: str) -> None:
    """Check that the libraries are installed which the provider of that name needs.

    Raises:
        UsageError: they are not, or there is no such provider.
    """
    libraries = _row(name).libraries
    if libraries and not any(find_spec(module) for module in libraries):
        raise UsageError(
            f"the {name} provider needs {libraries[0]}, which is not installed",
            hint=how_to_install(name),
        )


def _no_seed() -> bytes:
    raise UsageError("nothing is rented before there is a job")


def traits(name: str) -> frozenset[Trait]:
    """Return the traits of the provider of that name.

    Raises:
        UsageError: there is no such provider.
    """
    return _row(name).traits


def check_head(kind: str, provider: str, *, shared: bool) -> None:
    """Check that a head of this kind can lead a job with nodes of this provider.

    Args:
        shared: The workspace can be reached from other computers than this.

    Raises:
        UsageError: it cannot, or the kind is no host.
    """
    if kind in HEADS_HERE:
        return
    from batchio.providers.hosts import parse_host

    parse_host(kind)
    if Trait.HOSTS not in traits(provider) or not shared:
        raise UsageError(
            "a head on another computer needs the ssh provider and a workspace that both reach",
            hint="name hosts, and a bucket: --hosts gpu1,gpu2 --workspace s3://mine/batchio",
        )


def load(spec: JobSpec, seed: Callable[[], bytes] = _no_seed) -> Provider:
    """Return the provider that a job's nodes come from; nothing is asked of it yet.

    Args:
        seed: Returns the job's secret seed; only providers that rent ask for it.

    Raises:
        UsageError: there is no such provider, or it cannot make sense of the job.
    """
    row = _row(spec.provider)
    module, _, kind = row.place.partition(":")
    make = getattr(import_module(module), kind)
    provider: Provider = make(spec, seed) if Trait.RENTS in row.traits else make(spec)
    return provider


def account(name: str) -> Account:
    """Return the account from which a provider rents; nothing is asked of it yet.

    Raises:
        UsageError: there is no such provider, or it rents nothing.
    """
    if name not in _ACCOUNTS:
        hint = f"providers that rent are {', '.join(_ACCOUNTS)}"
        raise UsageError(f"the {name} provider rents nothing", hint=hint)
    module, _, kind = _ACCOUNTS[name].partition(":")
    found: Account = getattr(import_module(module), kind)()
    return found


def _row(name: str) -> _Row:
    if name not in _PROVIDERS:
        raise UsageError(f"there is no provider {name}", hint=f"providers are {', '.join(NAMES)}")
    return _PROVIDERS[name]
