# SPDX-License-Identifier: Apache-2.0
"""What became of instances that have to do with a flagged host, and are elsewhere: where they are, and which broke."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from nova_ha.model import instance_states
from nova_ha.model.snapshot import FINISHED, Instance, Migration
from nova_ha.recovery.observe.reading import Cloud, Read, kept

# Seconds that an instance may be gone from its host while its evacuation is in flight, before we ask where it is: most
# arrive within that time. And seconds after which the answer is asked for again.
ABSENCE = 5.0
WHEREABOUTS_AGE = 10.0

# Instances in error, each with for how many seconds they have been seen so.
Broken = tuple[tuple[Instance, float], ...]


class Evacuees:
    """Reads that, for several hosts at once: it remembers nothing but under the name or id of what it reads.

    :param clock: monotonic seconds
    """

    def __init__(self, cloud: Cloud, clock: Callable[[], float]) -> None:
        self._cloud = cloud
        self._clock = clock
        # (instance id, task state) -> since when it is in error so
        self._first_broken: dict[tuple[str, str | None], float] = {}
        self._broken_now: dict[tuple[str, str | None], float] = {}  # the same, as far as this look has come
        self._absent: dict[int, float] = {}  # id of a record in flight -> since when its instance is gone from the host
        self._whereabouts: dict[str, Read[Instance | None]] = {}  # by the instance's id

    def look_begins(self) -> None:
        """All hosts are going to be read."""
        self._broken_now = {}

    def look_ends(self, present: Collection[int]) -> None:
        """Forget what is of no use any more: some hosts may be off for weeks.

        :param present: the ids of the records that were read
        """
        now = self._clock()
        self._first_broken = self._broken_now
        self._absent = {id: since for id, since in self._absent.items() if id in present}
        known = self._whereabouts.items()
        self._whereabouts = {id: where for id, where in known if now - where.at <= WHEREABOUTS_AGE}

    def records(self, host: str) -> tuple[tuple[Migration, ...], tuple[Migration, ...]]:
        """The records of the evacuations away from a host, and of those to it."""
        records = self._cloud.migrations(host)
        return (
            tuple(record for record in records if record.source == host),
            tuple(record for record in records if record.destination == host),
        )

    def broken(self, records: Collection[Migration]) -> Broken:
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

    def whereabouts(self, records: Iterable[Migration]) -> dict[str, Instance | None]:
        """Where the instances of some records are, if they have been away for a while."""
        now = self._clock()
        found = {}
        for record in records:
            if now - self._absent.setdefault(record.id, now) >= ABSENCE:
                found[record.instance] = self.where(record.instance)
        return found

    def where(self, instance: str) -> Instance | None:
        known = self._whereabouts.get(instance)
        known = kept(known, lambda: self._cloud.instance(instance), WHEREABOUTS_AGE, self._clock)
        self._whereabouts[instance] = known
        return known.value

    def forget(self) -> None:
        """There is no flag any more."""
        self._absent.clear()
        self._whereabouts.clear()
