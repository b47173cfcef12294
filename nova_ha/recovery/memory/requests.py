# SPDX-License-Identifier: Apache-2.0
"""What this engine has asked of Nova so far, instance by instance: pure, and lost with the engine.

Nova remains the record of what happens; this only adds what Nova cannot tell: that a request is under way or was
lost, and when to try again. What has been seen of Nova's own records is ``evacuations``.
"""

import dataclasses
import random
from typing import NamedTuple

from nova_ha.model.instance_states import REBUILDING
from nova_ha.model.reasons import Code
from nova_ha.model.request import (
    ACCEPTED,
    AWAY,
    CONFLICT,
    FAILED,
    FORBIDDEN,
    NO_ROOM,
    REFUSED,
    SENDING,
    SPAWN,
    UNCLEAR,
    UNKNOWN,
    Attempt,
)
from nova_ha.model.snapshot import FAILED as ENDED_BADLY
from nova_ha.model.snapshot import FINISHED, by_instance, unread
from nova_ha.recovery.memory.evacuations import Sightings
from nova_ha.recovery.memory.evidence import SETTLE

# What did not help so often an operator should know of, though it goes on.
MANY = 5


class Backoff(NamedTuple):
    """Seconds before the first retry, doubled for each further one up to the longest."""

    first: float
    longest: float


# No room is also looked at again at once when a host comes back: see ``observe_services``. Each try leaves a record in
# Nova for good, so that the pauses get long.
BACKOFFS = {
    NO_ROOM: Backoff(10, 1200),
    SPAWN: Backoff(5, 300),
    CONFLICT: Backoff(5, 60),
    FORBIDDEN: Backoff(60, 600),
    AWAY: Backoff(2, 30),
    REFUSED: Backoff(0, 0),
    UNKNOWN: Backoff(5, 300),
}


