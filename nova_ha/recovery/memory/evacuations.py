# SPDX-License-Identifier: Apache-2.0
"""What this engine has seen of Nova over time, and what follows from it about requests whose end no record tells: pure.

Nova's records of evacuations are no sure account: one is taken over by a later request, another is left behind for
ever, and one whose request was lost says the same as one that waits for its turn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Optional

from nova_ha.model import instance_states
from nova_ha.model.evacuate_request import Request, Requests
from nova_ha.model.snapshot import FINISHED, Host, Instance, Migration
from nova_ha.recovery.memory.compute_restarts import Restarts
from nova_ha.recovery.memory.host_failures import HostFailures
from nova_ha.recovery.memory.timing import SETTLE

# What a record says once its destination has begun with it.
BEGUN = FINISHED | {"pre-migrating", "failed"}

# What a record says: its id, its status, and its destination.
State = tuple[int, str, Optional[str]]

_NOWHERE: tuple[frozenset[str], frozenset[State]] = (frozenset(), frozenset())


class Sightings(HostFailures):
    """How long records have said what they say, and where instances were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.restarts = Restarts()
        self._named: dict[str, frozenset[int]] = {}  # host -> ids of its records, as they were last read
        self._asked: dict[str, frozenset[str]] = {}  # instance id -> ids of the requests for it, as they were last read
        # id of a record -> ((status, destination), since when)
        self._records: dict[int, tuple[tuple[str, str | None], float]] = {}
        self._seen: dict[int, float] = {}  # id of a record -> when it was first seen
        self._sent_to: dict[str, set[str]] = {}  # host -> ids of the instances that were seen to be sent there
        self._waiting: dict[str, set[int]] = {}  # instance id -> its records that have named no destination for long
        # instance id -> the hosts that may have begun with what is lost, and its records then
        self._lost_at: dict[str, tuple[frozenset[str], frozenset[State]]] = {}
        self._left: dict[str, set[str]] = {}  # host -> ids of the instances that were to be moved away from it
        # host -> when the newest evacuation that it has begun was first seen, and since when it is seen to be begun
        self._begun: dict[str, tuple[float, float]] = {}
        self._ended: set[State] = set()  # of evacuations whose destination died in the middle of them
        self._strays: dict[str, set[State]] = {}  # instance id -> those of records that belong to no evacuation
        self._idle: dict[str, float] = {}  # instance id -> since when it is in error with nothing being done to it
        # instance id -> whether a host has begun with it, and since when (None: before we looked)
        self._tasks: dict[str, tuple[bool, float | None]] = {}

    def sees_record(self, record: Migration, now: float, dead: Set[str] = frozenset()) -> None:
        """Remember since when a record says what it says, and how far its destination has come with its requests.

        :param dead: Nova's names of the hosts that are proved dead
        """
        seen = self._seen.setdefault(record.id, now)
        self._left.setdefault(record.source, set()).add(record.instance)
        state = (record.status, record.destination)
        is_new = record.id not in self._records
        former, _ = self._records.get(record.id, (("accepted", None), now))
        if former != state or is_new:
            self._records[record.id] = (state, now)
        if record.in_flight and record.destination is not None:
            self._sent_to.setdefault(record.destination, set()).add(record.instance)
        elif record.in_flight and self.age(record, now) >= SETTLE and not self.is_stray(record):
            self._waiting.setdefault(record.instance, set()).add(record.id)
        if record.destination is not None and record.status in BEGUN:
            newest, since = self._begun.get(record.destination, (seen, now))
            self._begun[record.destination] = max((newest, since), (seen, now), key=lambda each: each[0])
        if record.status == "error" or (record.destination is not None and record.status in BEGUN):
            self.sees_scheduled(record, now)
            if former[0] == "accepted" and record.created:
                self.sees_time_to_schedule(record.created, was_seen=not is_new)
        if record.in_flight and record.status != "accepted" and record.destination in dead:
            self._ended.add((record.id, *state))

    def sees_records(self, host: Host, now: float, dead: Set[str] = frozenset()) -> None:
        """Learn from all records of a host that have been read; see ``sees_record``."""
        records = (*host.evacuations, *host.live_migrations)
        for record in records:
            self.sees_record(record, now, dead)
        if records:
            self._named[host.name] = frozenset(record.id for record in records)

    def forgets_waiting(self, records: Mapping[str, Iterable[Migration]]) -> None:
        """Learn that nothing is waited for any more of which no record is in flight without a destination.

        :param records: ``{instance id: all records of its evacuations away from a host}``
        """
        for instance in self._waiting.keys() & records.keys():
            if not any(record.in_flight and record.destination is None for record in records[instance]):
                del self._waiting[instance]

    def sees_instance(self, instance: Instance, now: float) -> None:
        """Recognize that a host has begun with it, and that it is in error with nothing being done to it."""
        begun = instance.task_state in instance_states.BEGUN
        former, since = self._tasks.get(instance.id, (begun, None))
        self._tasks[instance.id] = (begun, since if former == begun else now)
        if instance.task_state is not None or instance.vm_state != "error":
            self._idle.pop(instance.id, None)
            return
        self._idle.setdefault(instance.id, now)

    def is_unclear(self, instance: Instance, records: Collection[Migration], now: float) -> bool:
        """Whether what was asked for an instance is to be read, because its records of evacuations do not tell.

        They do while one is young, or has been begun; unless a host has died since that may have it queued, or the
        instance is in error, or one has taken over the record of another: then that it was scheduled tells of others.
        They do not tell why a host has failed, once others have found no host.
        """
        if self.unexplained(instance, records) not in (None, *self._dead):
            return True
        in_error = self.idle(instance.id, now) > 0.0
        flights = [record for record in records if record.in_flight]
        accepted = [record for record in flights if record.status == "accepted"]
        if in_error or not accepted:
            return in_error and bool(flights)
        if len(accepted) < len(flights):
            return True
        return any(self.age(record, now) >= SETTLE or self._may_have_died(record) for record in accepted)

    def _may_have_died(self, record: Migration) -> bool:
        seen = self._seen.get(record.id, float("inf"))
        return record.destination in self._dead or any(since > seen for since in self._dead.values())

    def sees_requests(
        self,
        instance: Instance,
        known: Requests,
        records: Sequence[Migration],
        since: float,
        may_hang: bool,
        now: float,
    ) -> None:
        """Learn from the requests for an instance what its records in flight are worth.

        :param since: when this engine last asked for it
        :param may_hang: whether Nova's API may have a request for it that it has noted, and not passed on
        """
        self.sees_failures(instance, known, records, self._seen)
        self._lost_at.pop(instance.id, None)
        self._strays.pop(instance.id, None)
        self._asked[instance.id] = frozenset(request.id for request in known.all)
        flights = [record for record in records if record.in_flight]
        if known.read_at <= since or any(known.read_at < self._seen[record.id] for record in flights):
            return  # one has come since that was read
        dead = frozenset(self._dead) - self._living
        fates = self.fates(known, instance.host, dead, now, may_hang, self.unheard)
        for fate in fates:
            for host in fate.queued_at:
                self._sent_to.setdefault(host, set()).add(instance.id)
        if not any(fate.untold for fate in fates):
            self._waiting.pop(instance.id, None)
        # Nobody goes on with what was asked for before that.
        given_up = known.reset if known.reset and self.idle(instance.id, now) >= SETTLE else ""
        if any(fate.open and request.at >= given_up for request, fate in zip(known.all, fates)):
            return
        if not known.all or any(record.created and record.created < known.all[0].at for record in flights):
            return  # what was asked for first is not on record any more
        going_on = (each for each in flights if each.status != "accepted" and not self.ended_with_its_host(each))
        begun = {each.destination or "" for each in going_on} - dead
        if not begun <= {request.compute.host for request in known.all if request.compute is not None}:
            return  # begun with since that was read
        asked = [(request.at, fate.lost_at) for request, fate in zip(known.all, fates) if fate.lost_at is not None]
        self._lose(instance.id, _still_lost_at(asked, given_up, begun) | begun, flights)

    def _lose(self, instance: str, hosts: Set[str], flights: Sequence[Migration]) -> None:
        """All that was asked for an instance id is over or lost; some hosts may have begun with it."""
        if hosts:
            self._lost_at[instance] = frozenset(hosts), frozenset(map(_state, flights))
        else:
            self._strays[instance] = {_state(record) for record in flights if record.status == "accepted"}

    def lost_at(self, instance: str, flights: Iterable[Migration], now: float) -> frozenset[str]:
        """Nova's names of the hosts that may have begun with a request for an instance id that is lost else.

        None of them if its records in flight have moved since that was found; nor while one of the hosts was silent
        a moment ago: it takes up what waits for it.
        """
        hosts, said = self._lost_at.get(instance, _NOWHERE)
        if not said.issuperset(map(_state, flights)):
            return frozenset()
        return hosts if all(now - self._down.get(host, float("-inf")) >= SETTLE for host in hosts) else frozenset()

    def asks_anew(self, instance: str) -> None:
        """An instance id is evacuated once more: that may take over an old record, so none of them is a stray now."""
        self._strays.pop(instance, None)
        self._lost_at.pop(instance, None)
        self._idle.pop(instance, None)

    def age(self, record: Migration, now: float) -> float:
        """For how many seconds, as far as we have seen, an evacuation has been in its present status."""
        state, since = self._records.get(record.id, (None, now))
        return now - since if state == (record.status, record.destination) else 0.0

    def is_stray(self, record: Migration) -> bool:
        """Whether a record that says that an evacuation is in flight, and not begun, belongs to none.

        A request that fails may leave a record behind (see ``snapshot.Migration``), and one that is lost does. That all
        requests for its instance are over or lost tells.
        """
        return _state(record) in self._strays.get(record.instance, ())

    def ended_with_its_host(self, record: Migration) -> bool:
        """Whether its destination died in the middle of it: nobody goes on with it, also when that host is back."""
        return _state(record) in self._ended and record.destination not in self._living

    def was_passed(self, record: Migration, requests: Iterable[Request], now: float) -> bool:
        """Whether its destination has, for long, worked at one that was asked for after this one was handed to it.

        Two that are on their way to it overtake each other by seconds.

        :param requests: those for its instance that were handed on. One that named its destination has that in its
            record from the start: when it was seen to be handed on, the request tells
        """
        _, handed_at = self._records.get(record.id, (None, float("inf")))
        handed_at = max([handed_at, *(self.handed_on_at(request) for request in requests)])
        asked_at, begun_at = self._begun.get(record.destination or "", (float("-inf"), now))
        return asked_at > handed_at and now - begun_at >= SETTLE

    def was_down(self, record: Migration) -> bool:
        """Whether its destination has been seen not to report since the record says what it says."""
        _, since = self._records.get(record.id, (None, float("inf")))
        return self._down.get(record.destination or "", float("-inf")) >= since

    def was_cut_off(self, record: Migration, now: float) -> bool:
        """Whether its destination's nova-compute was surely started anew since it had begun, and has left it so.

        The former one may have ended it just before it died. What it wrote last goes through the conductor, as the
        hosts' reports do, and shows once that has been at work for a while.
        """
        return min(self.restarts.cut_off_for(record, now), self.at_work_for(now, record.source)) >= SETTLE

    def was_sent_to(self, instance: str, host: str) -> bool:
        """Whether an evacuation of an instance id to a host has been seen, whatever its record says by now."""
        return instance in self.sent_to(host)

    def sent_to(self, host: str) -> Set[str]:
        """The ids of the instances of which ``was_sent_to`` would say so; not to be changed."""
        return self._sent_to.get(host, frozenset())

    def may_be_queued(self, instance: str, host: str) -> bool:
        """Whether an evacuation of an instance id may be queued at a host, if that died before it took it up."""
        return self.was_sent_to(instance, host) or instance in self._waiting

    def may_have_the_same(self, host: str, other: str) -> bool:
        """Whether requests for one instance may be queued at both hosts: evacuations, or an owner's request."""
        # Asked of each two hosts of a failed rack: it must not cost a look at each instance.
        waiting, sent = self._waiting.keys(), (self.sent_to(host), self.sent_to(other))
        if not sent[0].isdisjoint(sent[1]) or not all(map(waiting.isdisjoint, sent)):
            return True
        left: tuple[Set[str], Set[str]] = self._left.get(host, frozenset()), self._left.get(other, frozenset())
        if not left[0].isdisjoint(sent[1]) or not left[1].isdisjoint(sent[0]):
            return True
        if not all(map(waiting.isdisjoint, left)):
            return True
        return any(len(records) > 1 for records in self._waiting.values())

    def idle(self, instance: str, now: float) -> float:
        """For how many seconds an instance id on a dead host has been in error, with nothing being done to it.

        Whoever evacuates it leaves it so when that has failed, as does an operator who resets its state: the word that
        nobody goes on with it. One that is active with no task may be waiting for its destination's lock, for minutes:
        its guest runs there (measured).
        """
        return now - self._idle.get(instance, now)

    def begun_for(self, instance: str, now: float) -> float | None:
        """For how many seconds an instance id on a dead host has been seen to be started elsewhere.

        None if it is not, or was so already when it was first seen.
        """
        begun, since = self._tasks.get(instance, (False, None))
        return now - since if begun and since is not None else None

    def lose_sight(self, keep: Set[str], hosts: Collection[str]) -> None:
        """Forget all instances but those whose ids are in ``keep``, and the records of all hosts but ``hosts``.

        Of an instance that finds no room each try leaves a record: only those that Nova still names are kept.
        """
        self._named = {host: ids for host, ids in self._named.items() if host in hosts}
        self._asked = {i: ids for i, ids in self._asked.items() if i in keep}
        named = frozenset().union(*self._named.values())
        self._records = {id: said for id, said in self._records.items() if id in named}
        self._seen = {id: since for id, since in self._seen.items() if id in named}
        self._ended = {state for state in self._ended if state[0] in named}
        self.keep_requests(frozenset().union(*self._asked.values()))
        self._strays = {i: known for i, known in self._strays.items() if i in keep}
        self._lost_at = {i: hosts for i, hosts in self._lost_at.items() if i in keep}
        self._idle = {i: since for i, since in self._idle.items() if i in keep}
        self._tasks = {i: known for i, known in self._tasks.items() if i in keep}
        self.keep_failures(keep)

    def forget_records(self) -> None:
        """Nothing is flagged any more."""
        self.forget_hosts()
        for memory in (self._records, self._seen, self._begun, self._lost_at):
            memory.clear()
        self.forget_control_plane()
        self._sent_to.clear()
        self._waiting.clear()
        self._left.clear()
        self._ended.clear()
        self.restarts = Restarts()


def _state(record: Migration) -> State:
    """What a record says, to be told from what it says later."""
    return record.id, record.status, record.destination


def _still_lost_at(asked: Collection[tuple[str, str]], given_up: str, begun: Set[str]) -> Set[str]:
    """The hosts that may have begun with what is lost else.

    :param asked: when each request was made, and the host that it may be lost at
    :param given_up: when an operator, who has looked, has given up what was asked for before; "" for never
    :param begun: those that have begun with one
    """
    hosts = {host for _, host in asked}
    if not given_up or len(hosts | begun) <= 1:
        return hosts
    # On no one host would the next request find what is left of each.
    return {host for asked_at, host in asked if asked_at >= given_up}
