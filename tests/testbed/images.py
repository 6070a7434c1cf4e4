"""The disks of the test bed's hosts: Debian directory trees, never written to.

`python -m tests.testbed.images [NAME ...]` builds what is missing (all of them without
a name) and prints where each one is. A build happens in a scratch directory and is
renamed into place, under a lock, so a killed or doubled build leaves nothing half made.
The directory's name ends in a digest of the recipe: a changed recipe is a new image.

Building needs root, mmdebstrap, busybox-static and a Debian mirror; using does not need
the mirror.
"""

import argparse
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SUITE: Final = "bookworm"
PLAIN_USER: Final = "alice"
"""A user without privileges; root and she accept the same key."""

_SSH: Final = (
    "openssh-server",
    "python3",  # python3-minimal has neither tarfile nor ctypes
    "procps",
    "iproute2",
    "libfaketime",  # hosts whose clock is wrong
)
_PODMAN: Final = (
    "podman",
    "runc",
    "crun",
    "fuse-overlayfs",
    "catatonit",
    "conmon",
    "netavark",
    "iptables",
)
_SYSTEMD: Final = ("systemd", "systemd-sysv", "dbus", "libpam-systemd", "dbus-user-session")
SYSTEMD: Final = "debian-systemd"
"""systemd is pid 1, as on most servers: units, logind, user managers."""
PACKAGES: Final = {
    "debian-ssh": _SSH,
    "debian-podman": _SSH + _PODMAN,
    SYSTEMD: _SSH + _SYSTEMD,
}
BARE: Final = "debian-bare"
"""debian-ssh without any Python: hard links to it, so it costs no space."""
NAMES: Final = (*PACKAGES, BARE)

_TRIM: Final = tuple(
    f"--dpkgopt=path-exclude=/usr/share/{useless}/*" for useless in ("doc", "locale", "man", "info")
)
_HOOKS: Final = (
    "copy-in /usr/bin/busybox /usr/local/bin",
    # BusyBox is pid 1: it reaps, respawns sshd, and its reboot(2) ends only the host.
    *(
        f'ln -s ../bin/busybox "$1/usr/local/sbin/{name}"'
        for name in ("init", "reboot", "poweroff", "halt")
    ),
    'rm -f "$1"/etc/ssh/ssh_host_*',
    f'chroot "$1" useradd --create-home --shell /bin/bash {PLAIN_USER}',
    # '!' means locked: sshd without PAM then refuses even a right public key.
    f"chroot \"$1\" usermod --password '*' {PLAIN_USER}",
)
_UNITS: Final = (
    # What waits for devices, disks or a network that no host here has.
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-timesyncd.service"),
    *("getty.target", "systemd-networkd-wait-online.service", "systemd-resolved.service"),
)
"""Units that are masked."""
_CONTAINERS_CONF: Final = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
default_sysctls = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


def cache() -> Path:
    """Where built images live: `$BATCHIO_TESTBED/images`, made when missing."""
    home = Path(os.environ.get("BATCHIO_TESTBED", "/var/tmp/batchio-testbed"))
    folder = home / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def path_of(name: str) -> Path:
    """Where the image `name` is, or would be.

    Raises:
        KeyError: No such image; NAMES has them all.
    """
    recipe = repr((SUITE, PACKAGES.get(name, PACKAGES["debian-ssh"]), _TRIM, _HOOKS))
    if name not in NAMES:
        raise KeyError(f"no image {name!r}; there are {', '.join(NAMES)}")
    if name == SYSTEMD:
        recipe += repr(_UNITS)
    if name == "debian-podman":
        recipe += _CONTAINERS_CONF
    return cache() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:10]}"


def ensure(name: str) -> Path:
    """The image's directory; built first when missing, which takes about a minute.

    Raises:
        KeyError: No such image.
        RuntimeError: mmdebstrap failed; its last lines are in the message.
    """
    target = path_of(name)
    if target.is_dir():
        return target
    source = ensure("debian-ssh") if name == BARE else None
    with _locked(name):
        if target.is_dir():  # somebody else built it while we waited
            return target
        scratch = cache() / f"{name}.building"
        shutil.rmtree(scratch, ignore_errors=True)
        if source is not None:
            _link_without_python(source, scratch)
        else:
            _bootstrap(name, scratch)
        scratch.rename(target)
    return target


def busybox_image() -> Path:
    """A container image `localhost/busybox:latest` for `podman load -i` (or docker's).

    Built from this computer's static BusyBox, so no registry is asked.
    """
    target = cache() / "busybox.tar"
    if not target.exists():
        with _locked("busybox"):
            scratch = cache() / "busybox.building"
            _write_busybox(scratch)
            scratch.rename(target)
    return target


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bootstrap(name: str, target: Path) -> None:
    command = ["mmdebstrap", "--variant=minbase", "--format=directory", *_TRIM]
    command += [f"--include={','.join(PACKAGES[name])}"]
    command += [f"--customize-hook={hook}" for hook in _hooks(name)]
    done = subprocess.run(
        [*command, SUITE, str(target)], text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"mmdebstrap {name} failed:\n{done.stderr[-2000:]}")
    if name == "debian-podman":
        (target / "etc/containers/containers.conf").write_text(_CONTAINERS_CONF)


def _hooks(name: str) -> tuple[str, ...]:
    """The commands that make an image of what Debian has installed."""
    if name != SYSTEMD:
        return _HOOKS
    init = 'ln -s ../bin/busybox "$1/usr/local/sbin/'
    mine = [hook for hook in _HOOKS if not hook.startswith(init)]
    masks = [f'ln -sf /dev/null "$1/etc/systemd/system/{unit}"' for unit in _UNITS]
    return (*mine, *masks, 'rm -f "$1/etc/machine-id"', 'touch "$1/etc/machine-id"')


def _link_without_python(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-al", source, target], check=True)
    for folder in ("usr/bin", "usr/lib", "usr/local/lib", "usr/share"):
        for found in (target / folder).glob("*python3*"):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()


def _write_busybox(target: Path) -> None:
    """A docker-archive: one layer, one config, one manifest.

    Source: github.com/moby/docker-image-spec, "combined image JSON + filesystem".
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "root"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = (
                tarfile.DIRTYPE,
                0o1777 if folder == "tmp" else 0o755,
            )
            tar.addfile(entry)
        _add(tar, "bin/busybox", Path("/usr/bin/busybox").read_bytes(), 0o755)
        _add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        for applet in sorted({*_applets()} - {"busybox"}):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = {
        "architecture": machine,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = {
        "Config": "config.json",
        "RepoTags": ["localhost/busybox:latest"],
        "Layers": ["layer.tar"],
    }
    with tarfile.open(target, "w") as tar:
        _add(tar, "layer.tar", layer.getvalue(), 0o644)
        _add(tar, "config.json", json.dumps(config).encode(), 0o644)
        _add(tar, "manifest.json", json.dumps([manifest]).encode(), 0o644)


def _applets() -> list[str]:
    listing = ["/usr/bin/busybox", "--list"]
    return subprocess.run(listing, text=True, check=True, capture_output=True).stdout.split()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def main() -> None:
    """Build the named images, or all, and print where they are."""
    parser = argparse.ArgumentParser(description="Build the test bed's images.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    for name in parser.parse_args().names or NAMES:
        print(f"{name}\t{ensure(name)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
