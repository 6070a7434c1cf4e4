"""A host from the inside: its files, its mounts, its first process.

`prepare` writes a disk. `become` turns a forked child of the daemon into the host's
pid 1 and never returns. Neither touches anything outside the folder it is given.
"""

import os
import signal
from pathlib import Path
from typing import Final, NoReturn

from tests.testbed import cgroups, kernel
from tests.testbed.spec import VmSpec

_INITTAB: Final = """\
::sysinit:/bin/mkdir -p /run/sshd
::respawn:/usr/sbin/sshd -D -e
"""
# UsePAM needs a session manager; UseDNS waits for a resolver that does not exist.
_SSHD: Final = ("UsePAM no", "UseDNS no")
_FAKETIME: Final = "/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1\n"
# Without this libfaketime moves the monotonic clock too, to the time since 1970.
_WALL_CLOCK_ONLY: Final = "FAKETIME_DONT_FAKE_MONOTONIC"
_DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    "fuse": (10, 229),
}
_DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "fd/0",
    "stdout": "fd/1",
    "stderr": "fd/2",
    "ptmx": "pts/ptmx",
}
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    _WALL_CLOCK_ONLY: "1",
}
_QUIET: Final = kernel.NOSUID | kernel.NODEV | kernel.NOEXEC


def prepare(folder: Path, spec: VmSpec) -> None:
    """Write the host's own files into `folder`; what is there stays there."""
    disk = folder / "upper"
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    files = {
        "/etc/hostname": f"{spec.name}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{spec.ip} {spec.name}\n",
        # Nobody listens there, so that a look-up fails at once instead of hanging.
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "/etc/inittab": _INITTAB,
    }
    sshd = [*spec.sshd, *_SSHD]
    if spec.clock_offset_s:
        sshd.append(f"SetEnv {_WALL_CLOCK_ONLY}=1")
        files["/etc/ld.so.preload"] = _FAKETIME.format(machine=os.uname().machine)
        files["/etc/faketimerc"] = f"{spec.clock_offset_s:+d}\n"
    files["/etc/ssh/sshd_config.d/00-testbed.conf"] = "\n".join((*sshd, ""))
    for path, text in (files | dict(spec.files)).items():
        _write(disk, path, text)


def _write(disk: Path, path: str, text: str) -> None:
    target = disk / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    if target.parent.name == ".ssh":  # sshd refuses keys that others could change
        target.parent.chmod(0o700)
        target.chmod(0o600)
        home = target.parent.parent
        if home.parent.name == "home":
            for own in (home, target.parent, target):
                os.chown(own, 1000, 1000)
    elif target.name.startswith("ssh_host_"):
        target.chmod(0o600)


def become(name: str, folder: Path, image: Path, spec: VmSpec, network: int) -> NoReturn:
    """Be the host: enter its namespaces and mounts, then exec its init.

    Runs in a child that was forked into a new pid namespace. `network` is an open
    network namespace, `name` the host's name among cgroups.

    Raises:
        OSError: The kernel refused a step; nothing outlives the calling process.
    """
    kernel.die_with_parent()
    cgroups.join(name, spec)
    kernel.setns(network, kernel.NEW_NET)
    own_cgroups = kernel.NEW_CGROUP if spec.cgroups or spec.systemd else 0
    kernel.unshare(kernel.NEW_NS | kernel.NEW_UTS | kernel.NEW_IPC | own_cgroups)
    kernel.set_hostname(spec.name)
    kernel.make_mounts_private()
    _mount_all(folder, image, spec)
    kernel.change_root(str(folder / "root"))
    os.setsid()
    _open_console()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    if spec.systemd:
        os.execve("/sbin/init", ["init"], _ENVIRONMENT | {"container": "systemd-nspawn"})
    os.execve("/usr/local/sbin/init", ["init"], _ENVIRONMENT)


def _mount_all(folder: Path, image: Path, spec: VmSpec) -> None:
    root = str(folder / "root")
    layers = f"lowerdir={image},upperdir={folder}/upper,workdir={folder}/work,index=off"
    kernel.mount("overlay", root, "overlay", 0, layers)
    for source, target in spec.binds.items():
        _bind_read_only(Path(source), root + target)
    kernel.mount("proc", f"{root}/proc", "proc", _QUIET)
    _protect_settings(f"{root}/proc/sys")
    kernel.mount("sysfs", f"{root}/sys", "sysfs", _QUIET | kernel.RDONLY)
    if spec.cgroups or spec.systemd:
        _mount_cgroups(f"{root}/sys/fs/cgroup", spec)
    _mount_devices(f"{root}/dev")
    kernel.mount("tmpfs", f"{root}/run", "tmpfs", kernel.NOSUID, "mode=755")
    for target, size in spec.tmpfs.items():
        Path(root + target).mkdir(parents=True, exist_ok=True)
        kernel.mount("tmpfs", root + target, "tmpfs", 0, f"mode=1777,size={size}")


def _protect_settings(folder: str) -> None:
    """Let a host change the settings of its own network (containers need to), no other."""
    again = kernel.REMOUNT | kernel.BIND | _QUIET
    kernel.mount(folder, folder, "", kernel.BIND)
    kernel.mount("none", folder, "", again | kernel.RDONLY)
    kernel.mount(f"{folder}/net", f"{folder}/net", "", kernel.BIND)
    kernel.mount("none", f"{folder}/net", "", again)


def _bind_read_only(source: Path, target: str) -> None:
    place = Path(target)
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    kernel.mount(str(source), target, "", kernel.BIND)
    kernel.mount("none", target, "", kernel.REMOUNT | kernel.BIND | kernel.RDONLY)


def _mount_cgroups(folder: str, spec: VmSpec) -> None:
    kernel.mount("tmpfs", folder, "tmpfs", _QUIET, "mode=755")
    trees = [(name, name) for name in cgroups.CONTROLLERS if spec.cgroups]
    trees += [(cgroups.SYSTEMD, f"none,name={cgroups.SYSTEMD},xattr")] * spec.systemd
    for name, options in trees:
        os.mkdir(f"{folder}/{name}")
        kernel.mount("cgroup", f"{folder}/{name}", "cgroup", _QUIET, options)


def _mount_devices(folder: str) -> None:
    kernel.mount("tmpfs", folder, "tmpfs", kernel.NOSUID, "mode=755,size=1m")
    for name, (major, minor) in _DEVICES.items():
        os.mknod(f"{folder}/{name}", 0o020666, os.makedev(major, minor))
        os.chmod(f"{folder}/{name}", 0o666)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{folder}/{name}")
    terminals = "newinstance,ptmxmode=0666,mode=620,gid=5"
    quiet = kernel.NOSUID | kernel.NOEXEC
    kernel.mount("devpts", f"{folder}/pts", "devpts", quiet, terminals)
    shared = kernel.NOSUID | kernel.NODEV
    kernel.mount("tmpfs", f"{folder}/shm", "tmpfs", shared, "mode=1777")


def _open_console() -> None:
    nothing = os.open("/dev/null", os.O_RDWR)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    console = os.open("/var/log/console.log", append, 0o644)
    os.dup2(nothing, 0)
    os.dup2(console, 1)
    os.dup2(console, 2)
