"""Instance types that are known without asking anybody: those of the table of prices. Pure.

A family gives each vCPU the same memory, and its sizes double from `large`, with two vCPUs.
Source: the EC2 instance type pages; a test compares it with what DescribeInstanceTypes says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchio.providers.aws.kinds import MIB, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

GIB: Final = 2**30

_PER_CPU: Final = {"c": 2, "m": 4, "r": 8}
"""GiB of memory for each vCPU, by the letter with which a family's name begins."""

_SMALL: Final = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
_USUAL: Final = _SMALL | {"8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
_LARGE: Final = _USUAL | {"24xlarge": 96}

_SIZES: Final[dict[str, dict[str, int]]] = {
    **dict.fromkeys(("m5", "m5a", "r5"), _LARGE),
    **dict.fromkeys(("m6i", "c6i", "r6i"), _LARGE | {"32xlarge": 128}),
    **dict.fromkeys(("m6a", "c6a"), _LARGE | {"32xlarge": 128, "48xlarge": 192}),
    **dict.fromkeys(("m7i", "c7i", "r7i"), _LARGE | {"48xlarge": 192}),
    **dict.fromkeys(("m7a", "c7a"), {"medium": 1} | _LARGE | {"32xlarge": 128, "48xlarge": 192}),
    **dict.fromkeys(("m6g", "m7g", "c6g", "c7g", "r6g", "r7g"), {"medium": 1} | _USUAL),
    **dict.fromkeys(("m8g", "c8g", "r8g"), {"medium": 1} | _LARGE | {"48xlarge": 192}),
    "c5": _SMALL | {"9xlarge": 36, "12xlarge": 48, "18xlarge": 72, "24xlarge": 96},
}
"""vCPUs by family and size."""

_BURSTING: Final = {
    "t3.micro": (2, 1), "t3.small": (2, 2), "t3.medium": (2, 4), "t3.large": (2, 8),
    "t3.xlarge": (4, 16), "t3.2xlarge": (8, 32), "t4g.small": (2, 2),
}  # fmt: skip
"""vCPUs and GiB of memory."""

_WITH_GPUS: Final[dict[str, tuple[int, int, int, str, int]]] = {
    "g4dn.xlarge": (4, 16, 1, "T4", 16384), "g4dn.2xlarge": (8, 32, 1, "T4", 16384),
    "g5.xlarge": (4, 16, 1, "A10G", 22888), "g5.2xlarge": (8, 32, 1, "A10G", 22888),
    "g6.xlarge": (4, 16, 1, "L4", 22888), "g6.2xlarge": (8, 32, 1, "L4", 22888),
    "g6e.xlarge": (4, 32, 1, "L40S", 45776),
    "p4d.24xlarge": (96, 1152, 8, "A100", 40960), "p5.48xlarge": (192, 2048, 8, "H100", 81920),
}  # fmt: skip
"""vCPUs, GiB of memory, GPUs, their name, and MiB of memory of each."""


_PAST: Final = frozenset(("c5", "m5", "m6i", "r5", "r6i", "r7g", "g5"))
"""Families that EC2 does not count as of the current generation any more."""


def kinds() -> dict[str, Kind]:
    """Return the known types, by name."""
    return {kind.name: kind for kind in _kinds()}


def _kinds() -> Iterator[Kind]:
    for family, sizes in _SIZES.items():
        for size, cpus in sizes.items():
            memory = cpus * _PER_CPU[family[0]] * GIB
            name, current = f"{family}.{size}", family not in _PAST
            yield Kind(name, cpus, memory, _arch(family), current=current)
    for name, (cpus, memory) in _BURSTING.items():
        yield Kind(name, cpus, memory * GIB, _arch(name.partition(".")[0]), steady=False)
    for name, (cpus, memory, gpus, gpu, each) in _WITH_GPUS.items():
        current = name.partition(".")[0] not in _PAST
        yield Kind(name, cpus, memory * GIB, "x86_64", gpus, gpu, each * MIB, current)


def _arch(family: str) -> str:
    return "aarch64" if family.endswith("g") else "x86_64"
