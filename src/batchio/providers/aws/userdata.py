"""What a node is told when it first boots: its keys, and when to end by itself. Pure.

The dead man comes first, before anything that can fail: a node that nobody asks for any more
ends by itself, without credentials and without a network. It ends when no agent has been heard
for too long (`HEARD`, which the agent touches while it hears its head), and at the end of its
life in any case. Since the instance's own shutdown means its termination, power off is enough.
"""

from __future__ import annotations

import base64
import json
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

HEARD: Final = "/run/batchio-heard"
"""File that the agent touches while it hears its head."""

DEAD_MAN: Final = """\
#!/bin/sh
# Ends this computer when nobody asks for it any more. Written by batchio.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
lease=$1 ends=$2 boot=$3 every=$4
end() {
    sync
    systemctl poweroff || poweroff || shutdown -P now || halt -p
    sleep 60
    poweroff -f || { echo 1 > /proc/sys/kernel/sysrq; echo o > /proc/sysrq-trigger; }
}
up() { read -r up _ < /proc/uptime; echo "${up%%.*}"; }
heard=$(up) limit=$boot seen=$(stat -c %y HEARD)
while :; do
    now=$(stat -c %y HEARD)
    [ "$now" = "$seen" ] || { seen=$now heard=$(up) limit=$lease; }
    [ $(( $(up) - heard )) -lt "$limit" ] || end
    [ "$(up)" -lt "$ends" ] || end
    [ "$(date +%s)" -lt "$(cat /var/lib/batchio/ends)" ] || end
    sleep "$every"
done
""".replace("HEARD", HEARD)

EVERY_S: Final = 20
"""Seconds between two looks of the dead man."""


def user_data(keys: JobKeys, *, owner: str, lease_s: int, life_s: int) -> str:
    """Return what a node's first boot is told, for cloud-init, as base64.

    cloud-init puts the keys in place before the SSH server starts, so that the node never shows
    another key; its boot commands run first of all, at every boot. The same arguments give the
    same bytes. Nothing in it is of use but to reach this job's nodes.

    Args:
        keys: Its host key, and the key that may log in.
        owner: Who rents the node; for whoever finds it.
        lease_s: Seconds without a word from a head, after which the node ends.
        life_s: Seconds after which the node ends in any case.
    """
    told = {
        "bootcmd": [["sh", "-c", _armed(lease_s, life_s)]],
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": keys.host.private, "ed25519_public": keys.host.public},
        "ssh_authorized_keys": [keys.login.public],
    }
    text = f"#cloud-config\n# rented by batchio for {owner}\n{json.dumps(told, indent=1)}\n"
    assert len(text.encode()) <= MOST  # keys and numbers only
    return base64.b64encode(text.encode()).decode()


def _armed(lease_s: int, life_s: int) -> str:
    """Return the commands that start the dead man; at a reboot the end of its life stays."""
    lines = [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "mkdir -p /var/lib/batchio",
        "[ -s /var/lib/batchio/ends ] ||"
        f" echo $(( $(date +%s) + {life_s} )) > /var/lib/batchio/ends",
        f"cat > /var/lib/batchio/dead-man <<'DEAD'\n{DEAD_MAN}DEAD",
        f"touch {HEARD}; chmod 666 {HEARD}",
        f"setsid sh /var/lib/batchio/dead-man {lease_s} {life_s} {BOOT_S} {EVERY_S}"
        " >/dev/null 2>&1 </dev/null &",
    ]
    return "\n".join(lines)
