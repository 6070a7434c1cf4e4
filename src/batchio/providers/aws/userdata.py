"""What a node is told when it first boots: its keys, and when to end by itself. Pure.

The dead man comes first, before anything that can fail: a node that nobody asks for any more
ends by itself, without credentials and without a network. It ends when no agent has been heard
for too long (`HEARD`, which the agent touches while it hears its head), and at the end of its
life in any case. Since the instance's own shutdown means its termination, power off is enough.
"""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchio.providers.aws.keys import JobKeys

MOST: Final = 16384
"""Bytes that EC2 takes, before base64."""

BOOT_S: Final = 900
"""Seconds after the first boot in which an agent must have been heard."""

LIFE_S: Final = 7 * 24 * 3600
"""Seconds that a node of a job without a time limit lives at most."""

SPARE_S: Final = 3600
"""Seconds that a node of a job with a time limit may live beyond it."""

HEARD: Final = "/run/batchio/heard"
"""File that the agent touches while it hears its head."""

_DEAD_MAN: Final = """\
#!/bin/sh
# Ends this computer when nobody asks for it any more. Written by batchio.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
lease=$1 ends=$2
end() {
    sync
    systemctl poweroff || poweroff || shutdown -P now || halt -p
    sleep 60
    poweroff -f || { echo 1 > /proc/sys/kernel/sysrq; echo o > /proc/sysrq-trigger; }
}
up() { read -r up _ < /proc/uptime; echo "${up%%.*}"; }
heard=$(up) seen=
while :; do
    now=$(stat -c %Y:%Z HEARD 2>/dev/null)
    [ "$now" = "$seen" ] || { seen=$now heard=$(up); }
    if [ -z "$seen" ]; then limit=BOOT; else limit=$lease; fi
    [ $(( $(up) - heard )) -lt "$limit" ] || end
    [ "$(up)" -lt "$ends" ] || end
    [ "$(date +%s)" -lt "$(cat /var/lib/batchio/ends)" ] || end
    sleep EVERY
done
"""

_EVERY_S: Final = 20


def user_data(keys: JobKeys, *, owner: str, user: str, lease_s: int, life_s: int) -> str:
    """Return the script that a node's first boot runs, as base64.

    The same arguments give the same bytes. Nothing in it is of use but to reach this job's nodes.

    Args:
        keys: Its host key, and the key that may log in.
        owner: Who rents the node; for whoever finds it.
        user: The user who may log in.
        lease_s: Seconds without a word from a head, after which the node ends.
        life_s: Seconds after which the node ends in any case.
    """
    dead_man = (
        _DEAD_MAN.replace("HEARD", HEARD)
        .replace("BOOT", str(BOOT_S))
        .replace("EVERY", str(_EVERY_S))
    )
    lines = [
        "#!/bin/sh",
        f"# rented by batchio for {owner}",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "umask 077; mkdir -p /var/lib/batchio /run/batchio",
        f"echo $(( $(date +%s) + {life_s} )) > /var/lib/batchio/ends",
        f"cat > /var/lib/batchio/dead-man <<'DEAD'\n{dead_man}DEAD",
        f"setsid sh /var/lib/batchio/dead-man {lease_s} {life_s} >/dev/null 2>&1 </dev/null &",
        *_reboots(lease_s, life_s),
        f"cat > /etc/ssh/ssh_host_ed25519_key <<'KEY'\n{keys.host.private}KEY",
        f"echo {shlex.quote(keys.host.public)} > /etc/ssh/ssh_host_ed25519_key.pub",
        "chmod 600 /etc/ssh/ssh_host_ed25519_key; chmod 644 /etc/ssh/ssh_host_ed25519_key.pub",
        f"user={shlex.quote(user)}",
        'home=$(getent passwd "$user" | cut -d: -f6)',
        'mkdir -p "$home/.ssh"',
        f'echo {shlex.quote(keys.login.public)} >> "$home/.ssh/authorized_keys"',
        'chown -R "$user": "$home/.ssh"; chmod 600 "$home/.ssh/authorized_keys"',
        f'chown "$user": /run/batchio; touch -d @0 {HEARD}.never 2>/dev/null',
        "systemctl restart ssh || systemctl restart sshd || pkill -HUP -x sshd || true",
    ]
    text = "\n".join(lines) + "\n"
    assert len(text.encode()) <= MOST  # keys and numbers only
    return base64.b64encode(text.encode()).decode()


def _reboots(lease_s: int, life_s: int) -> list[str]:
    """Return lines that begin the dead man anew at each boot, where systemd can do so."""
    unit = (
        "[Unit]\nDescription=Ends this node when batchio no longer needs it\n"
        "[Service]\nExecStartPre=/bin/mkdir -p /run/batchio\n"
        f"ExecStart=/bin/sh /var/lib/batchio/dead-man {lease_s} {life_s}\nRestart=always\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
    return [
        "if [ -d /run/systemd/system ]; then",
        f"cat > /etc/systemd/system/batchio-dead-man.service <<'UNIT'\n{unit}UNIT",
        "systemctl enable --now batchio-dead-man.service",
        "fi",
    ]
