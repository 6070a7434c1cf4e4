"""Prices of EC2 nodes in US dollars: a table of estimates, for when nobody can be asked. Pure.

Within a family the price of an instance rises with its vCPUs, so one number serves all sizes.
Source: the public on-demand prices for Linux, compared between two lists in November 2026.
"""

from __future__ import annotations

from typing import Final

DATED: Final = "November 2026"

ADDRESS: Final = 0.005
"""Price of a public IPv4 address an hour."""

DISK_GB_MONTH: Final = 0.08
"""Price of a gp3 disk, a GB and month."""

MONTH_H: Final = 730.0

ALIKE: Final = frozenset(("us-east-1", "us-east-2", "us-west-2"))
"""Regions that have the prices of us-east-1."""

SPOT_SHARE: Final = 0.5
"""Part of the on-demand price at which spot is estimated while its own is not known."""

_FAMILIES: Final[dict[str, dict[str, float]]] = {
    "us-east-1": {
        "m5": 0.048, "m5a": 0.043, "m6i": 0.048, "m6a": 0.0432, "m6g": 0.0385,
        "m7i": 0.0504, "m7a": 0.05796, "m7g": 0.0408, "m8g": 0.04488,
        "c5": 0.0425, "c6i": 0.0425, "c6a": 0.03825, "c6g": 0.034,
        "c7i": 0.04462, "c7a": 0.05132, "c7g": 0.03625, "c8g": 0.03988,
        "r5": 0.063, "r6i": 0.063, "r6g": 0.0504, "r7i": 0.06615, "r7g": 0.05355, "r8g": 0.05891,
    },
    "eu-west-1": {
        "m5": 0.0535, "m6i": 0.0535, "m7i": 0.05618, "m7g": 0.04547,
        "c6i": 0.0456, "c7g": 0.03875, "r5": 0.0705,
    },
}  # fmt: skip
"""Dollars an hour and vCPU, by region and family."""

_TYPES: Final[dict[str, dict[str, float]]] = {
    "us-east-1": {
        "t3.micro": 0.0104, "t3.small": 0.0208, "t3.medium": 0.0416, "t3.large": 0.0832,
        "t3.xlarge": 0.1664, "t3.2xlarge": 0.3328, "t4g.small": 0.0168,
        "g4dn.xlarge": 0.526, "g4dn.2xlarge": 0.752, "g5.xlarge": 1.006, "g5.2xlarge": 1.212,
        "g6.xlarge": 0.8048, "g6.2xlarge": 0.9776, "g6e.xlarge": 1.861,
        "p4d.24xlarge": 21.9576, "p5.48xlarge": 55.04,
    },
}  # fmt: skip
"""Dollars an hour, by region and type, where no family price holds."""


def on_demand(name: str, vcpus: int, region: str) -> float | None:
    """Return the price of an instance type in dollars an hour, or None when none is known.

    Args:
        name: Such as "m7i.xlarge".
        vcpus: How many it has.
        region: Such as "eu-west-1".
    """
    place = "us-east-1" if region in ALIKE else region
    whole = _TYPES.get(place, {}).get(name)
    if whole is not None:
        return whole
    each = _FAMILIES.get(place, {}).get(name.partition(".")[0])
    return None if each is None else each * vcpus


def beside(disk_gb: int) -> float:
    """Return what a node's disk and its public address cost together, in dollars an hour."""
    return ADDRESS + disk_gb * DISK_GB_MONTH / MONTH_H
