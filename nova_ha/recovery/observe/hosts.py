# SPDX-License-Identifier: Apache-2.0
"""Reads one flagged host after the other: dead ones whole, recovered ones as far as it matters for their return."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping

from nova_ha.cloud.errors import CloudError
from nova_ha.model import flag, hostnames, instance_states
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.snapshot import FINISHED, Host, Instance, Migration, Service, by_instance, unfinished, unread
from nova_ha.recovery.observe.evacuees import Broken, Evacuees
from nova_ha.recovery.observe.host_names import HostNames
from nova_ha.recovery.observe.reading import Cloud, Read

# Seconds for which a recovered host of which nothing is left to be done is not read again.
WELL_AGE = 10.0

_UNREADABLE = Problem(
    Code.CELL_AWAY,
    "Nova can read nothing of this host: the database of its cell does not answer. Its recovery waits for that; the"
    " hosts of other cells do not",
)

# What nova-compute may drive whose guests Nova cannot evacuate, by the type of hypervisor: the drivers without the
# capability supports_evacuate in Nova's nova/virt. An evacuation is accepted, and sets the instance to error.
_NOT_EVACUATED = {"ironic": "bare metal (ironic)", "VMware vCenter Server": "a vCenter"}
_REFUSED = (
    "its nova-compute drives {}, which Nova cannot evacuate: nothing of it is evacuated. Once nova-compute runs again,"
    " set the flag to no: then the service is put back"
)


class HostReader:
    """Reads hosts, several at once: it remembers nothing but under the name of a host.

    :param clock: monotonic seconds
    """

    def __init__(self, cloud: Cloud, names: HostNames, evacuees: Evacuees, clock: Callable[[], float]) -> None:
        self._cloud = cloud
        self._names = names
        self._evacuees = evacuees
        self._clock = clock
        # host -> the flag under which it was seen to have no unfinished live migration
        self._unmoved: dict[str, str] = {}
        self._flagged: dict[str, tuple[str, float]] = {}  # host -> (its flag, since when)
        self._unread: dict[str, float] = {}  # host -> since when Nova has not been able to read its service
        self._reported: dict[str, float] = {}  # recovered host -> since when it has reported
        # recovered host of which nothing is left to be done -> see ``_aftermath``
        self._well: dict[str, Read[tuple[tuple[Migration, ...], tuple[Migration, ...], Broken]]] = {}
        # recovered host -> its service's last report when we first saw it recovered
        self._first_report: dict[str, str | None] = {}
        self._hypervisors: dict[str, str | None] = {}  # host -> what its nova-compute drives, None if that is not known

    def look_begins(self, flags: Mapping[str, str]) -> None:
        """Remember since when each flag is what it is."""
        now = self._clock()
        former = self._flagged
        self._flagged = {
            host: former[host] if former.get(host, (None, now))[0] == value else (value, now)
            for host, value in flags.items()
        }
        self.sees_flags(flags)
        self._unread = {host: since for host, since in self._unread.items() if host in flags}

    def sees_flags(self, flags: Mapping[str, str]) -> None:
        """Forget what was reported by hosts that are not recovered (any more), whichever engine recovers them."""
        recovered = {host for host, value in flags.items() if value == flag.RECOVERED}
        self._first_report = {host: first for host, first in self._first_report.items() if host in recovered}
        self._reported = {host: since for host, since in self._reported.items() if host in recovered}
        self._well = {host: known for host, known in self._well.items() if host in recovered}

    def look_ends(self, hosts: Iterable[Host]) -> None:
        """Those are the hosts as they were read."""
        flags = {host.name: host.flag for host in hosts}
        self._unmoved = {name: value for name, value in self._unmoved.items() if flags.get(name) == value}

    def forget(self) -> None:
        """There is no flag any more."""
        self._hypervisors.clear()
        self._unmoved.clear()

    def with_new_records(self, host: Host) -> Host:
        """The host with the records as they are now, less the instances that these say have left it."""
        if host.service is None:
            return host
        evacuations, arrivals = self._evacuees.records(host.service.host)
        newest = {record.instance: record.status for record in evacuations}
        staying = tuple(instance for instance in host.instances if newest.get(instance.id) not in FINISHED)
        flagged_for = self._clock() - self._flagged[host.name][1]
        return dataclasses.replace(
            host, flagged_for=flagged_for, instances=staying, evacuations=evacuations, arrivals=arrivals
        )

    def read(
        self, name: str, value: str, services: Mapping[str, Service], inherited: bool, former: Host | None
    ) -> Host:
        """A flagged host as it is now.

        :param name: the cluster's name of it
        :param value: its flag's
        :param inherited: see ``Host``
        :param former: the same as it was last seen
        :raises nova.CloudError: it cannot be read
        """
        try:
            known_as = self._names.resolve(name, services)
        except hostnames.AmbiguousName as error:
            return Host(name, value, problem=Problem(Code.AMBIGUOUS_HOST, str(error)))
        if known_as in unread(services):
            return self._unreadable(name, value, former)
        self._unread.pop(name, None)
        service = services.get(known_as) if known_as is not None else None
        if service is None:
            return Host(name, value)
        if service.twin is not None:
            return Host(name, value, problem=_two_records(service))
        flagged_for = self._clock() - self._flagged[name][1]
        found = Host(name, value, service, flagged_for=flagged_for, inherited=inherited)
        if value == flag.RESTART:
            return found
        if value == flag.RECOVERED:
            return self._returning(found, service)
        # The first thing to do is to force it down: nothing else need be known for that.
        return self._dead(found, service) if service.forced_down else found

    def _dead(self, found: Host, service: Service) -> Host:
        """A dead host with all that is to be known of it."""
        evacuations, arrivals = self._evacuees.records(service.host)
        instances = self._cloud.instances(service.host)
        kind = self._hypervisor_type(service.host, instances)
        if kind in _NOT_EVACUATED:
            reason = _REFUSED.format(_NOT_EVACUATED[kind])
            return dataclasses.replace(found, problem=Problem(Code.UNSUPPORTED_HYPERVISOR, reason))
        moving = any(instance.task_state in instance_states.MIGRATING for instance in instances)
        resized = any(
            instance.vm_state == "resized" or instance_states.is_found_there(instance) for instance in instances
        )
        live_migrations = self._live_migrations(found, service.host, moving)
        resizes = self._cloud.resizes(service.host) if resized else ()
        present = {instance.id for instance in instances}
        broken = self._evacuees.broken(_asked_for_twice(evacuations, present))
        away = [record for record in unfinished(evacuations) if record.instance not in present]
        return dataclasses.replace(
            found,
            evacuations=evacuations,
            arrivals=arrivals,
            instances=instances,
            live_migrations=live_migrations,
            resizes=resizes,
            broken=broken,
            whereabouts=self._evacuees.whereabouts(away),
        )

    def _hypervisor_type(self, host: str, instances: Iterable[Instance]) -> str | None:
        """What a host's nova-compute drives, asked for once a host; None where Nova does not say, for any reason."""
        node = next((instance.node for instance in instances if instance.node is not None), None)
        if host not in self._hypervisors and node is not None:
            try:
                self._hypervisors[host] = self._cloud.hypervisor_type(host, node)
            except CloudError:
                self._hypervisors[host] = None
        return self._hypervisors.get(host)

    def _unreadable(self, name: str, value: str, former: Host | None) -> Host:
        """A host of which Nova can read nothing just now: what was last seen of it under the same flag.

        Nothing is done about it. But what has been asked for its instances must not be forgotten.
        """
        if former is None or former.flag != value:
            former = Host(name, value)
        now = self._clock()
        return dataclasses.replace(former, problem=_UNREADABLE, unread_for=now - self._unread.setdefault(name, now))

    def _live_migrations(self, host: Host, known_as: str, moving: bool) -> tuple[Migration, ...]:
        """The unfinished live migrations of a dead host: read until there are none, for none begins any more.

        :param known_as: Nova's name of it
        """
        if moving or self._unmoved.get(host.name) != host.flag:
            found = self._cloud.live_migrations(known_as)
            found = tuple(record for record in found if self._may_go_on(record, known_as))
            if found:
                return found
            self._unmoved[host.name] = host.flag
        return ()

    def _may_go_on(self, record: Migration, host: str) -> bool:
        """Whether a live migration from or to a dead host may be under way: no record ends with its source's death.

        The instance's task lasts as long as its migration. One that has just arrived shows here at the next look.
        """
        if record.source == host:
            return True
        instance = self._evacuees.where(record.instance)
        return instance is not None and (instance.task_state in instance_states.MIGRATING or instance.host == host)

    def _returning(self, host: Host, service: Service) -> Host:
        """A recovered host; as long as it does not report, nothing else is of interest."""
        now, report = self._clock(), service.last_report
        if report != self._first_report.setdefault(host.name, report):
            self._reported.setdefault(host.name, now)
        reported_for = now - self._reported[host.name] if host.name in self._reported else None
        if reported_for is None and not service.up:
            return host
        evacuations, arrivals, broken = self._aftermath(host.name, service.host)
        return dataclasses.replace(
            host, reported_for=reported_for, evacuations=evacuations, arrivals=arrivals, broken=broken
        )

    def _aftermath(self, host: str, known_as: str) -> tuple[tuple[Migration, ...], tuple[Migration, ...], Broken]:
        """The records of a host that is back, and what its late requests broke; all well, it is not read again soon.

        :param known_as: Nova's name of it
        :return: those of the evacuations away from it, those of the evacuations to it, and that
        """
        known = self._well.get(host)
        if known is not None and self._clock() - known.at < WELL_AGE:
            return known.value
        evacuations, arrivals = self._evacuees.records(known_as)
        under_way = {record.instance for record in unfinished(evacuations)}
        broken = self._evacuees.broken([r for r in evacuations + arrivals if r.instance not in under_way])
        if not broken and not any(record.in_flight or record.status == "done" for record in evacuations):
            self._well[host] = Read((evacuations, arrivals, broken), self._clock())
        return evacuations, arrivals, broken


def _two_records(service: Service) -> Problem:
    reason = (
        f"Nova has two nova-compute services of {service.host}, {service.id} and {service.twin}, as after a move to"
        " another cell: which of them has its instances cannot be told. Delete the one that is left over (openstack"
        " compute service delete ID): then its recovery goes on"
    )
    command = f"openstack compute service list --service nova-compute --host {service.host}"
    return Problem(Code.TWO_SERVICES, reason, command)


def _asked_for_twice(evacuations: Iterable[Migration], present: Collection[str]) -> list[Migration]:
    """The records of the instances that have left a host, and were asked for more than once.

    One of the requests may have failed because of another, and have set the instance to error when it had arrived.
    """
    gone = by_instance(record for record in evacuations if record.instance not in present)
    return list(itertools.chain.from_iterable(records for records in gone.values() if len(records) > 1))
