# SPDX-License-Identifier: Apache-2.0
"""What the engine knows of the world at one moment: immutable, and all that a decision may look at.

Read once a pass (by ``engine``, through ``pacemaker`` and ``nova``); never changed, never half old and half new.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Collection, Iterable, Mapping

from nova_ha.model import flag
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.reasons import Problem

# An evacuation whose record says one of these is over. Whatever else a record says is taken to be in flight:
# a state that we do not know must not lead to a second evacuation.
FINISHED = frozenset({"done", "completed"})
FAILED = frozenset({"failed", "error", "cancelled"})

# Stands for the start of nova-compute where the cluster found it running.
FOUND_RUNNING = "found running"


@dataclasses.dataclass(frozen=True)
class Service:
    """A nova-compute service as Nova reports it.

    :param id: its UUID, by which it is changed
    :param host: Nova's name of the host
    :param up: Nova holds it to be up; never true while it is forced down
    :param enabled: the scheduler may place instances there
    :param forced_down: somebody declared it dead
    :param disabled_reason: why it is disabled, if it is
    :param last_report: Nova's time of its last report (ISO 8601)
    :param zone: its availability zone
    :param twin: the id of a second record that Nova has of the same host, in another of its cells; None as it should be
    """

    id: str
    host: str
    up: bool
    enabled: bool
    forced_down: bool
    disabled_reason: str | None = None
    last_report: str | None = None
    zone: str | None = None
    twin: str | None = None


class Services(dict[str, Service]):
    """The nova-compute services by Nova's host name, as far as Nova can read them.

    :param known: ``{Nova's host name: Service}``
    :param unread: names of the hosts of whose service Nova knows no more than that: their cell's database is away
    :param conductors: ``{host: Nova's time of its newest report}`` of the nova-conductor services
    """

    def __init__(
        self,
        known: Mapping[str, Service] | None = None,
        unread: Iterable[str] = (),
        conductors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(known or {})
        self.unread = frozenset(unread)
        self.conductors = dict(conductors or {})


def unread(services: Mapping[str, Service]) -> frozenset[str]:
    """Nova's names of the hosts of which it can read nothing just now; none where a plain mapping is given."""
    return services.unread if isinstance(services, Services) else frozenset()


def conductors(services: Mapping[str, Service]) -> Mapping[str, str]:
    """``{host: Nova's time of its newest report}`` of the conductors; none where a plain mapping is given."""
    return services.conductors if isinstance(services, Services) else {}


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance as Nova reports it.

    :param host: the host that it belongs to by Nova's record (it changes when an evacuation has been claimed there)
    :param vm_state: Nova's ``OS-EXT-STS:vm_state``
    :param task_state: Nova's ``OS-EXT-STS:task_state``, None when nothing is going on
    :param image: id of the image that it was made from, None when it boots from a volume
    :param image_properties: those of its image that mean something to Nova, as they were then; empty in Novas before 31
    :param extra_specs: the extra specs of its flavor as they were when it was made
    :param power_state: what its guest did when nova-compute last looked: running, paused, shutdown, none, ...
    :param metadata: what its owner wrote to it
    :param project: id of the project that owns it
    :param zone: the availability zone that it is in
    :param tags: its tags
    :param launched: whether its guest has ever been started
    :param fault: what Nova says of why it is in error, None if it is not, or Nova says nothing
    :param fault_cause: the error that led to ``fault``, in one line, where Nova tells administrators
    :param fault_at: Nova's time of ``fault``, in whole seconds (ISO 8601)
    :param node: name of the hypervisor that it is on, which may be named otherwise than the host
    """

    id: str
    name: str
    host: str | None
    vm_state: str
    task_state: str | None = None
    image: str | None = None
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    power_state: str = "running"
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    project: str | None = None
    zone: str | None = None
    tags: frozenset[str] = frozenset()
    launched: bool = True
    fault: str | None = None
    fault_cause: str | None = None
    fault_at: str | None = None
    node: str | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Migration:
    """Nova's record of one evacuation (or, where that is said, of one live migration); ids grow with time.

    Which request a record belongs to cannot be told: a repeated evacuation takes over the oldest record that is still
    ``accepted``, and leaves its own so for ever (measured).

    :param destination: the host that was chosen, None as long as none is
    :param created: Nova's time of the request, or of an earlier one whose record it took over (ISO 8601)
    """

    id: int
    instance: str
    status: str
    source: str
    destination: str | None = None
    created: str | None = None

    @property
    def in_flight(self) -> bool:
        """Whether it may still start, or be starting, the guest somewhere."""
        return self.status not in FINISHED and self.status not in FAILED


@dataclasses.dataclass(frozen=True)
class Host:
    """One flagged host.

    :param name: the cluster's name of it
    :param flag: its flag's value
    :param service: its nova-compute service, None if Nova has none of that name
    :param instances: what Nova says is on it, read *after* ``evacuations``: an evacuation that ends in between
        then shows as in flight on an instance that is gone, never as done on one that seems left behind
    :param evacuations: the records of evacuations away from it, oldest first
    :param arrivals: the records of evacuations to it, oldest first
    :param live_migrations: the records of unfinished live migrations away from it and to it
    :param resizes: the records of resizes to it that wait to be confirmed; read only where that matters
    :param requests: ``{instance id: Requests}`` of its instances of which that decides something
    :param whereabouts: ``{instance id: Instance, or None for one that is gone}`` of instances that have been gone from
        the host for a while though their evacuation is in flight
    :param broken: instances on other hosts, once evacuated from or to this one, that are in error with a task that
        nobody works on; each with the seconds that it has been seen so. Read only of a recovered host that reports
    :param online: whether the cluster reaches it; read only where it matters
    :param stopped_for: seconds for which the cluster's records are seen to prove that its nova-compute does not run;
        None if they do not. Read only of a host that is held back
    :param reported_for: seconds since its nova-compute was first seen to report after its recovery was closed; None if
        it has not reported
    :param flagged_for: seconds that its flag has been seen to have this value
    :param inherited: whether another engine may have sent instances to it that this one does not know of
    :param online_as: under what other name the cluster reaches it, where its flag means nothing; read with ``online``
    :param problem: why nothing can be known of it, None if it can; what else stands here may be old then
    :param unread_for: seconds since Nova has not been able to read its service, which will pass; None if it can
    """

    name: str
    flag: str
    service: Service | None = None
    instances: tuple[Instance, ...] = ()
    evacuations: tuple[Migration, ...] = ()
    arrivals: tuple[Migration, ...] = ()
    live_migrations: tuple[Migration, ...] = ()
    resizes: tuple[Migration, ...] = ()
    requests: Mapping[str, Requests] = dataclasses.field(default_factory=dict)
    whereabouts: Mapping[str, Instance | None] = dataclasses.field(default_factory=dict)
    broken: tuple[tuple[Instance, float], ...] = ()
    online: bool = False
    online_as: str | None = None
    stopped_for: float | None = None
    reported_for: float | None = None
    flagged_for: float = 0.0
    inherited: bool = False
    problem: Problem | None = None
    unread_for: float | None = None

    @property
    def nova_name(self) -> str:
        """Nova's name of it; the cluster's, where Nova has no service of that name."""
        return self.name if self.service is None else self.service.host

    # Asked for of every host, for every instance of the others: each is worked out once.

    @functools.cached_property
    def is_dead(self) -> bool:
        """Whether its flag says that its power was proved off, and that its recovery is not over."""
        return flag.is_dead(self.flag)

    @functools.cached_property
    def reports(self) -> bool:
        """Whether its nova-compute has reported since its recovery, or Nova holds it to be up."""
        return self.reported_for is not None or (self.service is not None and self.service.up)

    @functools.cached_property
    def is_back(self) -> bool:
        """Whether its nova-compute may start, and has reported since its recovery.

        Until then it may have requests queued that it takes up when it starts, for instances that are elsewhere by now.
        """
        return self.flag == flag.RECOVERED and self.reports

    @functools.cached_property
    def may_have_queued_requests(self) -> bool:
        """Whether it is recovered, and its nova-compute has not reported since: it may still take up old requests."""
        return self.flag in flag.OVER and self.service is not None and not self.is_back


@dataclasses.dataclass(frozen=True)
class World:
    """Everything that one pass decides on.

    :param hosts: every flagged host
    :param services: every nova-compute service that Nova can read, by Nova's host name; see ``Services``
    :param aggregates: the hosts of each aggregate, by its name
    :param restoring: every instance, wherever it is, whose former state is still to be restored
    :param selection: what flavors and images select instances; None if no host has any
    :param dead: Nova's names of the hosts that are proved dead: flagged, not recovered yet, and forced down in Nova
    :param contested: another engine has claims, and may be sending requests that this one does not know of
    :param unflagged: Nova's names of the hosts that nova-ha has out of service though they have no flag any more
    :param living: Nova's names of the hosts that are flagged, and live by their own reports to Nova: not dead
    :param late: ids of the instances that late requests have left in error on hosts that live; if several are flagged
    :param attribute: the node attribute that is the flag; read with ``Host.online``
    """

    hosts: tuple[Host, ...] = ()
    services: Mapping[str, Service] = dataclasses.field(default_factory=dict)
    aggregates: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    restoring: tuple[Instance, ...] = ()
    selection: Selection | None = None
    dead: frozenset[str] = frozenset()
    living: frozenset[str] = frozenset()
    contested: bool = False
    unflagged: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    attribute: str = flag.ATTRIBUTE

    def with_cluster(
        self,
        online: Collection[str],
        stopped: Mapping[str, float],
        others: Mapping[str, str] | None = None,
        attribute: str = flag.ATTRIBUTE,
    ) -> World:
        """The same, with what the cluster says of the hosts.

        :param online: names of the nodes that it reaches
        :param stopped: ``{name: seconds}``, see ``Host.stopped_for``
        :param others: ``{name: name}``, see ``Host.online_as``
        :param attribute: the node attribute that is the flag
        """
        others = others or {}
        hosts = (
            dataclasses.replace(
                host,
                online=host.name in online or host.name in others,
                online_as=others.get(host.name),
                stopped_for=stopped.get(host.name),
            )
            for host in self.hosts
        )
        return dataclasses.replace(self, hosts=tuple(hosts), attribute=attribute)

    # Asked for of every flagged host: in a large cloud that loses many, each is worked out once.

    @functools.cached_property
    def up(self) -> frozenset[str]:
        """Nova's names of the hosts that are up."""
        return frozenset(name for name, service in self.services.items() if service.up)

    @functools.cached_property
    def candidates(self) -> frozenset[str]:
        """Nova's names of the hosts that could take an instance, as far as their services tell."""
        return frozenset(name for name in self.up if self.services[name].enabled)

    @functools.cached_property
    def runs_nowhere(self) -> bool:
        """Whether nova-compute runs on no host: each is dead, or is recovered and has not reported since."""
        coming = {host.nova_name for host in self.hosts if host.may_have_queued_requests}
        return {*self.services, *unread(self.services)} <= self.dead | coming

    @functools.cached_property
    def all_back(self) -> bool:
        """Whether no flagged host is missing any more."""
        return all(host.is_back for host in self.hosts)

    @functools.cached_property
    def asked_for_twice(self) -> frozenset[str]:
        """The ids of the instances with more than one evacuation that is not over by its record."""
        count = collections.Counter(r.instance for host in self.hosts for r in host.evacuations if r.in_flight)
        return frozenset(instance for instance, number in count.items() if number > 1)


def unfinished(records: Collection[Migration]) -> list[Migration]:
    """The records in flight of instances that no later record says to have arrived."""
    done = {record.instance: record.id for record in records if record.status in FINISHED}
    return [record for record in records if record.in_flight and record.id > done.get(record.instance, 0)]


def by_instance(records: Iterable[Migration]) -> dict[str, list[Migration]]:
    """Migrations as ``{instance id: its records, in their order}``."""
    found: dict[str, list[Migration]] = {}
    for record in records:
        found.setdefault(record.instance, []).append(record)
    return found
