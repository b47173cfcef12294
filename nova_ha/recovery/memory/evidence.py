# SPDX-License-Identifier: Apache-2.0
"""What Nova's records, and the control plane's own life, prove of a request: pure.

A request is not lost because it takes long: the conductor waits half an hour for a scheduler that lives. It is lost
when the process or the queue that had it is gone, and Nova's records and the services' reports tell when that is so.
docs/exactly-once.md has what was measured, and the rules as tables.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import NamedTuple

from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SCHEDULING, SENT, Request, Requests
from nova_ha.model.snapshot import Migration
from nova_ha.recovery.memory.control_plane import ControlPlane
from nova_ha.recovery.memory.timing import LOOKED, SETTLE


class Fate(NamedTuple):
    """What is to be reckoned with of a request.

    :param open: whether somebody may be at work on it, or come to be
    :param lost_at: its destination, if it is lost, but the destination may have begun with it unseen: asked for again,
        it must be on that host only
    :param queued_at: hosts that may have it queued: if one dies, it may take it up when it returns
    :param untold: whether nothing tells where it may be queued
    """

    open: bool
    lost_at: str | None = None
    queued_at: frozenset[str] = frozenset()
    untold: bool = False


OPEN, GONE = Fate(True), Fate(False)


@dataclasses.dataclass
class _Progress:
    """How far a request has been seen to come. Kept as long as its instance is, see ``Evidence.keep``.

    :param stage: see ``Request.stage``; "" before it was looked at
    :param since: since when it is seen so
    :param claimed: the hosts that the scheduler may have claimed for it; empty as long as that is not known
    :param claimed_at: when that was first seen
    :param fate: its fate, where that is for good
    """

    since: float
    stage: str = ""
    claimed: frozenset[str] = frozenset()
    claimed_at: float = 0.0
    fate: Fate | None = None


class Evidence:
    """How far each request has come, as far as that has been seen, and which are lost.

    :param control_plane: what has been seen of those who work on requests
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._requests: dict[str, _Progress] = {}  # by their ids
        # id of a request that waits for the scheduler -> when it was last seen to. Asked for of each that is queued
        self._scheduling: dict[str, float] = {}
        self._scheduled_by = ""  # Nova's time of the newest record that the scheduler has answered ``SETTLE`` ago
        # id of a newer record, or of a request -> (its time, when it was seen that the scheduler has answered)
        self._scheduled: dict[int | str, tuple[str, float]] = {}

    def sees_scheduled(self, record: Migration, now: float) -> None:
        """Learn that the scheduler has answered a request: a record's, or a later one's that took that over."""
        if record.created:
            self._see_scheduled(record.id, record.created, now)

    def _see_scheduled(self, id: int | str, asked_at: str, now: float) -> None:
        self._settle_scheduled(now)
        if asked_at > self._scheduled_by:
            self._scheduled.setdefault(id, (asked_at, now))

    def _settle_scheduled(self, now: float) -> None:
        while self._scheduled:
            first = next(iter(self._scheduled))  # the one that was seen first
            asked_at, seen = self._scheduled[first]
            if now - seen < SETTLE:
                break
            self._scheduled_by = max(self._scheduled_by, asked_at)
            del self._scheduled[first]

    def fates(
        self,
        known: Requests,
        source: str | None,
        dead: frozenset[str],
        now: float,
        may_come: bool = True,
        unheard: frozenset[str] = frozenset(),
    ) -> list[Fate]:
        """What is to be reckoned with of each request for an instance.

        :param source: Nova's name of the host that it is on
        :param dead: Nova's names of the hosts that are proved dead
        :param may_come: whether one may still come to a conductor: Nova's API may have it yet, or has passed it on
        :param unheard: likewise of those that were dead, and have not reported since: a queue there has not been begun
            with
        """
        off = dead | unheard
        begun = {request.compute.host for request in known.all if request.compute is not None}
        every = frozenset(host for host in known.claims or () if host != source)
        claims = every.difference(begun)
        at_work = self._control_plane.at_work_for(now, source)
        found = []
        for request in known.all:
            progress = self._requests.setdefault(request.id, _Progress(now))
            if request.is_scheduled:
                # One that took over an older record is not told by its own.
                self._see_scheduled(request.id, request.at, now)
            # What was claimed for one was there before the next was sent, and stays.
            conductor = request.conductor
            if request.compute is None and conductor is not None and not conductor.found_no_host:
                # One that was sent has a claim: if none is left, it is on a host that an earlier one was for, too.
                mine = claims or (every if request.stage == SENT else claims)
                if mine and not progress.claimed:
                    progress.claimed, progress.claimed_at = mine, now
                claims -= progress.claimed
            self._see_stage(request, progress, now)
            found.append(self._fate(request, progress, dead, off, may_come, at_work, now))
        return found

    def _see_stage(self, request: Request, progress: _Progress, now: float) -> None:
        """Learn at which stage it is. If it has moved, what was thought of it was wrong, or is old."""
        if progress.stage != request.stage:
            progress.stage, progress.since, progress.fate = request.stage, now, None
        self._scheduling.pop(request.id, None)
        if request.stage == SCHEDULING and not progress.claimed and progress.fate is None:
            self._scheduling[request.id] = now

    def _fate(
        self,
        request: Request,
        progress: _Progress,
        dead: frozenset[str],
        off: frozenset[str],
        may_come: bool,
        at_work: float,
        now: float,
    ) -> Fate:
        if request.stage == OVER:
            return GONE
        fate = progress.fate
        if fate is not None:
            return Fate(False, queued_at=frozenset({fate.lost_at})) if fate.lost_at in off else fate
        if request.stage == RUNNING:
            # Nobody takes up again what died with its host, also when that is back.
            died = request.compute is not None and request.compute.host in dead
            return _for_good(progress, GONE) if died else OPEN
        if progress.claimed:
            return self._fate_of_claimed(request, progress, off, at_work, now)
        if at_work < SETTLE or request.stage == SENT:
            return Fate(True, untold=True)
        since = progress.since
        if self._is_message_lost(request, since, may_come, now) or self._is_conductor_gone(request, now):
            return _for_good(progress, GONE)
        return Fate(now - since < self._control_plane.longest, untold=True)

    def handed_on_at(self, request: Request) -> float:
        """When a request was first seen to be handed on to its destination; infinity if that is still to be seen."""
        progress = self._requests.get(request.id)
        return progress.since if progress is not None and progress.stage == request.stage == SENT else float("inf")

    def _fate_of_claimed(
        self, request: Request, progress: _Progress, off: frozenset[str], at_work: float, now: float
    ) -> Fate:
        claimed = progress.claimed
        # Of one that was sent, Nova tells since when; of one at the scheduler, the claim alone shows that it answered.
        at_rest = min(at_work, max(self._sent_for(request), now - progress.claimed_at)) >= SETTLE
        if claimed <= off:
            return Fate(request.stage == SCHEDULING and not at_rest, queued_at=claimed)
        # The scheduler has answered: whoever was to go on with it has had the time.
        if at_rest and len(claimed) == 1:
            return _for_good(progress, Fate(False, min(claimed), claimed))
        return Fate(True, queued_at=claimed)

    def _sent_for(self, request: Request) -> float:
        """For how many seconds, by Nova's times, a request has been on its way to its destination."""
        if request.conductor is None or request.conductor.finish is None:
            return 0.0
        return self._control_plane.reported_since(request.conductor.finish)

    def _is_message_lost(self, request: Request, since: float, may_come: bool, now: float) -> bool:
        """Whether one that no conductor has begun with is lost: else it would have been begun with since.

        :param since: when it was first seen to wait
        """
        if request.stage != QUEUED:
            return False
        # Each thread of the conductor may wait for a slow scheduler: then it does not come to its messages.
        is_busy = now - since < LOOKED or any(now - seen < LOOKED for seen in self._scheduling.values())
        passed = not may_come and self._is_later_scheduled(request.at, now)
        return not is_busy and (passed or self._control_plane.lost_messages_since(request.at, now))

    def _is_conductor_gone(self, request: Request, now: float) -> bool:
        """Whether the conductor that had one at the scheduler is not waiting for that any more.

        One that was only frozen for some seconds would have gone on by then; one that was killed has not.
        """
        if request.stage != SCHEDULING or request.conductor is None:
            return False
        start, conductor = request.conductor.start, request.conductor.host
        if self._control_plane.has_given_up(start, conductor):
            return True
        return self._control_plane.may_have_restarted_since(start, conductor) and self._is_later_scheduled(start, now)

    def _is_later_scheduled(self, moment: str, now: float) -> bool:
        """Whether something that was asked for after a moment of Nova's has been scheduled for long."""
        self._settle_scheduled(now)
        return self._scheduled_by > moment

    def keep(self, ids: Set[str]) -> None:
        """Forget all requests but those with these ids."""
        for id in self._requests.keys() - ids:
            del self._requests[id]
            self._scheduling.pop(id, None)

    def forget(self) -> None:
        """Nothing is flagged any more: of requests nothing need be known."""
        self._requests.clear()
        self._scheduling.clear()
        self._scheduled.clear()
        self._scheduled_by = ""


def _for_good(progress: _Progress, fate: Fate) -> Fate:
    progress.fate = fate
    return fate
