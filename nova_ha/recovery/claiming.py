# SPDX-License-Identifier: Apache-2.0
"""Takes up the hosts that are free to take, and puts those out of service that the mass failure guard holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from nova_ha.cloud import nova
from nova_ha.model import disabled_reason, flag, snapshot
from nova_ha.model.actions import Claim, Step
from nova_ha.model.pauses import UnknownPause
from nova_ha.model.snapshot import Host, Service, Services
from nova_ha.policy import holds
from nova_ha.policy.holds import Hold
from nova_ha.policy.mass_failure import Guard
from nova_ha.recovery.act.actions.disable_host import disabled_before
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.host_actions import Deeds
from nova_ha.recovery.decide import planner
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.observe.observer import Observer
from nova_ha.recovery.unmanaged_hosts import UnmanagedHosts
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account


class Moved(Exception):
    """A flag was changed by somebody else in the middle of a pass: it is to be begun anew."""


class Claiming:
    """How hosts become this engine's.

    :param resource: name of the resource that supervises engines, to tell on which nodes others run
    :param memory: told of hosts that are this engine's now, and of what a former one may have asked for
    :param unmanaged: told of the services of the hosts that are, or are held
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        resource: str,
        cloud: nova.Nova,
        observer: Observer,
        claims: Claims,
        memory: Memory,
        account: Account,
        deeds: Deeds,
        unmanaged: UnmanagedHosts,
        clock: Callable[[], float],
    ) -> None:
        self._resource = resource
        self._cloud = cloud
        self._observer = observer
        self._claims = claims
        self._memory = memory
        self._account = account
        self._deeds = deeds
        self._unmanaged = unmanaged
        self._clock = clock
        self._taken_up: set[str] = set()  # hosts claimed since they were last looked at

    def steps(self, guard: Guard) -> tuple[list[Step], Mapping[str, Service] | None]:
        """What to do about the hosts that are not ours; those that ``guard`` holds are out of service then.

        :return: the steps, and Nova's services, or None if they have changed since they were read
        :raises nova.CloudError: the cloud is away
        :raises cluster.ClusterError: the cluster is away
        """
        services = self._observer.services()
        flags = self._claims.flags
        names = self._observer.nova_names(flags, services)
        unread = self._observer.unread_names(flags, services)
        self._claims.meets(names, {host for host, name in names.items() if services[name].forced_down})
        held = {**self._paused(names, services), **self._held(guard, services, names, unread)}
        steps = planner.claims(flags, self._claims.own, self._claims.rivals(self._resource), held)
        fresh: Mapping[str, Service] | None = services
        # Held or not, it is dead: nothing is to be sent there, and what is under way to it goes elsewhere.
        for host, name in names.items():
            if host in held and self._take_out(host, services[name]):
                fresh = None
        return steps, fresh

    def _paused(self, names: Mapping[str, str], services: Services) -> dict[str, Hold]:
        """Which hosts an operator has put off, as ``{host: what holds it}``; what is recovered already goes on.

        :param names: ``{cluster's name: Nova's name}`` of the flagged hosts
        """
        under_way = {host for host, name in names.items() if _is_under_way(services[name])}
        new = [host for host, value in self._claims.flags.items() if flag.is_new(value) and host not in under_way]
        if not new:
            return {}
        try:
            standing = self._claims.pauses()
        except UnknownPause as error:
            return dict.fromkeys(new, holds.by_what_cannot_be_read(error))
        held = {host: holds.by_pause(host, standing) for host in new}
        return {host: hold for host, hold in held.items() if hold is not None}

    def _held(
        self, guard: Guard, services: Services, names: Mapping[str, str], unread: Mapping[str, str]
    ) -> dict[str, Hold]:
        """Which hosts the mass failure guard holds, as ``{host: what holds it}``.

        :param names: ``{cluster's name: Nova's name}`` of the flagged hosts
        :param unread: the same of those of which Nova can read nothing
        """
        flags = self._claims.flags
        standing = {names[host]: flags[host] for host in names if flag.is_dead(flags[host])}
        for host, service in services.items():
            if host in standing and _is_under_way(service):
                standing[host] = flag.GO  # fenced once more while it is recovered: that goes on
        # Those of which Nova can read nothing count as well: among the dead, and among all.
        standing.update({name: flags[host] for host, name in unread.items() if flag.is_dead(flags[host])})
        every = frozenset(services).union(snapshot.unread(services))
        held = guard.held(standing, every, self._observer.aggregates(services))
        of_cluster = {**names, **unread}.items()
        return {host: holds.by_guard(host, held[name]) for host, name in of_cluster if name in held}

    def _take_out(self, host: str, service: Service) -> bool:
        """Put a held host out of service, if it is not; returns whether that had to be done."""
        # The mark tells any engine whose it is, should the flag be lost.
        mark = disabled_reason.held(service)
        if service.forced_down and mark is None:
            return False
        enabled = None if mark is None else False
        request = self._cloud.force_down(service, True, enabled=enabled, reason=mark)
        self._unmanaged.sees(host, dataclasses.replace(service, forced_down=True))
        why = f"its power was proved off{disabled_before(service)}"
        self._account.event(Event.HOST_FORCED_DOWN, host, request=request, reason=why)
        return True

    def take(self, step: Claim) -> None:
        """Claim a host.

        :raises Moved: somebody has changed its flag: what follows for other hosts, too, is to be looked at anew
        :raises cluster.ClusterError: the cluster is away
        """
        if not self._deeds.do(step):
            raise Moved
        self._taken_up.add(step.host)

    def looked_at(self, host: Host) -> None:
        """A host of ours has been looked at: reckon with requests of a former engine that have not shown yet.

        Whether there was one, the flag does not tell: a host that is fenced again loses its claim. But no engine asks
        for anything before it has forced the host down; and where this one has done that itself, there was none.
        """
        if host.service is None:
            return
        self._unmanaged.sees(host.name, host.service)
        if host.name not in self._taken_up:
            return
        self._taken_up.discard(host.name)
        self._memory.hosts.is_flagged_anew(host.service.host)
        if host.service.forced_down and host.name in self._claims.inherited:
            newest = {record.instance: record.id for record in host.evacuations}
            for instance in host.instances:
                self._memory.inherited(instance.id, newest.get(instance.id, 0), self._clock())


def _is_under_way(service: Service) -> bool:
    """Whether a host is recovered already: fenced once more meanwhile, it has lost its claim."""
    return service.forced_down and disabled_reason.is_under_way(service)
