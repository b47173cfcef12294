# SPDX-License-Identifier: Apache-2.0
"""What this engine has seen of Nova over time, and what follows from it about requests whose end no record tells: pure.

Nova's records of evacuations are no sure account: one is taken over by a later request, another is left behind for
ever, and one whose request was lost says the same as one that waits for its turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence, Set

from nova_ha.model.evacuate_request import Request, Requests
from nova_ha.model.request import ACCEPTED
from nova_ha.model.snapshot import FINISHED, Host, Instance, Migration
from nova_ha.recovery.memory.compute_hosts import Hosts
from nova_ha.recovery.memory.compute_restarts import Restarts
from nova_ha.recovery.memory.control_plane import ControlPlane
from nova_ha.recovery.memory.evidence import Evidence, Fate
from nova_ha.recovery.memory.flags import Flags
from nova_ha.recovery.memory.instance_memory import InstanceMemory, Lost, Said, failed_on_host
from nova_ha.recovery.memory.timing import SETTLE

# What a record says once its destination has begun with it.
BEGUN = FINISHED | {"pre-migrating", "failed"}

_NEW = InstanceMemory()


@dataclasses.dataclass
class RecordMemory:
    """What has been seen of a record of Nova's, of an evacuation or a live migration.

    Kept as long as a host that is this engine's names it: an instance that finds no room has more of them each time.

    :param says: what it says
    :param since: since when it is seen to say that
    :param seen_at: when it was first seen
    :param died: what it said when its destination was seen to die in the middle of it
    """

    says: Said
    since: float
    seen_at: float
    died: set[Said] = dataclasses.field(default_factory=set)


class Sightings:
    """How long records have said what they say, and where instances were sent.

    :ivar control_plane: what has been seen of it
    :ivar hosts: what has been seen of each host
    :ivar restarts: which evacuations a new start of nova-compute has cut off
    :ivar flags: what is remembered of flagged hosts as a whole
    """

    def __init__(self) -> None:
        self.control_plane = ControlPlane()
        self.hosts = Hosts()
        self.restarts = Restarts()
        self._evidence = Evidence(self.control_plane)
        self._records: dict[int, RecordMemory] = {}  # by their ids
        self._instances: dict[str, InstanceMemory] = {}  # by their ids, and those of services
        self.flags = Flags()

    def _of(self, instance: str) -> InstanceMemory:
        """What is known of an instance id; only to be read."""
        return self._instances.get(instance, _NEW)

    def _memory_of(self, instance: str) -> InstanceMemory:
        """The same, to learn more."""
        known = self._instances.get(instance)
        if known is None:
            known = self._instances[instance] = InstanceMemory()
        return known

    # What is seen

    def sees_record(self, record: Migration, now: float, dead: Set[str] = frozenset()) -> None:
        """Remember since when a record says what it says, and how far its destination has come with its requests.

        :param dead: Nova's names of the hosts that are proved dead
        """
        says, known = _says(record), self._records.get(record.id)
        before = known.says if known is not None else None
        if known is None:
            known = self._records[record.id] = RecordMemory(says, now, now)
        elif says != before:
            known.says, known.since = says, now
        destination = record.destination
        self.hosts.sees_left(record.instance, record.source)
        if record.in_flight and destination is not None:
            self.hosts.sees_sent(record.instance, destination)
        elif record.in_flight and now - known.since >= SETTLE and not self.is_stray(record):
            self.hosts.sees_waiting(record)
        is_begun = destination is not None and record.status in BEGUN
        if destination is not None and is_begun:
            self.hosts.sees_begun(destination, known.seen_at, now)
        if record.status == "error" or is_begun:
            self._evidence.sees_scheduled(record, now)
            if record.created and (before is None or before[1] == "accepted"):
                self.control_plane.sees_time_to_schedule(record.created, was_seen=before is not None)
        if record.in_flight and record.status != "accepted" and destination in dead:
            known.died.add(says)

    def sees_records(self, host: Host, now: float, dead: Set[str] = frozenset()) -> None:
        """Learn from all records of a host that have been read; see ``sees_record``."""
        records = (*host.evacuations, *host.live_migrations)
        for record in records:
            self.sees_record(record, now, dead)
        if records:
            self.flags.sees_records(host.name, (record.id for record in records))

    def is_unclear(self, instance: Instance, records: Collection[Migration], now: float) -> bool:
        """Whether what was asked for an instance is to be read, because its records of evacuations do not tell.

        They do while one is young, or has been begun; unless a host has died since that may have it queued, or the
        instance is in error, or one has taken over the record of another: then that it was scheduled tells of others.
        They do not tell why a host has failed, once others have found no host.
        """
        known = self._of(instance.id)
        unexplained = known.unexplained(instance, records)
        if unexplained is not None and unexplained not in self.hosts.dead:
            return True
        in_error = known.idle_for(now) > 0.0
        flights = [record for record in records if record.in_flight]
        accepted = [record for record in flights if record.status == "accepted"]
        if in_error or not accepted:
            return in_error and bool(flights)
        if len(accepted) < len(flights):
            return True
        return any(self.age(record, now) >= SETTLE or self._may_have_died(record) for record in accepted)

    def _may_have_died(self, record: Migration) -> bool:
        known = self._records.get(record.id)
        died_since = known is not None and self.hosts.has_died_since(known.seen_at)
        return record.destination in self.hosts.dead or died_since

    def sees_requests(
        self,
        instance: Instance,
        known: Requests,
        records: Sequence[Migration],
        dead: frozenset[str],
        unheard: frozenset[str],
        now: float,
    ) -> None:
        """Learn from the requests for an instance what its records in flight are worth.

        :param dead: Nova's names of the hosts that are dead
        :param unheard: of those that were, and have not reported since
        """
        memory = self._memory_of(instance.id)
        failed = failed_on_host(records)
        if failed and known.read_at >= self._records[failed[-1].id].seen_at:
            memory.sees_failure(known, failed[-1])
        memory.lost = None
        memory.requests = frozenset(request.id for request in known.all)
        flights = [record for record in records if record.in_flight]
        asked_at = float("-inf") if memory.asked_at is None else memory.asked_at
        if known.read_at <= asked_at or any(known.read_at < self._records[record.id].seen_at for record in flights):
            return  # one has come since that was read
        here = max((record.created or "" for record in flights), default="")  # it was, when that was made
        if known.read_at >= now and any(request.has_arrived_elsewhere(instance.host, here) for request in known.all):
            return  # it has gone there since it was read itself
        # What Nova has accepted is on the bus: it is not lost because a later one has come by another conductor.
        accepted = memory.attempt is not None and memory.attempt.outcome == ACCEPTED
        may_come = memory.asked_at is None or memory.hangs or accepted
        fates = self._evidence.fates(known, instance.host, dead, now, may_come, unheard)
        for fate in fates:
            for host in fate.queued_at:
                self.hosts.sees_sent(instance.id, host)
        if not any(fate.untold for fate in fates):
            self.hosts.forgets_waiting(instance.id)
        # Nobody goes on with what was asked for before that.
        given_up = known.reset if known.reset and memory.idle_for(now) >= SETTLE else ""
        if not any(fate.open and request.at >= given_up for request, fate in zip(known.all, fates)):
            memory.lost = self._lost(known, flights, fates, dead, given_up)

    def _lost(
        self, known: Requests, flights: Sequence[Migration], fates: Sequence[Fate], dead: Set[str], given_up: str
    ) -> Lost | None:
        """What is lost of the requests for an instance, none of which is open; None if that cannot be told.

        :param given_up: when an operator, who has looked, has given up what was asked for before; "" for never
        """
        if not known.all or any(record.created and record.created < known.all[0].at for record in flights):
            return None  # what was asked for first is not on record any more
        going_on = [each for each in flights if each.status != "accepted" and not self.ended_with_its_host(each)]
        begun = {each.destination or "" for each in going_on} - dead
        if not begun <= {request.compute.host for request in known.all if request.compute is not None}:
            return None  # begun with since that was read
        asked = [(request.at, fate.lost_at) for request, fate in zip(known.all, fates) if fate.lost_at is not None]
        hosts, ended = begun | {host for _, host in asked}, []
        if given_up and len(hosts) > 1:
            # On no one host would the next request find what is left of each: his word counts.
            ended = [each for each in going_on if self._is_given_up(each, given_up)]
            hosts = {each.destination or "" for each in going_on if each not in ended} - dead
            hosts |= {host for asked_at, host in asked if asked_at >= given_up}
        # Of those with which surely nobody has begun, or has left anything, the records are strays.
        records_then = flights if hosts else [*(each for each in flights if each.status == "accepted"), *ended]
        return Lost(frozenset(hosts), frozenset(map(_says, records_then)))

    def _is_given_up(self, record: Migration, given_up: str) -> bool:
        """Whether an operator's word is about an evacuation that had begun: not while that nova-compute still runs."""
        return record.created is not None and record.created < given_up and not self.restarts.still_runs(record)

    # What follows

    def lost_at(self, instance: str, flights: Iterable[Migration], now: float) -> frozenset[str]:
        """Nova's names of the hosts that may have begun with a request for an instance id that is lost else.

        None of them if its records in flight have moved since that was found; nor while one of the hosts was silent
        a moment ago: it takes up what waits for it.
        """
        lost = self._of(instance).lost
        if lost is None or not lost.records.issuperset(map(_says, flights)):
            return frozenset()
        return lost.hosts if all(now - self.hosts.of(host).down_at >= SETTLE for host in lost.hosts) else frozenset()

    def age(self, record: Migration, now: float) -> float:
        """For how many seconds, as far as we have seen, an evacuation has been in its present status."""
        known = self._records.get(record.id)
        return now - known.since if known is not None and known.says == _says(record) else 0.0

    def is_left_over(self, record: Migration) -> bool:
        """Whether a record says that an evacuation is in flight, and all requests for its instance are over or lost."""
        lost = self._of(record.instance).lost
        return lost is not None and _says(record) in lost.records

    def is_stray(self, record: Migration) -> bool:
        """Whether a record that says that an evacuation is in flight, and not begun, belongs to none.

        A request that fails may leave a record behind (see ``snapshot.Migration``), and one that is lost does. That all
        requests for its instance are over or lost tells.
        """
        lost = self._of(record.instance).lost
        return lost is not None and not lost.hosts and self.is_left_over(record)

    def ended_with_its_host(self, record: Migration) -> bool:
        """Whether its destination died in the middle of it: nobody goes on with it, also when that host is back."""
        known = self._records.get(record.id)
        if known is None or not known.died:
            return False
        return _says(record) in known.died and not self.hosts.of(record.destination).is_living

    def was_passed(self, record: Migration, requests: Iterable[Request], now: float) -> bool:
        """Whether its destination has, for long, worked at one that was asked for after this one was handed to it.

        Two that are on their way to it overtake each other by seconds.

        :param requests: those for its instance that were handed on. One that named its destination has that in its
            record from the start: when it was seen to be handed on, the request tells
        """
        known, begun = self._records.get(record.id), self.hosts.of(record.destination).begun
        if known is None or begun is None:
            return False
        handed_at = max([known.since, *map(self._evidence.handed_on_at, requests)])
        return begun.asked_at > handed_at and now - begun.since >= SETTLE

    def was_down(self, record: Migration) -> bool:
        """Whether its destination has been seen not to report since the record says what it says."""
        known = self._records.get(record.id)
        return known is not None and self.hosts.of(record.destination).down_at >= known.since

    def was_cut_off(self, record: Migration, now: float) -> bool:
        """Whether its destination's nova-compute was surely started anew since it had begun, and has left it so.

        The former one may have ended it just before it died. What it wrote last goes through the conductor, as the
        hosts' reports do, and shows once that has been at work for a while.
        """
        known = self.restarts.cut_off_for(record, now)
        return known >= SETTLE and self.control_plane.at_work_for(now, record.source) >= SETTLE

    def idle(self, instance: str, now: float) -> float:
        """See ``InstanceMemory.idle_for``."""
        return self._of(instance).idle_for(now)

    def begun_for(self, instance: str, now: float) -> float | None:
        """See ``InstanceMemory.begun_for``."""
        return self._of(instance).begun_for(now)

    def unexplained(self, instance: Instance, records: Collection[Migration]) -> str | None:
        """See ``InstanceMemory.unexplained``."""
        return self._of(instance.id).unexplained(instance, records)

    def untold_by(self, instance: str) -> str | None:
        """The host that may run a guest of an instance's id though it has failed, or None."""
        return self._of(instance).untold_by

    # What is forgotten

    def lose_sight(self, keep: Set[str], hosts: Collection[str]) -> None:
        """Forget all instances but those whose ids are in ``keep``, and the records of all hosts but ``hosts``."""
        for instance in self._instances.keys() - keep:
            left = self._instances.pop(instance).of_use()
            if left is not None:
                self._instances[instance] = left
        self.flags.keep(hosts)
        for record in self._records.keys() - self.flags.records():
            del self._records[record]
        self._evidence.keep(frozenset().union(*(known.requests for known in self._instances.values())))

    def forget_records(self) -> None:
        """Nothing is flagged any more."""
        self._records.clear()
        self._evidence.forget()
        self.control_plane.forget()
        self.hosts.forget()
        self.restarts = Restarts()


def _says(record: Migration) -> Said:
    """What a record says, to be told from what it says later."""
    return record.id, record.status, record.destination