class Attempts(Sightings):
    """The attempts of all instances, as ``{instance id: Attempt}`` with what may happen to them.

    :param jitter: returns a factor that spreads the retries of many instances
    """

    def __init__(self, jitter=lambda: random.uniform(0.75, 1.25)):
        super().__init__()
        self._attempts = {}
        self._jitter = jitter
        self._candidates = None  # the hosts that could take instances, as last seen
        self._without_room = None  # since when there has been none
        self._starts = {}  # host -> how often its nova-compute was made to start once more
        self._turns = {}  # host -> how often it was held back after it had had its turn to start
        self._asked_at = {}  # instance id -> when it was last asked for
        self._hanging = set()  # ids of instances for which Nova hung with a request of ours
        self._pending = {}  # instance id -> since when it is to be recovered
        self._efforts = {}  # instance id -> how often something was asked for to bring it into the state it should have
        self._not_notable = set()  # ids of instances that cannot be tagged

    def get(self, instance):
        """The attempt for an instance id, or None."""
        return self._attempts.get(instance)

    def may_show(self, instance, now, host=None):
        """Whether Nova may still carry out a request for an instance id, on that host, that it did not answer.

        What it has of it while it hangs, it does when it goes on: at the same moment in which it answers us again.
        """
        attempt = self._attempts.get(instance)
        return attempt is not None and attempt.outcome == UNCLEAR and self.answering_for(now, host) < attempt.settle

    def open(self, now):
        """The ids of the instances whose request is under way, or may still show to have been taken."""
        return {
            instance
            for instance, attempt in self._attempts.items()
            if attempt.outcome == SENDING
            or (attempt.outcome in (ACCEPTED, UNCLEAR) and now < attempt.until)
            or self.may_show(instance, now)
        }

    def sending(self, instance, newest):
        """A request is about to be sent; ``newest`` is the newest evacuation record known before it."""
        self.asks_anew(instance)
        before = self._attempts.get(instance) or Attempt(SENDING)
        self._attempts[instance] = dataclasses.replace(before, outcome=SENDING, newest=newest, until=0.0)

    def accepted(self, instance, now):
        """Nova took the request."""
        self._asked_at[instance] = now
        self._settle(instance, ACCEPTED, now + SETTLE, "Nova accepted the request")

    def unclear(self, instance, now, reason, hung=True):
        """No answer came: Nova may carry the request out, now or later.

        :param hung: Nova may be at it still; else it has let go of it, or died with it
        """
        self._asked_at[instance] = now
        if hung:
            self._hanging.add(instance)
        self._settle(instance, UNCLEAR, now + SETTLE, reason, SETTLE)

    def inherited(self, instance, newest, now):
        """A former engine may have sent a request that has not shown yet.

        A load balancer or a worker of Nova's API carries one out long after its client is gone: it is as one of our own
        that got no answer.
        """
        reason = "a former engine may have asked"
        self._attempts.setdefault(instance, Attempt(UNCLEAR, newest, now + SETTLE, reason=reason, settle=SETTLE))

    def failed(self, instance, now, reason, cause=UNKNOWN):
        """It surely did not happen, or ended badly: wait longer each time.

        :param cause: why; how long is waited depends on it
        """
        before = self._attempts.get(instance) or Attempt(FAILED)
        streak = before.streak if before.cause == cause else 0
        backoff = BACKOFFS[cause]
        # The exponent is bounded so that years of retries do not overflow.
        pause = min(backoff.first * 2 ** min(streak, 16), backoff.longest) * self._jitter()
        self._attempts[instance] = dataclasses.replace(
            before,
            outcome=FAILED,
            until=now + pause,
            failures=before.failures + (cause != AWAY),
            reason=reason,
            cause=cause,
            since=before.since if streak else now,
            streak=streak + 1,
            moving=False,
            pause=cause,
        )

    def later(self, instance, now, pause, reason, moving=False, code=Code.ASKED):
        """Leave an instance alone for ``pause`` seconds, though nothing failed.

        :param moving: see ``Attempt``
        :param code: why
        """
        before = self._attempts.get(instance) or Attempt(FAILED)
        self._attempts[instance] = dataclasses.replace(
            before, outcome=FAILED, until=now + pause, reason=reason, moving=moving, pause=code
        )

    def moved(self, instance, now, reason):
        """A move towards an instance's former state was asked for: the next one later, and each time later still."""
        efforts = self.efforts(instance)
        self.count_effort(instance)
        backoff = BACKOFFS[CONFLICT]
        self.later(instance, now, min(backoff.first * 2 ** min(efforts, 16), backoff.longest), reason, moving=True)

    def count_effort(self, instance):
        """What is to bring an instance into the state that it should have was asked for, or refused."""
        self._efforts[instance] = self.efforts(instance) + 1

    def efforts(self, instance):
        """How often that was so."""
        return self._efforts.get(instance, 0)

    def in_vain(self, instance):
        """How often in a row, at least, what was asked for an instance id came to nothing."""
        attempt = self._attempts.get(instance)
        return max(self.efforts(instance), attempt.failures if attempt else 0)

    def not_notable(self, instance):
        """Nova does not let an instance id be tagged."""
        self._not_notable.add(instance)

    def is_notable(self, instance):
        """Whether, as far as we know, Nova lets an instance id be tagged."""
        return instance not in self._not_notable

    def observe_services(self, services, now):
        """Learn which hosts could take instances, and which do not report.

        Where one is new, what found no room is tried again at once. That there is none counts as no room only if no
        other host could be expected to report: all of them silent is a fault of the control plane.

        :param services: ``{Nova's host name: snapshot.Service}``
        """
        candidates = {name for name, service in services.items() if service.up and service.enabled}
        expected = {name for name, service in services.items() if service.enabled and not service.forced_down}
        expected |= unread(services)
        self.sees_services(services, now)
        if self._candidates is not None and candidates - self._candidates:
            for instance, attempt in self._attempts.items():
                if attempt.outcome == FAILED and attempt.cause == NO_ROOM:
                    self._attempts[instance] = dataclasses.replace(attempt, until=now, since=now)
        self._candidates = candidates
        if expected:
            self._without_room = None
        elif self._without_room is None:
            self._without_room = now

    def roomless(self, instance, now):
        """For how many seconds there has been no room for an instance id, as far as we know."""
        attempt = self._attempts.get(instance)
        since = [self._without_room]
        if attempt is not None and attempt.cause == NO_ROOM and attempt.streak:
            since.append(attempt.since)
        return max((now - moment for moment in since if moment is not None), default=0.0)

    def longest_roomless(self, now):
        """The longest that ``roomless`` would say of any instance."""
        return max((self.roomless(instance, now) for instance in [None, *self._attempts]), default=0.0)

    def starting_again(self, host):
        """A host's nova-compute is to be stopped, and to start once more."""
        self._starts[host] = self.starts(host) + 1

    def starts(self, host):
        """How often a host's nova-compute was made to start once more."""
        return self._starts.get(host, 0)

    def turn_is_over(self, host: str) -> None:
        """A recovered host that may have been starting is to stop, for the sake of an instance or of another host."""
        self._turns[host] = self.turns_of(host) + 1

    def turns_of(self, host: str) -> int:
        """How often that was so."""
        return self._turns.get(host, 0)

    def pending(self, instance, now):
        """For how many seconds an instance id has been known to await recovery."""
        return now - self._pending.get(instance, now)

    def observe(self, host, now, dead=frozenset(), living=frozenset()):
        """Learn from what Nova says of a host what became of the requests, this engine's and others'.

        :param host: a ``snapshot.Host``
        :param dead: Nova's names of the hosts that are proved dead
        :param living: of those that are flagged, and live
        """
        self.sees_dead(dead | living, now)
        self.sees_records(host, now, dead)
        newest = {record.instance: record for record in host.evacuations}
        records = by_instance(host.evacuations)
        self.forgets_waiting(records)
        for instance in host.instances:
            self._pending.setdefault(instance.id, now)
            self.sees_instance(instance, now)
            record = newest.get(instance.id)
            attempt = self._attempts.get(instance.id)
            if attempt is None:
                self._observe_stranger(instance, record, now)
            elif record and attempt.outcome in (ACCEPTED, UNCLEAR) and record.id > attempt.newest:
                self._observe_outcome(attempt, records[instance.id], now)

    def to_be_read(self, world, now):
        """The ids of the instances on dead hosts of which it is to be read what was asked for them.

        :param world: a ``snapshot.World``
        """
        found = set()
        for host in world.hosts:
            records = by_instance(host.evacuations) if host.instances else {}
            found |= {i.id for i in host.instances if self.is_unclear(i, records.get(i.id, ()), now)}
        return found

    def observe_requests(self, world, now):
        """Learn from that."""
        for host in world.hosts:
            records = by_instance(host.evacuations) if host.requests else {}
            for instance in host.instances:
                mine, attempt = records.get(instance.id, ()), self._attempts.get(instance.id)
                known = host.requests.get(instance.id)
                if known is None or not mine:
                    continue
                since = self._asked_at.get(instance.id, float("-inf"))
                may_hang = instance.id not in self._asked_at or instance.id in self._hanging
                self.sees_requests(instance, known, mine, since, may_hang, now)
                is_ours = attempt is not None and attempt.outcome in (ACCEPTED, UNCLEAR)
                if is_ours and mine[-1].id > attempt.newest and self.is_stray(mine[-1]):
                    self._observe_outcome(attempt, mine, now)

    def _observe_outcome(self, attempt, records, now):
        """The record of a request has shown: from now on it tells, not our memory of having asked."""
        record = records[-1]
        instance = record.instance
        if self.is_stray(record):
            # What was asked for has ended, under a record of something that was asked for before.
            self._attempts[instance] = dataclasses.replace(attempt, newest=record.id)
            ended = [older for older in records if older.status in ENDED_BADLY]
            given_up = f"evacuation {record.id} was given up", UNKNOWN
            self.failed(instance, now, *(_explained(ended[-1]) if ended else given_up))
            return
        if record.in_flight:
            self._attempts[instance] = dataclasses.replace(attempt, until=now)
            return
        # Once counted, the same record must not count again.
        self._attempts[instance] = dataclasses.replace(attempt, newest=record.id)
        if record.status in FINISHED:
            self._settle(instance, ACCEPTED, now + SETTLE, f"evacuation {record.id} is {record.status}")
        else:
            self.failed(instance, now, *_explained(record))

    def _observe_stranger(self, instance, record, now):
        """Be slow to touch an instance that somebody else seems to have under way."""
        if record is None and instance.task_state in REBUILDING:
            # Nova sets the task state before it writes the record.
            reason = f"it is {instance.task_state}, by whom is not known"
            self._attempts[instance.id] = Attempt(UNCLEAR, until=now + SETTLE, reason=reason, settle=SETTLE)
        elif record is not None and record.status == "done":
            # Its source has not cleaned up since, so the instance cannot have come back: this view of it is old.
            self._attempts[instance.id] = Attempt(
                ACCEPTED, record.id, now + SETTLE, reason=f"evacuation {record.id} is done, yet Nova shows it here"
            )

    def forget(self, keep, hosts):
        """Drop every attempt but those for the instance ids in ``keep`` and those still being sent.

        :param hosts: what is known of the starts and records of other hosts is dropped, too
        :return: the ids of the instances that are gone after Nova accepted, or may have accepted, to evacuate them
        """
        asked = {i for i, attempt in self._attempts.items() if attempt.outcome in (ACCEPTED, UNCLEAR)}
        self._attempts = {i: a for i, a in self._attempts.items() if i in keep or a.outcome == SENDING}
        self._pending = {i: since for i, since in self._pending.items() if i in keep}
        self._asked_at = {i: at for i, at in self._asked_at.items() if i in keep}
        self._hanging &= keep
        self.lose_sight(keep, hosts)
        self._efforts = {i: efforts for i, efforts in self._efforts.items() if i in keep}
        self._not_notable &= keep
        self._starts = {host: starts for host, starts in self._starts.items() if host in hosts}
        self._turns = {host: turns for host, turns in self._turns.items() if host in hosts}
        return asked - keep

    def forget_all(self):
        """Nothing is flagged any more: drop everything but what is still being sent."""
        self.forget(frozenset(), ())
        self.forget_records()

    def _settle(self, instance, outcome, until, reason, settle=0.0):
        self._attempts[instance] = dataclasses.replace(
            self._attempts[instance], outcome=outcome, until=until, reason=reason, settle=settle
        )


def _explained(record):
    """What there is to say of a failed evacuation, and its cause."""
    if record.status == "error":
        return f"evacuation {record.id} found no host with room (no valid host)", NO_ROOM
    if record.status == "failed":
        return f"evacuation {record.id}: the instance could not be started on {record.destination}", SPAWN
    return f"evacuation {record.id} to {record.destination} ended in {record.status}", UNKNOWN
