"""Instance types: what each has, and which of them fit a job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.sizes import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchio.core.spec import JobSpec

ROUGHLY: Final = (0.9, 1.1)
"""A number that stands alone means this part of it, at least and at most."""

USUAL_CPUS: Final = 4.0
USUAL_MEMORY: Final = 16 * 2**30
"""What a node has when a job asks for nothing, in bytes."""

MIB: Final = 2**20

NEAREST: Final = 3
"""Types that are named when none fits."""


class Kind(NamedTuple):
    """One instance type. Memory is in bytes."""

    name: str
    cpus: int
    memory: int
    arch: str
    """As `uname -m` says it: x86_64 or aarch64."""
    gpus: int = 0
    gpu_name: str = ""
    gpu_memory: int = 0
    """Bytes of one GPU."""
    current: bool = True
    """Whether it is of the current generation."""
    steady: bool = True
    """Whether its CPUs are there all the time: no burstable type, and no bare metal."""
    spot: bool = True
    """Whether it can be had as spot."""

    @property
    def family(self) -> str:
        """The first part of its name: "m7i"."""
        return self.name.partition(".")[0]


class Wanted(NamedTuple):
    """What a node must have: inclusive ranges, in vCPUs and bytes; None: as it comes."""

    cpus: tuple[float, float] | None
    memory: tuple[float, float] | None
    gpus: int = 0
    arm: bool = False
    names: tuple[str, ...] = ()
    """The only types that may be taken; (): any that fits."""


def kind_of(data: Mapping[str, Any]) -> Kind:
    """Read one item of what DescribeInstanceTypes answers."""
    arches = data["ProcessorInfo"]["SupportedArchitectures"]
    gpus = data.get("GpuInfo", {}).get("Gpus", [])
    return Kind(
        name=data["InstanceType"],
        cpus=int(data["VCpuInfo"]["DefaultVCpus"]),
        memory=int(data["MemoryInfo"]["SizeInMiB"]) * MIB,
        arch="aarch64" if "arm64" in arches else "x86_64" if "x86_64" in arches else str(arches),
        gpus=sum(int(gpu["Count"]) for gpu in gpus),
        gpu_name=str(gpus[0]["Name"]) if gpus else "",
        gpu_memory=int(gpus[0].get("MemoryInfo", {}).get("SizeInMiB", 0)) * MIB if gpus else 0,
        current=bool(data.get("CurrentGeneration", True)),
        steady=not (data.get("BurstablePerformanceSupported") or data.get("BareMetal")),
        spot="spot" in data.get("SupportedUsageClasses", ["spot"]),
    )


def wanted(spec: JobSpec) -> Wanted:
    """Return what a job asks of each of its nodes."""
    if spec.vm_types:
        return Wanted(None, None, spec.gpu, spec.arm, spec.vm_types)
    cpus = _range(spec.cpu, spec.cpu_max)
    memory = _range(spec.memory, spec.memory_max)
    if cpus is None and memory is None and not spec.gpu:
        cpus, memory = _range(USUAL_CPUS, None), _range(USUAL_MEMORY, None)
    return Wanted(cpus, memory, spec.gpu, spec.arm)


def fitting(kinds: Iterable[Kind], want: Wanted) -> list[Kind]:
    """Return the types that fit, in the order of their names."""
    return sorted(kind for kind in kinds if not lacks(kind, want))


def lacks(kind: Kind, want: Wanted) -> str:
    """Return why a type does not fit, in words for people; "" when it does."""
    arm = kind.arch == "aarch64"
    if want.names:
        if kind.name not in want.names:
            return "it was not named"
    elif not (kind.current and kind.steady):
        return "taken only when named: burstable, bare metal or of an older generation"
    elif arm != want.arm:
        return f"its processor is {'ARM' if arm else 'not ARM'}"
    elif (kind.gpus > 0) != (want.gpus > 0):
        return f"it has {kind.gpus or 'no'} GPU"
    if kind.gpus < want.gpus:
        return f"it has {kind.gpus or 'no'} GPU"
    if want.cpus and not want.cpus[0] <= kind.cpus <= want.cpus[1]:
        return f"it has {kind.cpus} vCPU"
    if want.memory and not want.memory[0] <= kind.memory <= want.memory[1]:
        return f"it has {format_bytes(kind.memory)} of memory"
    return ""


def nearest(kinds: Iterable[Kind], want: Wanted) -> list[tuple[Kind, str]]:
    """Return the types that come nearest to what is wanted, and what each lacks."""

    def distance(kind: Kind) -> tuple[float, str]:
        far = 0.0
        for there, asked in ((kind.cpus, want.cpus), (kind.memory, want.memory)):
            if asked and not asked[0] <= there <= asked[1]:
                edge = asked[0] if there < asked[0] else asked[1]
                far += abs(there / edge - 1) if edge else 1.0
        return far + 10.0 * abs(kind.gpus - want.gpus), kind.name

    alike = [
        kind for kind in kinds
        if kind.current and kind.steady and (kind.arch == "aarch64") == want.arm
    ]  # fmt: skip
    return [(kind, lacks(kind, want)) for kind in sorted(alike, key=distance)[:NEAREST]]


def _range(low: float | None, high: float | None) -> tuple[float, float] | None:
    """Return what is accepted: the range as it was written, or about the number that was."""
    if low is None:
        return None
    if high is None or high == low:
        return low * ROUGHLY[0], low * ROUGHLY[1]
    return low, high
