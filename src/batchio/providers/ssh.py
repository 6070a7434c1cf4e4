"""Hosts that exist, reached over SSH: nothing is rented, so nothing is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchio.core.plan import Offer
from batchio.errors import UsageError
from batchio.providers.hosts import parse_host, parse_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchio.core.spec import JobSpec
    from batchio.ports import NodeOrder, Transport
    from batchio.providers.hosts import Host


class SshProvider:
    """One offer a host. A handle is the host's whole word, so that any head can use it."""

    name = "ssh"

    def __init__(self, hosts: Sequence[str] = ()) -> None:
        """Args: hosts as `hosts.parse_host` reads them.

        Raises:
            UsageError: one makes no sense, or stands twice.
        """
        self._hosts: dict[str, Host] = {host.name: host for host in parse_hosts(hosts)}

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """The job's hosts, in their order. Does not ask them: one may join late.

        Raises:
            UsageError: there are none, one makes no sense, or one stands twice.
        """
        if spec.hosts:
            self._hosts = {host.name: host for host in parse_hosts(spec.hosts)}
        if not self._hosts:
            raise UsageError(
                "the ssh provider needs hosts",
                hint="name them: --hosts alice@gpu1,gpu2, or --hosts-file FILE",
            )
        return [
            Offer(host.name, limit=1, slots=host.slots, labels=host.labels)
            for host in self._hosts.values()
        ]

    async def create(self, order: NodeOrder) -> str:
        """Nothing to do: the host is there, or connecting will say so."""
        return (self._hosts.get(order.offer) or parse_host(order.offer)).word

    async def connect(self, handle: str) -> Transport:
        """One SSH connection, as `ssh HOST` would make it.

        Raises:
            Unreachable: no answer; asking again may help.
            NotAuthorised: a key, a host key or the user was refused.
            UsageError: the OpenSSH configuration or a key file cannot be used.
        """
        from batchio.transports import ssh

        host = parse_host(handle)
        keys = (host.key,) if host.key else ()
        target = ssh.SshTarget(host.address, host.user, host.port, keys, name=host.name)
        return await ssh.connect(target)

    async def delete(self, handle: str) -> None:
        """Nothing was rented; whoever started an agent there removes it."""

    async def aclose(self) -> None:
        """Nothing is held open: connections belong to who asked for them."""


def same_machine(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two agents' hellos come from one computer under two names.

    The kernel's boot id alone will not do: containers of one computer share it, and are
    nodes of their own by name and address.
    """
    told = ("boot_id", "hostname", "address")
    return bool(one.get("boot_id")) and all(one.get(key) == other.get(key) for key in told)
