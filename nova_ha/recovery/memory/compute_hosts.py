# SPDX-License-Identifier: Apache-2.0
"""What has been seen of each host: whether it is dead, silent or alive, and what may be queued there; pure."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple, Optional

from nova_ha.model.snapshot import Migration, Service
from nova_ha.recovery.memory.timing import LIFE_REPORTS, LIFE_WITHIN

# What a service says of its host's life: whether Nova has it up, and its last report.
Said = tuple[bool, Optional[str]]

_NEVER = float("-inf")


class _Reports(NamedTuple):
    """The last report of a host that is held to be dead, and when it was seen to move the last times."""

    last: str | None
    moves: tuple[float, ...] = ()


class _Begun(NamedTuple):
    """The newest evacuation that a host has begun: when that was first seen, and since when it is seen to be begun."""

    asked_at: float
    since: float


@dataclasses.dataclass
class HostMemory:
    """What has been seen of a host. Kept until nothing is flagged any more: what is queued there may be so for weeks.

    :param dead_since: since when it is held to be dead; None once it is not
    :param reports: what it reports though it is held to be dead; likewise
    :param is_living: whether it is held to be dead, and is proved to live; likewise
    :param down_at: when it was last seen not to report
    :param unheard: what its service said when it was last held to be dead; None once it has reported since
    :param sent: ids of the instances that were seen to be sent there, whatever their records say by now
    :param left: ids of the instances that were to be moved away from it
    :param begun: see ``_Begun``
    """

    dead_since: float | None = None
    reports: _Reports | None = None
    is_living: bool = False
    down_at: float = _NEVER
    unheard: Said | None = None
    sent: set[str] = dataclasses.field(default_factory=set)
    left: set[str] = dataclasses.field(default_factory=set)
    begun: _Begun | None = None


_UNKNOWN = HostMemory()


class Hosts:
    """What is known of all of them, by Nova's names.

    :ivar dead: those that are held to be dead
    """

    def __init__(self) -> None:
        self._hosts: dict[str, HostMemory] = collections.defaultdict(HostMemory)
        # Instance id -> its records that have named no destination for long: it may be queued anywhere. Kept likewise.
        self._anywhere: dict[str, set[int]] = {}
        self.dead: frozenset[str] = frozenset()
        self._newest_death = _NEVER

    def of(self, name: str | None) -> HostMemory:
        """What is known of a host; only to be read."""
        return self._hosts.get(name or "", _UNKNOWN)

    # Life

    def sees_services(self, services: Mapping[str, Service], now: float) -> None:
        """Learn which hosts report.

        :param services: by Nova's names of their hosts
        """
        for name, service in services.items():
            if not service.up:
                self._hosts[name].down_at = now
        for name, known in self._hosts.items():
            found = services.get(name)
            if found is not None:
                _see_unheard(known, found)
            _see_living(known, found, now)

    def sees_dead(self, dead: Set[str], now: float) -> None:
        """Remember since when hosts are held to be dead."""
        if dead == self.dead:
            return
        for name in self.dead - dead:
            self._hosts[name].dead_since = None
        for name in dead - self.dead:
            self._hosts[name].dead_since = now
        self.dead = frozenset(dead)
        self._newest_death = max((self._hosts[name].dead_since or 0.0 for name in dead), default=_NEVER)

    def has_died_since(self, moment: float) -> bool:
        """Whether one that is held to be dead has died after a moment."""
        return self._newest_death > moment

    def is_flagged_anew(self, host: str) -> None:
        """A host was fenced, whatever was seen of it before: it is dead, until the contrary shows."""
        self._hosts[host].reports, self._hosts[host].is_living = None, False

    @property
    def living(self) -> frozenset[str]:
        """Those that are flagged, and live: their nova-compute goes on reporting."""
        return frozenset(name for name, known in self._hosts.items() if known.is_living)

    @property
    def unheard(self) -> frozenset[str]:
        """Those that were held to be dead, and have not reported since they are not."""
        return frozenset(name for name, known in self._hosts.items() if known.unheard is not None)

    # Queues

    def sees_sent(self, instance: str, host: str) -> None:
        """An instance id was sent to a host, or may have been."""
        self._hosts[host].sent.add(instance)

    def sees_left(self, instance: str, host: str) -> None:
        """An instance id was to be moved away from a host."""
        self._hosts[host].left.add(instance)

    def sees_begun(self, host: str, asked_at: float, now: float) -> None:
        """A host has begun an evacuation, which was first seen at ``asked_at``."""
        before = self._hosts[host].begun
        if before is None or asked_at > before.asked_at:
            self._hosts[host].begun = _Begun(asked_at, now)

    def sees_waiting(self, record: Migration) -> None:
        """An evacuation has named no destination for long."""
        self._anywhere.setdefault(record.instance, set()).add(record.id)

    def forgets_waiting(self, instance: str) -> None:
        """Where what was asked for an instance id may be queued is told after all."""
        self._anywhere.pop(instance, None)

    def forgets_destined(self, records: Mapping[str, Iterable[Migration]]) -> None:
        """Learn that nothing is waited for any more of which no record is in flight without a destination.

        :param records: ``{instance id: all records of its evacuations away from a host}``
        """
        for instance in self._anywhere.keys() & records.keys():
            if not any(record.in_flight and record.destination is None for record in records[instance]):
                del self._anywhere[instance]

    def may_be_queued(self, instance: str, host: str) -> bool:
        """Whether an evacuation of an instance id may be queued at a host, if that died before it took it up."""
        return instance in self.of(host).sent or instance in self._anywhere

    def may_have_the_same(self, host: str, other: str) -> bool:
        """Whether requests for one instance may be queued at both hosts: evacuations, or an owner's request."""
        # Asked of each two hosts of a failed rack: it must not cost a look at each instance.
        anywhere, one, two = self._anywhere.keys(), self.of(host), self.of(other)
        if not one.sent.isdisjoint(two.sent) or not (anywhere.isdisjoint(one.sent) and anywhere.isdisjoint(two.sent)):
            return True
        if not one.left.isdisjoint(two.sent) or not two.left.isdisjoint(one.sent):
            return True
        if not (anywhere.isdisjoint(one.left) and anywhere.isdisjoint(two.left)):
            return True
        return any(len(records) > 1 for records in self._anywhere.values())

    def forget(self) -> None:
        """Nothing is flagged any more."""
        self._hosts.clear()
        self._anywhere.clear()
        self.dead, self._newest_death = frozenset(), _NEVER


def _see_unheard(known: HostMemory, service: Service) -> None:
    """Learn whether a host that was dead has reported since: what is queued there it takes up before that."""
    said = service.up, service.last_report
    if known.dead_since is None:
        known.unheard = said if known.unheard == said else None
    elif not known.is_living:
        known.unheard = said


def _see_living(known: HostMemory, service: Service | None, now: float) -> None:
    """Learn whether a host that is held to be dead goes on reporting."""
    if known.dead_since is None:
        known.is_living = False
    if known.dead_since is None or service is None:
        known.reports = None
        return
    report = service.last_report
    before = known.reports or _Reports(report)
    moves = (*before.moves, now)[-LIFE_REPORTS:] if report != before.last else before.moves
    known.reports = _Reports(report, moves)
    if len(moves) == LIFE_REPORTS and moves[-1] - moves[0] <= LIFE_WITHIN:
        known.is_living = True
