# SPDX-License-Identifier: Apache-2.0
"""Which of Nova's hosts the cluster's names mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from nova_ha.model import flag, hostnames, snapshot
from nova_ha.model.snapshot import Service, World


class HostNames:
    """Looks them up.

    :param domain: DNS domain of Nova's host names, or None
    """

    def __init__(self, domain: str | None) -> None:
        self.domain = domain

    def known(self, hosts: Iterable[str], services: Mapping[str, Service]) -> dict[str, str]:
        """Nova's names of some of the cluster's hosts, as ``{cluster's name: Nova's name}``.

        Without those that Nova does not know, or can read nothing of.
        """
        return self._of(hosts, services, services)

    def unread(self, hosts: Iterable[str], services: Mapping[str, Service]) -> dict[str, str]:
        """The same of those hosts of which Nova can read nothing just now."""
        return self._of(hosts, services, snapshot.unread(services))

    def _of(self, hosts: Iterable[str], services: Mapping[str, Service], wanted: Collection[str]) -> dict[str, str]:
        found = {}
        for host in hosts:
            try:
                name = self.resolve(host, services)
            except hostnames.AmbiguousName:
                continue
            if name is not None and name in wanted:
                found[host] = name
        return found

    def resolve(self, host: str, services: Mapping[str, Service]) -> str | None:
        """Nova's name of a host, whether Nova can read its service or not, or None."""
        if host in services:
            return host
        return hostnames.resolve(host, [*services, *snapshot.unread(services)], self.domain)

    def others(self, world: World, online: Collection[str]) -> dict[str, str]:
        """Under what other names the cluster reaches hosts, that it has by their flags' names no more.

        :return: ``{flag's name: the cluster's name}``
        """
        away = {host.service.host: host.name for host in world.hosts if host.service and host.name not in online}
        labels = set(map(hostnames.label, away))
        alike = [node for node in online if hostnames.label(node) in labels]
        return {away[name]: node for node, name in self.known(alike, world.services).items() if name in away}


def second_flags(flags: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Flags that wait, as ``{cluster's name of a host: another one, whose flag is seen to first}``.

    A host that was renamed in the cluster while it was flagged, and is fenced by its new name, has two.

    :param flags: ``{cluster's name: flag}``
    :param names: ``{cluster's name: Nova's name}``
    """
    found: dict[str, list[str]] = {}
    for host in names:
        found.setdefault(names[host], []).append(host)
    for alike in found.values():
        # What is dead before what is held back, and that before what may start.
        alike.sort(key=lambda host: (not flag.is_dead(flags[host]), not flag.stands(flags[host]), host))
    return {second: first for first, *others in found.values() for second in others}
