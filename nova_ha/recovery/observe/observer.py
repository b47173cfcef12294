# SPDX-License-Identifier: Apache-2.0
"""Reads the world into snapshots: whole ones, and cheap ones that show whether a whole one is worth while.

One host is read by ``hosts``, what became of its instances elsewhere by ``evacuees``, what was asked for one by
``evacuation_requests``, what does not depend on hosts by ``whole_cloud``; ``host_names`` tells which host of Nova's a
name means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Set

from nova_ha.cloud.errors import CloudError
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import disabled_reason, evacuable_tag, flag
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.snapshot import Host, Service, Services, World
from nova_ha.recovery.observe.evacuation_requests import RequestReader
from nova_ha.recovery.observe.evacuees import Evacuees
from nova_ha.recovery.observe.host_names import HostNames, second_flags
from nova_ha.recovery.observe.hosts import HostReader
from nova_ha.recovery.observe.reading import Cloud, Each
from nova_ha.recovery.observe.whole_cloud import SETTINGS_AGE, WholeCloud

# Seconds after which everything is read again, however quiet it is: an operator may have changed a service.
GLANCE_AGE = 10.0

_SECOND = (
    "Nova has the same host for it as for {first}, which is flagged, too, and is seen to first. If the cluster has the"
    " host as {first} now, delete the entry that is left over"
)


class Observer:
    """Reads what is to be known about flagged hosts.

    :param domain: DNS domain of Nova's host names, or None
    :param clock: monotonic seconds
    :param aggregates_matter: whether aggregates are read in any case, not only where a host is reserved
    :param tag: what selects instances, see ``evacuable_tag``
    """

    def __init__(
        self,
        cloud: Cloud,
        domain: str | None,
        clock: Callable[[], float],
        aggregates_matter: bool = True,
        tag: str = evacuable_tag.TAG,
        each: Each = map,
    ) -> None:
        self._cloud = cloud
        self._each = each
        self._clock = clock
        self._names = HostNames(domain)
        self._evacuees = Evacuees(cloud, clock)
        self._hosts = HostReader(cloud, self._names, self._evacuees, clock)
        self._requests = RequestReader(cloud, each, clock)
        self._whole = WholeCloud(cloud, aggregates_matter, tag, clock)
        self._world: World | None = None
        self._read_at = 0.0
        # host -> since when the cluster's records prove that its nova-compute does not run
        self._stopped: dict[str, float] = {}

    def reconfigure(self, domain: str | None, aggregates_matter: bool, tag: str) -> None:
        """Go by other settings from the next look on; see the class."""
        self._names.domain = domain
        self._whole.go_by(aggregates_matter, tag)

    def services(self) -> Services:
        """All nova-compute services.

        :raises nova.CloudError: they cannot be read
        """
        return self._cloud.services()

    def aggregates(self, services: Mapping[str, Service]) -> Mapping[str, frozenset[str]]:
        """The hosts of each aggregate, by its name, if they matter.

        :raises nova.CloudError: they cannot be read
        """
        return self._whole.aggregates(services)

    def nova_names(self, hosts: Iterable[str], services: Mapping[str, Service]) -> dict[str, str]:
        """See ``HostNames.known``."""
        return self._names.known(hosts, services)

    def unread_names(self, hosts: Iterable[str], services: Mapping[str, Service]) -> dict[str, str]:
        """See ``HostNames.unread``."""
        return self._names.unread(hosts, services)

    def sees_flags(self, flags: Mapping[str, str]) -> None:
        """Learn of all flags, also of hosts that are not looked at: another engine recovers those."""
        self._hosts.sees_flags(flags)

    def look(
        self,
        flags: Mapping[str, str],
        services: Mapping[str, Service] | None = None,
        others: Mapping[str, str] | None = None,
        inherited: Set[str] = frozenset(),
    ) -> World:
        """The world as it is now.

        :param flags: ``{host: flag value}`` of the hosts to look at
        :param others: ``{host: flag value}`` of further hosts that are flagged, of which no more is of interest than
            that they are dead, and who has claimed them
        :param services: what ``services`` has just answered, if it has been asked
        :param inherited: the hosts to which another engine may have sent instances that this one does not know of
        :raises nova.CloudError: it cannot be read
        """
        services = services if services is not None else self._cloud.services()
        others = others or {}
        flagged = {**flags, **others}
        names = self._names.known(flagged, services)
        hosts = self._read_hosts(flags, services, inherited, second_flags(flagged, names))
        is_quiet = bool(hosts) and not any(map(flag.is_dead, others.values())) and all(map(_is_off, hosts))
        fenced = [host.service for host in hosts if host.service and host.is_dead]
        fenced += [services[names[host]] for host in others if host in names]
        instances = [instance for host in hosts for instance in host.instances]
        self._world = World(
            hosts,
            services,
            aggregates=self._whole.aggregates(services),
            restoring=self._whole.restoring(hosts, instances, services, is_quiet),
            selection=self._whole.selection() if instances else None,
            dead=frozenset(service.host for service in fenced if service.forced_down),
            contested=any(map(flag.claimant, others.values())),
            late=self._whole.late(flagged, names, is_quiet),
            unflagged=frozenset(s.host for s in services.values() if disabled_reason.is_marked(s))
            - set(names.values()),
        )
        self._read_at = self._clock()
        return self._world

    def _read_hosts(
        self, flags: Mapping[str, str], services: Mapping[str, Service], inherited: Set[str], seconds: Mapping[str, str]
    ) -> tuple[Host, ...]:
        """The hosts to look at, several at once: a failed rack has many, of which each takes a few requests.

        :param seconds: from ``second_flags``
        """
        former = {host.name: host for host in self._world.hosts} if self._world is not None else {}

        def read(name: str) -> Host:
            if name in seconds:
                reason = _SECOND.format(first=seconds[name])
                return Host(name, flags[name], problem=Problem(Code.SECOND_FLAG, reason, flag.removal(name)))
            return self._hosts.read(name, flags[name], services, name in inherited, former.get(name))

        self._hosts.look_begins(flags)
        self._evacuees.look_begins()
        hosts = tuple(self._each(read, sorted(flags)))
        self._evacuees.look_ends({record.id for host in hosts for record in host.evacuations})
        self._hosts.look_ends(hosts)
        return hosts

    def with_requests(self, world: World, instances: Collection[str]) -> World:
        """See ``RequestReader.with_requests``."""
        return self._requests.with_requests(world, instances)

    def with_cluster(self, world: World, cluster: Cluster) -> World:
        """The world, with what the cluster says of its hosts; of those that are held back, whether they are stopped.

        :raises cluster.ClusterError: Pacemaker does not answer
        """
        online = cluster.online()
        others = self._names.others(world, online)
        held = [host.name for host in world.hosts if host.flag == flag.RESTART]
        # What the cluster has of a former name tells nothing of what runs under the one that it has the host by now.
        stopped = (cluster.stopped(held) if held else set()) - others.keys()
        now = self._clock()
        self._stopped = {host: self._stopped.get(host, now) for host in held if host in stopped}
        stopped_for = {host: now - since for host, since in self._stopped.items()}
        return world.with_cluster(online, stopped_for, others, cluster.attribute)

    def glance(self, flags: Mapping[str, str]) -> World | None:
        """The last snapshot with nothing but the evacuations read anew, or None if that is not enough to go by.

        One request a host instead of one for each page of its instances. It may only be used to find that there is
        nothing to do: whoever would act on it must ``look`` first.
        """
        if self._world is None or self._clock() - self._read_at > GLANCE_AGE or self._whole.may_have_notes:
            return None
        if any(host.problem is not None for host in self._world.hosts):
            return None
        if {host.name: host.flag for host in self._world.hosts} != flags or flag.OVER & set(flags.values()):
            return None
        if not self._world.candidates or not all(host.instances for host in self._world.hosts):
            return None
        try:
            hosts = tuple(self._each(self._hosts.with_new_records, self._world.hosts))
        except CloudError:
            return None  # one cell may be away: a look tells which hosts that concerns
        return dataclasses.replace(self._world, hosts=hosts)

    def may_find_notes(self) -> bool:
        """Whether, though no host is flagged any more, it is time to look for instances with a note of a former state.

        There may be some whose host did not report when the last flag went, or that Nova did not let be changed then.
        """
        return self._whole.may_have_notes and (self._world is None or self._clock() - self._read_at > SETTINGS_AGE)

    def forget(self) -> None:
        """There is no flag any more: nothing that was seen is of use for the next one."""
        self._evacuees.forget()
        self._hosts.forget()
        self._whole.forget()


def _is_off(host: Host) -> bool:
    """Whether a host is recovered, and does not come back just now."""
    return host.flag == flag.RECOVERED and not host.reports
