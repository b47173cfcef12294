# SPDX-License-Identifier: Apache-2.0
"""What this engine has asked of Nova so far, instance by instance: pure, and lost with the engine.

Nova remains the record of what happens; this only adds what Nova cannot tell: that a request is under way or was
lost, and when to try again. What has been seen of Nova's own records is ``evacuations``.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection, Mapping, Sequence, Set

from nova_ha.model.instance_states import REBUILDING
from nova_ha.model.reasons import Code
from nova_ha.model.request import (
    ACCEPTED,
    AWAY,
    CONFLICT,
    FAILED,
    NO_ROOM,
    SENDING,
    SPAWN,
    UNCLEAR,
    UNKNOWN,
    Attempt,
)
from nova_ha.model.snapshot import FAILED as ENDED_BADLY
from nova_ha.model.snapshot import FINISHED, Host, Instance, Migration, Service, World, by_instance, unread
from nova_ha.recovery.memory.evacuations import Sightings
from nova_ha.recovery.memory.timing import BACKOFFS, SETTLE


class Memory(Sightings):
    """All that the engine remembers: what it has seen (``Sightings``), and what it has asked for, by the instance.

    :param jitter: returns a factor that spreads the retries of many instances
    """

    def __init__(self, jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.25)) -> None:
        super().__init__()
        self._jitter = jitter
        self._candidates: set[str] | None = None  # the hosts that could take instances, as last seen
        self._without_room: float | None = None  # since when there has been none

    def get(self, instance: str) -> Attempt | None:
        """The attempt for an instance id, or None."""
        return self._of(instance).attempt

    def may_show(self, instance: str, now: float, host: str | None = None) -> bool:
        """Whether Nova may still carry out a request for an instance id, on that host, that it did not answer.

        What it has of it while it hangs, it does when it goes on: at the same moment in which it answers us again.
        """
        return self._may_show(self.get(instance), now, host)

    def _may_show(self, attempt: Attempt | None, now: float, host: str | None = None) -> bool:
        if attempt is None or attempt.outcome != UNCLEAR:
            return False
        return self.control_plane.answering_for(now, host) < attempt.settle

    def open(self, now: float) -> set[str]:
        """The ids of the instances whose request is under way, or may still show to have been taken."""
        return {instance for instance, known in self._instances.items() if self._is_open(known.attempt, now)}

    def is_open(self, instance: str, now: float) -> bool:
        """Whether an instance id is one of these."""
        return self._is_open(self.get(instance), now)

    def _is_open(self, attempt: Attempt | None, now: float) -> bool:
        if attempt is None or attempt.outcome == FAILED:
            return False
        return attempt.outcome == SENDING or now < attempt.until or self._may_show(attempt, now)

    def sending(self, instance: str, newest: int) -> None:
        """A request is about to be sent; ``newest`` is the newest evacuation record known before it."""
        known = self._memory_of(instance)
        # It may take over an old record, so none of them is a stray now.
        known.lost = known.idle_since = None
        before = known.attempt or Attempt(SENDING)
        known.attempt = dataclasses.replace(before, outcome=SENDING, newest=newest, until=0.0)

    def accepted(self, instance: str, now: float) -> None:
        """Nova took the request."""
        self._memory_of(instance).asked_at = now
        self._settle(instance, ACCEPTED, now + SETTLE, "Nova accepted the request")

    def unclear(self, instance: str, now: float, reason: str, hung: bool = True) -> None:
        """No answer came: Nova may carry the request out, now or later.

        :param hung: Nova may be at it still; else it has let go of it, or died with it
        """
        known = self._memory_of(instance)
        known.asked_at, known.hangs = now, known.hangs or hung
        self._settle(instance, UNCLEAR, now + SETTLE, reason, SETTLE)

    def inherited(self, instance: str, newest: int, now: float) -> None:
        """A former engine may have sent a request that has not shown yet.

        A load balancer or a worker of Nova's API carries one out long after its client is gone: it is as one of our own
        that got no answer.
        """
        known = self._memory_of(instance)
        if known.attempt is None:
            reason = "a former engine may have asked"
            known.attempt = Attempt(UNCLEAR, newest, now + SETTLE, reason=reason, settle=SETTLE)

    def failed(self, instance: str, now: float, reason: str, cause: Code = UNKNOWN) -> None:
        """It surely did not happen, or ended badly: wait longer each time.

        :param cause: why; how long is waited depends on it
        """
        before = self.get(instance) or Attempt(FAILED)
        streak = before.streak if before.cause == cause else 0
        backoff = BACKOFFS[cause]
        # The exponent is bounded so that years of retries do not overflow.
        pause = min(backoff.first * 2 ** min(streak, 16), backoff.longest) * self._jitter()
        self._memory_of(instance).attempt = dataclasses.replace(
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

    def later(
        self, instance: str, now: float, pause: float, reason: str, moving: bool = False, code: Code = Code.ASKED
    ) -> None:
        """Leave an instance alone for ``pause`` seconds, though nothing failed.

        :param moving: see ``Attempt``
        :param code: why
        """
        before = self.get(instance) or Attempt(FAILED)
        self._memory_of(instance).attempt = dataclasses.replace(
            before, outcome=FAILED, until=now + pause, reason=reason, moving=moving, pause=code
        )

    def retry(self, instance: str, now: float) -> bool:
        """End the pause after a failure of an instance id; returns whether there was one."""
        return self._of(instance).ends_pause(now)

    def moved(self, instance: str, now: float, reason: str) -> None:
        """A move towards an instance's former state was asked for: the next one later, and each time later still."""
        efforts = self.efforts(instance)
        self.count_effort(instance)
        backoff = BACKOFFS[CONFLICT]
        self.later(instance, now, min(backoff.first * 2 ** min(efforts, 16), backoff.longest), reason, moving=True)

    def count_effort(self, instance: str) -> None:
        """What is to bring an instance into the state that it should have was asked for, or refused."""
        self._memory_of(instance).efforts += 1

    def efforts(self, instance: str) -> int:
        """How often that was so."""
        return self._of(instance).efforts

    def in_vain(self, instance: str) -> int:
        """How often in a row, at least, what was asked for an instance id came to nothing."""
        known = self._of(instance)
        return max(known.efforts, known.attempt.failures if known.attempt else 0)

    def not_notable(self, instance: str) -> None:
        """Nova does not let an instance id be tagged."""
        self._memory_of(instance).is_notable = False

    def is_notable(self, instance: str) -> bool:
        """Whether, as far as we know, Nova lets an instance id be tagged."""
        return self._of(instance).is_notable

    def observe_services(self, services: Mapping[str, Service], now: float) -> None:
        """Learn which hosts could take instances, and which do not report.

        Where one is new, what found no room is tried again at once. That there is none counts as no room only if no
        other host could be expected to report: all of them silent is a fault of the control plane.

        :param services: by Nova's names of their hosts
        """
        candidates = {name for name, service in services.items() if service.up and service.enabled}
        expected = {name for name, service in services.items() if service.enabled and not service.forced_down}
        expected |= unread(services)
        self.control_plane.sees_reports(services, now)
        self.hosts.sees_services(services, now)
        if self._candidates is not None and candidates - self._candidates:
            for known in self._instances.values():
                attempt = known.attempt
                if attempt is not None and attempt.outcome == FAILED and attempt.cause == NO_ROOM:
                    known.attempt = dataclasses.replace(attempt, until=now, since=now)
        self._candidates = candidates
        if expected:
            self._without_room = None
        elif self._without_room is None:
            self._without_room = now

    def roomless(self, instance: str, now: float) -> float:
        """For how many seconds there has been no room for an instance id, as far as we know."""
        return self._roomless(self.get(instance), now)

    def _roomless(self, attempt: Attempt | None, now: float) -> float:
        since = [self._without_room]
        if attempt is not None and attempt.cause == NO_ROOM and attempt.streak:
            since.append(attempt.since)
        return max((now - moment for moment in since if moment is not None), default=0.0)

    def longest_roomless(self, now: float) -> float:
        """The longest that ``roomless`` would say of any instance."""
        memory = (None, *(known.attempt for known in self._instances.values()))
        return max(self._roomless(attempt, now) for attempt in memory)

    def pending(self, instance: str, now: float) -> float:
        """For how many seconds an instance id has been known to await recovery."""
        since = self._of(instance).pending_since
        return 0.0 if since is None else now - since

    def observe(
        self, host: Host, now: float, dead: frozenset[str] = frozenset(), living: frozenset[str] = frozenset()
    ) -> None:
        """Learn from what Nova says of a host what became of the requests, this engine's and others'.

        :param dead: Nova's names of the hosts that are proved dead
        :param living: of those that are flagged, and live
        """
        self.hosts.sees_dead(dead | living, now)
        self.sees_records(host, now, dead)
        newest = {record.instance: record for record in host.evacuations}
        records = by_instance(host.evacuations)
        self.hosts.forgets_destined(records)
        for instance in host.instances:
            known = self._memory_of(instance.id)
            known.sees(instance, records.get(instance.id, ()), now)
            record, attempt = newest.get(instance.id), known.attempt
            if attempt is None:
                self._observe_stranger(instance, record, now)
            elif record and attempt.outcome in (ACCEPTED, UNCLEAR) and record.id > attempt.newest:
                self._observe_outcome(attempt, records[instance.id], now)

    def to_be_read(self, world: World, now: float) -> set[str]:
        """The ids of the instances on dead hosts of which it is to be read what was asked for them."""
        found: set[str] = set()
        for host in world.hosts:
            records = by_instance(host.evacuations) if host.instances else {}
            found |= {i.id for i in host.instances if i.id in records and self.is_unclear(i, records[i.id], now)}
        return found

    def observe_requests(self, world: World, now: float) -> None:
        """Learn from that."""
        dead = self.hosts.dead - self.hosts.living
        # A new engine has seen none of those dead that were recovered before.
        unheard = self.hosts.unheard | {host.nova_name for host in world.hosts if host.may_have_queued_requests}
        for host in world.hosts:
            records = by_instance(host.evacuations) if host.requests else {}
            for instance in host.instances if records else ():
                mine, attempt = records.get(instance.id, ()), self.get(instance.id)
                known = host.requests.get(instance.id)
                if known is None or not mine:
                    continue
                self.sees_requests(instance, known, mine, dead, unheard, now)
                if attempt is None or attempt.outcome not in (ACCEPTED, UNCLEAR):
                    continue
                if mine[-1].id > attempt.newest and self.is_left_over(mine[-1]):
                    self._observe_outcome(attempt, mine, now)

    def _observe_outcome(self, attempt: Attempt, records: Sequence[Migration], now: float) -> None:
        """The record of a request has shown: from now on it tells, not our memory of having asked."""
        record = records[-1]
        instance = record.instance
        if self.is_left_over(record):
            # What was asked for has ended, under a record of something that was asked for before.
            self._memory_of(instance).attempt = dataclasses.replace(attempt, newest=record.id)
            ended = [older for older in records if older.status in ENDED_BADLY]
            given_up = f"evacuation {record.id} was given up", UNKNOWN
            self.failed(instance, now, *(_explained(ended[-1]) if ended else given_up))
            return
        if record.in_flight:
            self._memory_of(instance).attempt = dataclasses.replace(attempt, until=now)
            return
        # Once counted, the same record must not count again.
        self._memory_of(instance).attempt = dataclasses.replace(attempt, newest=record.id)
        if record.status in FINISHED:
            self._settle(instance, ACCEPTED, now + SETTLE, f"evacuation {record.id} is {record.status}")
        else:
            self.failed(instance, now, *_explained(record))

    def _observe_stranger(self, instance: Instance, record: Migration | None, now: float) -> None:
        """Be slow to touch an instance that somebody else seems to have under way."""
        if record is None and instance.task_state in REBUILDING:
            # Nova sets the task state before it writes the record.
            reason = f"it is {instance.task_state}, by whom is not known"
            self._memory_of(instance.id).attempt = Attempt(UNCLEAR, until=now + SETTLE, reason=reason, settle=SETTLE)
        elif record is not None and record.status == "done":
            # Its source has not cleaned up since, so the instance cannot have come back: this view of it is old.
            self._memory_of(instance.id).attempt = Attempt(
                ACCEPTED, record.id, now + SETTLE, reason=f"evacuation {record.id} is done, yet Nova shows it here"
            )

    def forget(self, keep: Set[str], hosts: Collection[str]) -> set[str]:
        """Drop every attempt but those for the instance ids in ``keep`` and those still being sent.

        :param hosts: what is known of the starts and records of other hosts is dropped, too
        :return: the ids of the instances that are gone after Nova accepted, or may have accepted, to evacuate them
        """
        asked = {
            instance
            for instance, known in self._instances.items()
            if known.attempt is not None and known.attempt.outcome in (ACCEPTED, UNCLEAR)
        }
        self.lose_sight(keep, hosts)
        return asked - keep

    def forget_all(self) -> None:
        """Nothing is flagged any more: drop everything but what is still being sent."""
        self.forget(frozenset(), ())
        self.forget_records()

    def _settle(self, instance: str, outcome: str, until: float, reason: str, settle: float = 0.0) -> None:
        known = self._memory_of(instance)
        known.attempt = dataclasses.replace(
            known.attempt or Attempt(outcome), outcome=outcome, until=until, reason=reason, settle=settle
        )


def _explained(record: Migration) -> tuple[str, Code]:
    """What there is to say of a failed evacuation, and its cause."""
    if record.status == "error":
        return f"evacuation {record.id} found no host with room (no valid host)", NO_ROOM
    if record.status == "failed":
        return f"evacuation {record.id}: the instance could not be started on {record.destination}", SPAWN
    return f"evacuation {record.id} to {record.destination} ended in {record.status}", UNKNOWN
