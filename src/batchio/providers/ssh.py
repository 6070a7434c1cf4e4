"""The provider of hosts that exist, reached over SSH: nothing is rented or given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchio.core.plan import Offer
from batchio.errors import UsageError
from batchio.ports.rent import Rented
from batchio.providers import traits
from batchio.providers.hosts import parse_host, parse_hosts
from batchio.providers.lent import Lent, one_by_one

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchio.core.spec import JobSpec
    from batchio.ports import NodeOrder, Transport
    from batchio.ports.rent import Refused
    from batchio.providers.hosts import Host


class SshProvider(Lent):
    """A provider with one offer for each host. A handle is the host's whole word, for any head."""

    name = "ssh"

    def __init__(self, spec: JobSpec) -> None:
        """Read the hosts of `spec`, words as `hosts.parse_host` reads them.

        Raises:
            UsageError: one makes no sense, or is listed twice.
        """
        self.traits = traits(self.name)
        self._hosts: dict[str, Host] = {host.name: host for host in parse_hosts(spec.hosts)}

    async def offers(self, spec: JobSpec) -> list[Offer]:
        """Return the job's hosts, in their order. Does not ask them: one may join late.

        Raises:
            UsageError: there are none.
        """
        if not self._hosts:
            raise UsageError(
                "the ssh provider needs hosts",
                hint="give them: --hosts alice@gpu1,gpu2, or --hosts-file FILE",
            )
        return [
            Offer(host.name, slots=host.slots, labels=host.labels, group="hosts")
            for host in self._hosts.values()
        ]

    def create(self, order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Take hosts as they are: they are there, or connecting will say so."""
        return one_by_one(order, self._rent)

    async def _rent(self, node: int, offer: Offer) -> Rented:
        host = self._hosts.get(offer.id) or parse_host(offer.id)
        return Rented(node, host.word, reach={"host": host.address})

    async def connect(self, handle: str) -> Transport:
        """Open one SSH connection. Raises as `reach`."""
        return await reach(handle)


async def reach(word: str) -> Transport:
    """Open one SSH connection to the host of a word, as `ssh HOST` would make it.

    Raises:
        Unreachable: no answer; asking again may help.
        NotAuthorised: a key, a host key or the user was refused.
        UsageError: the OpenSSH configuration or a key file cannot be used.
    """
    from batchio.transports.ssh_config import read_config

    host = parse_host(word)
    # before asyncssh is loaded: meanwhile its threads read the configuration of the other hosts
    host_config = await read_config(host.address, host.port, host.user, where=host.name)

    from batchio.transports import ssh

    keys = (host.key,) if host.key else ()
    target = ssh.SshTarget(
        host.address, host.user, host.port, keys, name=host.name,
        python=host.python or "", work=host.work or "",
    )  # fmt: skip
    return await ssh.connect(target, host_config=host_config)
