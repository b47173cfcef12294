# SPDX-License-Identifier: Apache-2.0
"""What this engine has seen of Nova over time, and what follows from it about requests whose end no record tells: pure.

Nova's records of evacuations are no sure account: one is taken over by a later request, another is left behind for
ever, and one whose request was lost says the same as one that waits for its turn.
"""

import datetime

from nova_ha import states
from nova_ha.restarts import Restarts
from nova_ha.snapshot import FINISHED, unread

# What a record says once its destination has begun with it.
BEGUN = FINISHED | {"pre-migrating", "failed"}

# Seconds after a lost or accepted request in which its record must have shown, or it never took effect. Nova writes the
# record while it answers, so this bounds how long a request may sit in the API's queue.
SETTLE = 60
# Seconds in which the conductor has dealt with a request, or has given it up: it waits for the scheduler for a minute,
# and for the old host for another.
LOST_AFTER = 150.0
# Seconds after its last report in which Nova may hold a host to be up, so that the scheduler chooses it: Nova's
# service_down_time, which is 60 unless an operator has made it longer.
HELD_UP = 300.0
# Seconds without a new report of any host after which the conductor is not held to be at work, or without a look at
# them after which Nova's API is not. They come every few seconds, and are looked at every ten.
SILENCE = 45.0


