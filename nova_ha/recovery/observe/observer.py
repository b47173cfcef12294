# SPDX-License-Identifier: Apache-2.0
"""Reads the world into snapshots: whole ones, and cheap ones that show whether a whole one is worth while."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from typing import Generic, Protocol, TypeVar

from nova_ha.cloud.errors import CloudError, Misconfigured
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import disabled_reason, evacuable_tag, flag, hostnames, instance_states, restore_moves, restore_tags
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.snapshot import (
    FINISHED,
    Host,
    Instance,
    Migration,
    Requests,
    Service,
    Services,
    World,
    by_instance,
    unfinished,
    unread,
)
from nova_ha.policy import reserved_hosts
from nova_ha.recovery.observe.parallel import Answer, Argument

# Seconds after which everything is read again, however quiet it is: an operator may have changed a service.
GLANCE_AGE = 10.0

# Seconds for which what flavors, images and aggregates say is held to be known.
SETTINGS_AGE = 60.0
# And for which it is left at that that Glance has never told which images select instances.
SELECTION_AGE = 10.0

# Seconds for which what was asked for an instance is held to be known.
REQUESTS_AGE = 10.0

# Seconds that an instance may be gone from its host while its evacuation is in flight, before we ask where it is: most
# arrive within that time. And seconds after which the answer is asked for again.
ABSENCE = 5.0
WHEREABOUTS_AGE = 10.0

_UNREADABLE = Problem(
    Code.CELL_AWAY,
    "Nova can read nothing of this host: the database of its cell does not answer. Its recovery waits for that; the"
    " hosts of other cells do not",
)

_SECOND = (
    "Nova has the same host for it as for {first}, which is flagged, too, and is seen to first. If the cluster has the"
    " host as {first} now, delete the entry that is left over"
)

# What nova-compute may drive whose guests Nova cannot evacuate, by the type of hypervisor: the drivers without the
# capability supports_evacuate in Nova's nova/virt. An evacuation is accepted, and sets the instance to error.
_NOT_EVACUATED = {"ironic": "bare metal (ironic)", "VMware vCenter Server": "a vCenter"}
_REFUSED = (
    "its nova-compute drives {}, which Nova cannot evacuate: nothing of it is evacuated. Once nova-compute runs again,"
    " set the flag to no: then the service is put back"
)

# Seconds after which lists of instances of the whole cloud are read again while no host is dead or comes back: hosts
# may be off for weeks.
QUIET_AGE = 600.0

_Value = TypeVar("_Value")

# Instances in error, each with for how many seconds they have been seen so.
_Broken = tuple[tuple[Instance, float], ...]


class Cloud(Protocol):
    """What an observer reads; see ``reader.NovaReader``."""

    def services(self) -> Services: ...
    def aggregates(self) -> Mapping[str, frozenset[str]]: ...
    def instances(self, host: str) -> tuple[Instance, ...]: ...
    def instance(self, id: str) -> Instance | None: ...
    def restoring(self) -> tuple[Instance, ...]: ...
    def in_error(self) -> tuple[Instance, ...]: ...
    def migrations(self, host: str) -> tuple[Migration, ...]: ...
    def evacuation_requests(self, instance: str) -> Requests: ...
    def claims(self, instance: str) -> frozenset[str]: ...
    def live_migrations(self, host: str) -> tuple[Migration, ...]: ...
    def resizes(self, host: str) -> tuple[Migration, ...]: ...
    def hypervisor_type(self, host: str, node: str) -> str | None: ...
    def selection(self, tag: str) -> Selection: ...


class Each(Protocol):
    """As ``map``: calls a function with each of some arguments, side by side if it can (``parallel``)."""

    def __call__(
        self, function: Callable[[Argument], Answer], arguments: Iterable[Argument], /
    ) -> Iterable[Answer]: ...


@dataclasses.dataclass(frozen=True)
class _Read(Generic[_Value]):
    """What was read, and when (monotonic seconds)."""

    value: _Value
    at: float


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
        self._aggregates_matter = aggregates_matter
        self._tag = tag
        self._domain = domain
        self._clock = clock
        self._world: World | None = None
        self._read_at = 0.0
        self._aggregates: _Read[Mapping[str, frozenset[str]]] | None = None  # kept for SETTINGS_AGE
        self._selections: dict[str, _Read[Selection]] = {}  # likewise, by tag
        self._images: dict[str, frozenset[str]] = {}  # tag -> the images that select by it, as Glance named them last
        # host -> the flag under which it was seen to have no unfinished live migration
        self._unmoved: dict[str, str] = {}
        self._flagged: dict[str, tuple[str, float]] = {}  # host -> (its flag, since when)
        self._unread: dict[str, float] = {}  # host -> since when Nova has not been able to read its service
        self._reported: dict[str, float] = {}  # recovered host -> since when it has reported
        # recovered host of which nothing is left to be done -> see ``_aftermath``
        self._well: dict[str, _Read[tuple[tuple[Migration, ...], tuple[Migration, ...], _Broken]]] = {}
        self._requests: dict[str, Requests] = {}  # instance id -> what was asked for it
        # host -> since when the cluster's records prove that its nova-compute does not run
        self._stopped: dict[str, float] = {}
        # recovered host -> its service's last report when we first saw it recovered
        self._first_report: dict[str, str | None] = {}
        self._hypervisors: dict[str, str | None] = {}  # host -> what its nova-compute drives, None if that is not known
        self._tagged = True  # whether there may be instances whose state is to be restored
        # (instance id, task state) -> since when it is in error so
        self._first_broken: dict[tuple[str, str | None], float] = {}
        self._broken_now: dict[tuple[str, str | None], float] = {}  # the same, as far as this look has come
        self._absent: dict[int, float] = {}  # id of a record in flight -> since when its instance is gone from the host
        self._lists: dict[str, _Read[tuple[Instance, ...]]] = {}  # by name; what is kept for QUIET_AGE
        self._whereabouts: dict[str, _Read[Instance | None]] = {}  # by the instance's id

    def reconfigure(self, domain: str | None, aggregates_matter: bool, tag: str) -> None:
        """Go by other settings from the next look on; see the class."""
        self._domain = domain
        self._aggregates_matter = aggregates_matter
        self._tag = tag

    def services(self) -> Services:
        """All nova-compute services.

        :raises nova.CloudError: they cannot be read
        """
        return self._cloud.services()

    def aggregates(self, services: Mapping[str, Service]) -> Mapping[str, frozenset[str]]:
        """The hosts of each aggregate, by its name, if they matter; read anew when that is old.

        :raises nova.CloudError: they cannot be read
        """
        if not self._aggregates_matter and not any(map(reserved_hosts.is_reserved, services.values())):
            return {}
        self._aggregates = self._kept(self._aggregates, self._cloud.aggregates)
        return self._aggregates.value

    def nova_names(self, hosts: Iterable[str], services: Mapping[str, Service]) -> dict[str, str]:
        """Nova's names of some of the cluster's hosts, as ``{cluster's name: Nova's name}``.

        Without those that Nova does not know, or can read nothing of.
        """
        return self._names(hosts, services, services)

    def unread_names(self, hosts: Iterable[str], services: Mapping[str, Service]) -> dict[str, str]:
        """The same of those hosts of which Nova can read nothing just now."""
        return self._names(hosts, services, unread(services))

    def _names(self, hosts: Iterable[str], services: Mapping[str, Service], wanted: Collection[str]) -> dict[str, str]:
        found = {}
        for host in hosts:
            try:
                name = self._resolve(host, services)
            except hostnames.AmbiguousName:
                continue
            if name is not None and name in wanted:
                found[host] = name
        return found

    def _resolve(self, host: str, services: Mapping[str, Service]) -> str | None:
        """Nova's name of a host, whether Nova can read its service or not, or None."""
        return hostnames.resolve(host, [*services, *unread(services)], self._domain)

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
        self._note_flags(flags)
        self._broken_now = {}
        # A failed rack has many, of which each takes a few requests.
        flagged = {**flags, **others}
        names = self.nova_names(flagged, services)
        seconds = _second_flags(flagged, names)

        def read(name: str) -> Host:
            if name in seconds:
                reason = _SECOND.format(first=seconds[name])
                return Host(name, flags[name], problem=Problem(Code.SECOND_FLAG, reason, flag.removal(name)))
            return self._host(name, flags[name], services, name in inherited)

        hosts = tuple(self._each(read, sorted(flags)))
        self._first_broken = self._broken_now
        self._drop_old(hosts)
        is_quiet = bool(hosts) and not any(map(flag.is_dead, others.values())) and all(map(_is_off, hosts))
        fenced = [host.service for host in hosts if host.service and flag.is_dead(host.flag)]
        fenced += [services[names[host]] for host in others if host in names]
        instances = [instance for host in hosts for instance in host.instances]
        self._world = World(
            hosts,
            services,
            aggregates=self.aggregates(services),
            restoring=self._restoring(hosts, instances, services, is_quiet),
            selection=self._selection() if instances else None,
            dead=frozenset(service.host for service in fenced if service.forced_down),
            contested=any(map(flag.claimant, others.values())),
            late=self._late(flagged, names, is_quiet),
            unflagged=frozenset(s.host for s in services.values() if disabled_reason.is_marked(s))
            - set(names.values()),
        )
        self._read_at = self._clock()
        return self._world

    def with_requests(self, world: World, instances: Collection[str]) -> World:
        """The world, with what was asked for some of its hosts' instances, by their ids; not older than a few seconds.

        What Nova does not tell just now is left out: that instance waits, and no other.

        :raises nova.Misconfigured: an operator has to see to it that the user may read it
        """
        now = self._clock()
        known = self._requests.items()
        fresh = {i: each for i, each in known if i in instances and now - each.read_at < REQUESTS_AGE}
        old = [i for i in instances if i not in fresh]
        read = zip(old, self._each(self._read_requests, old))
        self._requests = {**fresh, **{i: each for i, each in read if each is not None}}
        hosts = (
            dataclasses.replace(
                host, requests={i.id: self._requests[i.id] for i in host.instances if i.id in self._requests}
            )
            for host in world.hosts
        )
        return dataclasses.replace(world, hosts=tuple(hosts))

    def _read_requests(self, instance: str) -> Requests | None:
        read_at = self._clock()
        try:
            found = dataclasses.replace(self._cloud.evacuation_requests(instance), read_at=read_at)
        except Misconfigured:
            raise
        except CloudError:
            return None  # it was deleted a moment ago, say, or its cell is away
        if not found.is_claimed:
            return found
        try:
            return dataclasses.replace(found, claims=self._cloud.claims(instance))
        except CloudError:
            return found  # Placement is away, or not ours to ask: then it is waited for longer

    def with_cluster(self, world: World, cluster: Cluster) -> World:
        """The world, with what the cluster says of its hosts; of those that are held back, whether they are stopped.

        :raises cluster.ClusterError: Pacemaker does not answer
        """
        online = cluster.online()
        others = self._other_names(world, online)
        held = [host.name for host in world.hosts if host.flag == flag.RESTART]
        # What the cluster has of a former name tells nothing of what runs under the one that it has the host by now.
        stopped = (cluster.stopped(held) if held else set()) - others.keys()
        now = self._clock()
        self._stopped = {host: self._stopped.get(host, now) for host in held if host in stopped}
        stopped_for = {host: now - since for host, since in self._stopped.items()}
        return world.with_cluster(online, stopped_for, others, cluster.attribute)

    def _other_names(self, world: World, online: Collection[str]) -> dict[str, str]:
        """Under what other names the cluster reaches hosts, that it has by their flags' names no more.

        :return: ``{flag's name: the cluster's name}``
        """
        away = {host.service.host: host.name for host in world.hosts if host.service and host.name not in online}
        labels = set(map(hostnames.label, away))
        alike = [node for node in online if hostnames.label(node) in labels]
        return {away[name]: node for node, name in self.nova_names(alike, world.services).items() if name in away}

    def glance(self, flags: Mapping[str, str]) -> World | None:
        """The last snapshot with nothing but the evacuations read anew, or None if that is not enough to go by.

        One request a host instead of one for each page of its instances. It may only be used to find that there is
        nothing to do: whoever would act on it must ``look`` first.
        """
        if self._world is None or self._clock() - self._read_at > GLANCE_AGE or self._tagged:
            return None
        if any(host.problem is not None for host in self._world.hosts):
            return None
        if {host.name: host.flag for host in self._world.hosts} != flags or flag.OVER & set(flags.values()):
            return None
        if not self._world.candidates or not all(host.instances for host in self._world.hosts):
            return None
        try:
            return dataclasses.replace(self._world, hosts=tuple(self._each(self._with_new_records, self._world.hosts)))
        except CloudError:
            return None  # one cell may be away: a look tells which hosts that concerns

    def _selection(self) -> Selection:
        """What selects instances; while Glance does not answer, the images that it named last."""
        tag = self._tag
        age = SETTINGS_AGE if tag in self._images else SELECTION_AGE
        kept = self._kept(self._selections.get(tag), lambda: self._cloud.selection(tag), age)
        self._selections[tag], found = kept, kept.value
        if found.images is not None:
            self._images[tag] = found.images
        return dataclasses.replace(found, images=self._images.get(tag))

    def _kept(
        self, known: _Read[_Value] | None, read: Callable[[], _Value], age: float = SETTINGS_AGE
    ) -> _Read[_Value]:
        """What is known, read anew when that is old."""
        if known is not None and self._clock() - known.at <= age:
            return known
        return _Read(read(), self._clock())

    # What is below may run for several hosts at once: it remembers nothing but under the name of a host or an id.

    def _host(self, name: str, value: str, services: Mapping[str, Service], inherited: bool) -> Host:
        try:
            known_as = self._resolve(name, services)
        except hostnames.AmbiguousName as error:
            return Host(name, value, problem=Problem(Code.AMBIGUOUS_HOST, str(error)))
        if known_as in unread(services):
            return self._unreadable(name, value)
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
        if not service.forced_down:
            # The first thing to do is to force it down: nothing else need be known for that.
            return found
        evacuations, arrivals = self._records(service.host)
        instances = self._cloud.instances(service.host)
        kind = self._hypervisor_type(service.host, instances)
        if kind in _NOT_EVACUATED:
            reason = _REFUSED.format(_NOT_EVACUATED[kind])
            return dataclasses.replace(found, problem=Problem(Code.UNSUPPORTED_HYPERVISOR, reason))
        moving = any(instance.task_state in instance_states.MIGRATING for instance in instances)
        resized = any(
            instance.vm_state == "resized" or instance_states.is_found_there(instance) for instance in instances
        )
        found = dataclasses.replace(
            found,
            evacuations=evacuations,
            arrivals=arrivals,
            instances=instances,
            live_migrations=self._live_migrations(found, service.host, moving),
            resizes=self._cloud.resizes(service.host) if resized else (),
        )
        present = {instance.id for instance in instances}
        found = dataclasses.replace(found, broken=self._broken(_asked_for_twice(evacuations, present)))
        return self._with_whereabouts(found, [r for r in unfinished(evacuations) if r.instance not in present])

    def _hypervisor_type(self, host: str, instances: Iterable[Instance]) -> str | None:
        """What a host's nova-compute drives, asked for once a host; None where Nova does not say, for any reason."""
        node = next((instance.node for instance in instances if instance.node is not None), None)
        if host not in self._hypervisors and node is not None:
            try:
                self._hypervisors[host] = self._cloud.hypervisor_type(host, node)
            except CloudError:
                self._hypervisors[host] = None
        return self._hypervisors.get(host)

    def _unreadable(self, name: str, value: str) -> Host:
        """A host of which Nova can read nothing just now: what was last seen of it under the same flag.

        Nothing is done about it. But what has been asked for its instances must not be forgotten.
        """
        former = next((host for host in self._world.hosts if host.name == name), None) if self._world else None
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
        instance = self._where(record.instance)
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

    def _aftermath(self, host: str, known_as: str) -> tuple[tuple[Migration, ...], tuple[Migration, ...], _Broken]:
        """The records of a host that is back, and what its late requests broke; all well, it is not read again soon.

        :param known_as: Nova's name of it
        :return: those of the evacuations away from it, those of the evacuations to it, and that
        """
        known = self._well.get(host)
        if known is not None and self._clock() - known.at < GLANCE_AGE:
            return known.value
        evacuations, arrivals = self._records(known_as)
        under_way = {record.instance for record in unfinished(evacuations)}
        broken = self._broken([r for r in evacuations + arrivals if r.instance not in under_way])
        if not broken and not any(record.in_flight or record.status == "done" for record in evacuations):
            self._well[host] = _Read((evacuations, arrivals, broken), self._clock())
        return evacuations, arrivals, broken

    def _late(self, flagged: Mapping[str, str], names: Mapping[str, str], is_quiet: bool) -> frozenset[str]:
        """The ids of the instances that a late request has left in error, but for those on hosts that are dead.

        Of interest to a host that may have taken requests for them, too: there is none if no other host is flagged. A
        late request is one of a host that comes back.
        """
        if len(flagged) < 2:
            return frozenset()
        dead = {names[host] for host, value in flagged.items() if host in names and flag.is_dead(value)}
        known = self._listed("late", self._late_in_error, lambda late: is_quiet and not late)
        return frozenset(each.id for each in known if each.host not in dead)

    def _late_in_error(self) -> tuple[Instance, ...]:
        return tuple(each for each in self._cloud.in_error() if each.task_state in instance_states.LATE)

    def _listed(
        self,
        name: str,
        read: Callable[[], tuple[Instance, ...]],
        may_be_kept: Callable[[tuple[Instance, ...]], bool],
    ) -> tuple[Instance, ...]:
        """What a list of the whole cloud says, read anew when it is old, or whenever what is known may not be kept."""
        known = self._lists.get(name)
        if known is None or self._clock() - known.at >= QUIET_AGE or not may_be_kept(known.value):
            known = self._lists[name] = _Read(read(), self._clock())
        return known.value

    def _drop_old(self, hosts: Collection[Host]) -> None:
        """Forget what is of no use any more: some hosts may be off for weeks."""
        now = self._clock()
        present = {record.id for host in hosts for record in host.evacuations}
        self._absent = {id: since for id, since in self._absent.items() if id in present}
        known = self._whereabouts.items()
        self._whereabouts = {id: where for id, where in known if now - where.at <= WHEREABOUTS_AGE}
        flags = {host.name: host.flag for host in hosts}
        self._unmoved = {name: value for name, value in self._unmoved.items() if flags.get(name) == value}

    def _broken(self, records: Collection[Migration]) -> _Broken:
        """The instances of some records that late requests have set to error; each with for how long it has been so."""
        if not records:
            return ()
        now = self._clock()
        touched = {record.instance for record in records}
        arrived = {(record.instance, record.destination) for record in records if record.status in FINISHED}
        found = [
            instance
            for instance in self._cloud.in_error()
            if instance.id in touched
            and (
                instance.task_state in instance_states.LATE
                or instance_states.is_refused_late(instance, arrived)
                or instance_states.is_broken_on_arrival(instance, arrived)
            )
        ]
        for instance in found:
            key = (instance.id, instance.task_state)
            self._broken_now[key] = self._first_broken.get(key, now)
        return tuple((i, now - self._broken_now[i.id, i.task_state]) for i in found)

    def _note_flags(self, flags: Mapping[str, str]) -> None:
        """Remember since when each flag is what it is; forget reports of hosts that are not recovered (any more)."""
        now = self._clock()
        former = self._flagged
        self._flagged = {
            host: former[host] if former.get(host, (None, now))[0] == value else (value, now)
            for host, value in flags.items()
        }
        recovered = {host for host, value in flags.items() if value == flag.RECOVERED}
        self._first_report = {host: first for host, first in self._first_report.items() if host in recovered}
        self._reported = {host: since for host, since in self._reported.items() if host in recovered}
        self._well = {host: known for host, known in self._well.items() if host in recovered}
        self._unread = {host: since for host, since in self._unread.items() if host in flags}

    def _records(self, host: str) -> tuple[tuple[Migration, ...], tuple[Migration, ...]]:
        """The records of the evacuations away from a host, and of those to it."""
        records = self._cloud.migrations(host)
        return (
            tuple(record for record in records if record.source == host),
            tuple(record for record in records if record.destination == host),
        )

    def _with_whereabouts(self, host: Host, records: Iterable[Migration]) -> Host:
        """The host with where the instances of some records are, if they have been away for a while."""
        now = self._clock()
        found = {}
        for record in records:
            if now - self._absent.setdefault(record.id, now) >= ABSENCE:
                found[record.instance] = self._where(record.instance)
        return dataclasses.replace(host, whereabouts=found)

    def _where(self, instance: str) -> Instance | None:
        known = self._kept(self._whereabouts.get(instance), lambda: self._cloud.instance(instance), WHEREABOUTS_AGE)
        self._whereabouts[instance] = known
        return known.value

    def _restoring(
        self,
        hosts: Iterable[Host],
        instances: Iterable[Instance],
        services: Mapping[str, Service],
        is_quiet: bool,
    ) -> tuple[Instance, ...]:
        """Every instance whose former state is to be restored; asked for only as long as there may be any.

        And before a host's flag goes: another engine may have tagged one. As long as nothing is to be done about any
        of them, and no host is dead or comes back, they are asked for now and then.
        """
        self._tagged = self._tagged or any(host.reported_for is not None for host in hosts)
        self._tagged = self._tagged or any(restore_tags.wanted(i) or restore_tags.reached(i) for i in instances)
        up = {name for name, service in services.items() if service.up}
        found: tuple[Instance, ...] = ()
        if self._tagged:
            found = self._listed(
                "restoring",
                self._cloud.restoring,
                lambda tagged: is_quiet and all(each.host not in up or restore_moves.rests(each) for each in tagged),
            )
        # Nova's list leaves out the instances of a cell that is away.
        self._tagged = bool(found) or (self._tagged and bool(unread(services)))
        return found

    def may_find_notes(self) -> bool:
        """Whether, though no host is flagged any more, it is time to look for instances with a note of a former state.

        There may be some whose host did not report when the last flag went, or that Nova did not let be changed then.
        """
        return self._tagged and (self._world is None or self._clock() - self._read_at > SETTINGS_AGE)

    def forget(self) -> None:
        """There is no flag any more: nothing that was seen is of use for the next one."""
        self._absent.clear()
        self._hypervisors.clear()
        self._lists.clear()
        self._unmoved.clear()
        self._whereabouts.clear()

    def _with_new_records(self, host: Host) -> Host:
        """The host with the records as they are now, less the instances that these say have left it."""
        if host.service is None:
            return host
        evacuations, arrivals = self._records(host.service.host)
        newest = {record.instance: record.status for record in evacuations}
        staying = tuple(instance for instance in host.instances if newest.get(instance.id) not in FINISHED)
        flagged_for = self._clock() - self._flagged[host.name][1]
        return dataclasses.replace(
            host, flagged_for=flagged_for, instances=staying, evacuations=evacuations, arrivals=arrivals
        )


def _two_records(service: Service) -> Problem:
    reason = (
        f"Nova has two nova-compute services of {service.host}, {service.id} and {service.twin}, as after a move to"
        " another cell: which of them has its instances cannot be told. Delete the one that is left over (openstack"
        " compute service delete ID): then its recovery goes on"
    )
    command = f"openstack compute service list --service nova-compute --host {service.host}"
    return Problem(Code.TWO_SERVICES, reason, command)


def _second_flags(flags: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
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


def _is_off(host: Host) -> bool:
    """Whether a host is recovered, and does not come back just now."""
    reports = host.reported_for is not None or (host.service is not None and host.service.up)
    return host.flag == flag.RECOVERED and not reports


def _asked_for_twice(evacuations: Iterable[Migration], present: Collection[str]) -> list[Migration]:
    """The records of the instances that have left a host, and were asked for more than once.

    One of the requests may have failed because of another, and have set the instance to error when it had arrived.
    """
    gone = by_instance(record for record in evacuations if record.instance not in present)
    return list(itertools.chain.from_iterable(records for records in gone.values() if len(records) > 1))
