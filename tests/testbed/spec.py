"""What a test may ask of one host, and what the daemon tells about it. Values only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSpec:
    """One host to make. An empty `name` or `ip` is chosen for it."""

    name: str = ""
    """Also its hostname."""
    ip: str = ""
    """An address in 10.77.0.0/16."""
    image: str = "debian-ssh"
    """One of `images.NAMES`."""
    memory_mb: int = 0
    """A limit for all its processes together, in MiB; 0 is none."""
    cpus: float = 0
    """CPU time it may use, in cores (0.5 is half of one); 0 is no limit."""
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    """Small file systems, path to size: `{"/var/tmp": "4m"}` fills up soon."""
    binds: Mapping[str, str] = field(default_factory=dict)
    """Folders or files of this computer, read-only: path here to path there."""
    files: Mapping[str, str] = field(default_factory=dict)
    """More files of the host, path to text."""
    sshd: tuple[str, ...] = ()
    """Lines of sshd_config that win over Debian's: `("MaxSessions 1",)`."""
    clock_offset_s: int = 0
    """How far its wall clock is off, for programs that use the C library."""
    cgroups: bool = False
    """Its own cgroup v1 tree, so that it can run containers."""

    @property
    def systemd(self) -> bool:
        """Whether systemd is its pid 1."""
        return self.image == "debian-systemd"

    def to_json(self) -> dict[str, Any]:
        """A dictionary that `VmSpec(**it)` takes back."""
        return asdict(self)
