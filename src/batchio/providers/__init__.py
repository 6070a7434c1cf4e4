"""Providers, where nodes come from, one module each; a module is imported when it is needed.

A new provider is a module and a row of `_PROVIDERS`; what it can do stands in its traits.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from batchio.core.spec import HEADS_HERE
from batchio.core.traits import Trait
from batchio.errors import UsageError

if TYPE_CHECKING:
    from batchio.core.spec import JobSpec
    from batchio.ports import Provider

_PROVIDERS: Final[dict[str, tuple[str, frozenset[Trait]]]] = {
    "local": ("batchio.providers.local:LocalProvider", frozenset()),
    "ssh": (
        "batchio.providers.ssh:SshProvider",
        frozenset((Trait.REMOTE, Trait.HOSTS, Trait.GPUS)),
    ),
}
"""By name: where the class stands, and its traits, which are known without importing it."""

NAMES: Final = tuple(_PROVIDERS)


def traits(name: str) -> frozenset[Trait]:
    """Return the traits of the provider of that name.

    Raises:
        UsageError: there is no such provider.
    """
    return _row(name)[1]


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


def load(spec: JobSpec) -> Provider:
    """Return the provider that a job's nodes come from; nothing is asked of it yet.

    Raises:
        UsageError: there is no such provider, or it cannot make sense of the job.
    """
    place, _ = _row(spec.provider)
    module, _, kind = place.partition(":")
    provider: Provider = getattr(import_module(module), kind)(spec)
    return provider


def _row(name: str) -> tuple[str, frozenset[Trait]]:
    if name not in _PROVIDERS:
        raise UsageError(f"there is no provider {name}", hint=f"providers are {', '.join(NAMES)}")
    return _PROVIDERS[name]