class Sightings:
    """How long records have said what they say, where instances were sent, which hosts reported.

    ``restarts`` is a ``restarts.Restarts``.
    """

    def __init__(self):
        self.restarts = Restarts()
        self._records = {}  # id of a record -> ((status, destination), since when)
        self._seen = {}  # id of a record -> when it was first seen
        self._sent_to = {}  # host -> ids of the instances that were seen to be sent there
        self._waiting = {}  # instance id -> its records that have named no destination for long
        self._answered_at = float("-inf")  # when Nova's API last told of services
        self._answering_since = float("-inf")  # since when it has done so without a break
        self._unread = {}  # host -> when Nova could not read its service last: its cell has been away
        self._newest_report = None  # Nova's time of the newest report of any host
        self._reported_at = float("-inf")  # when that was seen to change
        self._working_since = None  # since when reports have come all the time
        self._sent_on = {}  # instance id -> {id of a record: when its destination was seen to change}
        self._left = {}  # host -> ids of the instances that were to be moved away from it
        self._begun = {}  # host -> when the newest evacuation that it has begun was first seen
        self._ended = set()  # (id, status, destination) of evacuations whose destination died in the middle of them
        self._strays = {}  # instance id -> {(id, status, destination) of records that belong to no evacuation}
        self._usable = {}  # host -> when it was last seen to be one that the scheduler may choose
        self._down = {}  # host -> when it was last seen not to report
        self._reported = {}  # host that was seen not to report -> Nova's time of its last report before that
        self._idle = {}  # instance id -> whether it is in error, and since when so with nothing being done to it
        self._tasks = {}  # instance id -> whether a host has begun with it, and since when (None: before we looked)

    def sees_services(self, services, now):
        """Learn which hosts report, and which the scheduler may choose.

        :param services: ``{Nova's host name: snapshot.Service}``
        """
        if now - self._answered_at > SILENCE:
            self._answering_since = now
        self._answered_at = now
        self._unread.update(dict.fromkeys(unread(services), now))
        for name, service in services.items():
            if not service.up:
                self._down[name] = now
                self._reported[name] = service.last_report
            elif service.enabled:
                self._usable[name] = now
        self._observe_reports(max((s.last_report or "" for s in services.values()), default=""), now)

    def sees_record(self, record, now, dead=frozenset()):
        """Remember since when a record says what it says, and how far its destination has come with its requests.

        :param dead: Nova's names of the hosts that are proved dead
        """
        seen = self._seen.setdefault(record.id, now)
        self._left.setdefault(record.source, set()).add(record.instance)
        state = (record.status, record.destination)
        former, _ = self._records.get(record.id, (state, now))
        if former[1] != record.destination and former[1] is not None:
            self._sent_on.setdefault(record.instance, {})[record.id] = now
        if former != state or record.id not in self._records:
            self._records[record.id] = (state, now)
        if record.in_flight and record.destination is not None:
            self._sent_to.setdefault(record.destination, set()).add(record.instance)
        elif record.in_flight and self.age(record, now) >= SETTLE:
            self._waiting.setdefault(record.instance, set()).add(record.id)
        if record.destination is not None and record.status in BEGUN:
            self._begun[record.destination] = max(seen, self._begun.get(record.destination, seen))
        if record.in_flight and record.status != "accepted" and record.destination in dead:
            self._ended.add((record.id, *state))

    def sees_instance(self, instance, records, now):
        """Recognize that a host has begun with it, and the records that an evacuation that failed has left."""
        begun = instance.task_state in states.BEGUN
        former, since = self._tasks.get(instance.id, (begun, None))
        self._tasks[instance.id] = (begun, since if former == begun else now)
        if instance.task_state is not None:
            self._idle.pop(instance.id, None)
            return
        in_error = instance.vm_state == "error"
        former, since = self._idle.get(instance.id, (in_error, now))
        since = since if former == in_error else now
        self._idle[instance.id] = (in_error, since)
        for record in records if in_error else ():
            if record.status == "accepted" and min(now - since, self.age(record, now)) >= SETTLE:
                known = self._strays.setdefault(instance.id, set())
                known.add((record.id, record.status, record.destination))

    def asks_anew(self, instance):
        """An instance id is evacuated once more: that may take over an old record, so none of them is a stray now."""
        self._strays.pop(instance, None)
        self._idle.pop(instance, None)

    def age(self, record, now):
        """For how many seconds, as far as we have seen, an evacuation has been in its present status."""
        state, since = self._records.get(record.id, (None, now))
        return now - since if state == (record.status, record.destination) else 0.0

    def is_stray(self, record):
        """Whether a record that says that an evacuation is in flight, and not begun, belongs to none.

        Nova's API marks the instance as being rebuilt before it answers. An evacuation that fails takes the mark away
        and sets the instance to error, but may leave a record behind (see ``snapshot.Migration``). So does an operator
        who resets the instance's state to error: that is the word that nothing of it is left.
        """
        if (record.id, record.status, record.destination) in self._strays.get(record.instance, ()):
            return True
        if record.status != "accepted" or record.destination is not None:
            return False
        # The conductor takes the oldest record for a new request: the request's own is left over then.
        seen = self._seen.get(record.id, float("inf"))
        return any(older < record.id and when >= seen for older, when in self._sent_on.get(record.instance, {}).items())

    def ended_with_its_host(self, record):
        """Whether its destination died in the middle of it: nobody goes on with it, also when that host is back."""
        return (record.id, record.status, record.destination) in self._ended

    def answering_for(self, now, host=None):
        """For how many seconds Nova's API has answered without a break, and been able to read a host's service."""
        return now - max(self._answering_since, self._unread.get(host, float("-inf")))

    def at_work_for(self, now, host):
        """For how many seconds Nova's API, conductor and message bus have been seen at work for a host without a break.

        Other cells' reports tell nothing of the conductor of one whose database is away.
        """
        if self._working_since is None:
            return 0.0
        return now - max(self._working_since, self._unread.get(host, float("-inf")))

    def was_handed_on(self, record, now):
        """Whether the conductor has dealt with a request that names its destination: it may have been away so far."""
        return record.status != "accepted" or min(self.age(record, now), self.at_work_for(now, record.source)) >= SETTLE

    def was_lost(self, record, out, now):
        """Whether a request that no host has begun with is surely lost.

        The conductor takes its messages in their order, the hosts' reports among them, and gives up each within its own
        time limits; one that it had taken when it was killed is gone (measured), and its record stays. A host that it
        chose does not show before it begins, but begins at once, if it is at work.

        :param out: Nova's names of the hosts that are dead, or have not come back yet: what is queued there waits
        """
        waiting = record.status == "accepted" and record.destination is None
        if not waiting or min(self.age(record, now), self.at_work_for(now, record.source)) < LOST_AFTER:
            return False
        return not any(
            now - silent < LOST_AFTER and self._may_have_been_chosen(host, record, now)
            for host, silent in self._down.items()
            if host not in out
        )

    def _may_have_been_chosen(self, host, record, now):
        """Whether a host that fell silent could still be chosen when a request was made, which may be before we looked.

        Both times of Nova's are those of its control plane.
        """
        if self._usable.get(host, float("-inf")) >= self._seen.get(record.id, now) - SETTLE:
            return True
        reported = self._reported[host]
        return bool(record.created and reported) and _seconds_between(reported, record.created) <= HELD_UP

    def was_passed(self, record):
        """Whether its destination has begun an evacuation that was asked for after this one was handed to it."""
        _, since = self._records.get(record.id, (None, float("inf")))
        return self._begun.get(record.destination, float("-inf")) > since

    def was_down(self, record):
        """Whether its destination has been seen not to report since the record says what it says."""
        _, since = self._records.get(record.id, (None, float("inf")))
        return self._down.get(record.destination, float("-inf")) >= since

    def was_cut_off(self, record, now):
        """Whether its destination's nova-compute was surely started anew since it had begun, and has left it so.

        The former one may have ended it just before it died. What it wrote last goes through the conductor, as the
        hosts' reports do, and shows once that has been at work for a while.
        """
        return min(self.restarts.cut_off_for(record, now), self.at_work_for(now, record.source)) >= SETTLE

    def was_sent_to(self, instance, host):
        """Whether an evacuation of an instance id to a host has been seen, whatever its record says by now."""
        return instance in self.sent_to(host)

    def sent_to(self, host):
        """The ids of the instances of which ``was_sent_to`` would say so; not to be changed."""
        return self._sent_to.get(host, frozenset())

    def may_be_queued(self, instance, host):
        """Whether an evacuation of an instance id may be queued at a host, if that died before it took it up."""
        return self.was_sent_to(instance, host) or instance in self._waiting

    def may_have_the_same(self, host, other):
        """Whether requests for one instance may be queued at both hosts: evacuations, or an owner's request."""
        # Asked of each two hosts of a failed rack: it must not cost a look at each instance.
        waiting, sent = self._waiting.keys(), (self.sent_to(host), self.sent_to(other))
        if not sent[0].isdisjoint(sent[1]) or not all(map(waiting.isdisjoint, sent)):
            return True
        left = self._left.get(host, frozenset()), self._left.get(other, frozenset())
        if not left[0].isdisjoint(sent[1]) or not left[1].isdisjoint(sent[0]):
            return True
        if not all(map(waiting.isdisjoint, left)):
            return True
        return any(len(records) > 1 for records in self._waiting.values())

    def idle(self, instance, now):
        """For how many seconds nothing has been done to an instance id on a dead host, in error or not.

        Whoever has begun to evacuate it says so in its task state until it is elsewhere or in error, or until an
        operator resets its state: the word that nobody goes on with it.
        """
        return now - self._idle.get(instance, (None, now))[1]

    def begun_for(self, instance, now):
        """For how many seconds an instance id on a dead host has been seen to be started elsewhere.

        None if it is not, or was so already when it was first seen.
        """
        begun, since = self._tasks.get(instance, (False, None))
        return now - since if begun and since is not None else None

    def lose_sight(self, keep):
        """Forget all instances but those whose ids are in ``keep``."""
        self._strays = {i: known for i, known in self._strays.items() if i in keep}
        self._idle = {i: since for i, since in self._idle.items() if i in keep}
        self._tasks = {i: known for i, known in self._tasks.items() if i in keep}

    def forget_records(self):
        """Nothing is flagged any more."""
        for memory in (self._records, self._seen, self._begun, self._down, self._reported, self._usable, self._sent_on):
            memory.clear()
        self._sent_to.clear()
        self._waiting.clear()
        self._left.clear()
        self._ended.clear()
        self._unread.clear()
        self.restarts = Restarts()

    def _observe_reports(self, newest, now):
        """Learn since when message bus and conductor have been at work: the compute hosts report through them.

        What nobody looked at, because Nova's API was away, say, does not count.
        """
        silent = now - self._reported_at > SILENCE
        if newest == self._newest_report:
            self._working_since = None if silent else self._working_since
            return
        self._newest_report, self._reported_at = newest, now
        if silent:
            self._working_since = now


def _seconds_between(earlier, later):
    return (datetime.datetime.fromisoformat(later) - datetime.datetime.fromisoformat(earlier)).total_seconds()
