"""Traits of a provider: the properties that code outside of it may depend on. Pure.

Nothing asks a provider for its name to learn what it can do: options say which trait they
need, the runtime asks for the trait. A new provider is one module and its traits.
"""

from __future__ import annotations

from enum import StrEnum


class Trait(StrEnum):
    """One property of a provider's nodes."""

    REMOTE = "remote"
    """Nodes are other computers, reached over a network; without it, this computer."""
    HOSTS = "hosts"
    """Nodes are hosts that the user names, so two names may mean one computer."""
    RENTS = "rents"
    """Nodes are rented by type, cost money, and are gone only when the provider says so."""
    HEADS = "heads"
    """A node can be rented for the head of a job."""
    REGIONS = "regions"
    """Nodes are in regions and zones that the user may choose."""
    GPUS = "gpus"
    """A task can ask for GPUs of its own."""
