# SPDX-License-Identifier: Apache-2.0
"""What is seen of the control plane's own life, and what that proves of a request: pure.

A request is not lost because it takes long: the conductor waits half an hour for a scheduler that lives. It is lost
when the process or the queue that had it is gone, and Nova's records and the services' reports tell when that is so.
Measured on Nova 34 (docs/exactly-once.md): compute hosts report through the message bus and the conductor; the
conductor reports straight to the database, also while the bus is away.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import NamedTuple

from nova_ha.rules import Rules
from nova_ha.snapshot import OVER, QUEUED, RUNNING, SCHEDULING, SENT, Migration, Request, Requests, Service, unread

# Seconds after a lost or accepted request in which its record must have shown, or it never took effect; and in which,
# the bus being at work, whoever has a message begins with it. Nova writes the record while it answers, and connects to
# a bus that is back within 30 s (oslo.messaging's rabbit_interval_max).
SETTLE = 60
# Seconds without a look at the hosts' reports after which Nova's API was away. They are looked at every ten seconds.
SILENCE = 45.0
# Seconds without a new report of any host after which the bus or the conductor was away: each host reports every 10 s
# (Nova's report_interval).
BREAK = 30.0
# Seconds without one after which it may have been so: two reports of each host.
PAUSE = 20.0
# Seconds in which all requests that are unclear have been read, and read again.
LOOKED = 20.0
# Seconds, beyond Nova's own times (``Rules.rpc_response_timeout`` and ``long_rpc_timeout``), for a conductor's reports,
# and for the queues before and after it.
FOR_REPORTS, FOR_QUEUES = 15.0, 180.0


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
_UNCLAIMED: tuple[frozenset[str], float] = (frozenset(), 0.0)


class Break(NamedTuple):
    """A time without reports, from the last one before it to the first one after it (Nova's times)."""

    began: str
    ended: str


class Evidence:
    """Since when which part of the control plane has been seen at work, and when it was not."""

    def __init__(self) -> None:
        self.go_by(Rules())
        self._answered_at = float("-inf")  # when Nova's API last told of services
        self._answering_since = float("-inf")  # since when it has done so without a break
        self._unread: dict[str, float] = {}  # host -> when Nova could not read its service last: its cell has been away
        self._newest_report = ""  # Nova's time of the newest report of any host
        self._reported_at = float("-inf")  # when that was seen to change
        self._working_since: float | None = None  # since when reports have come all the time
        self._break: Break | None = None  # the last one
        self._pause = ""  # Nova's time of the report that ended the last time in which none came for a while
        # id of a record -> (its time, when it was seen that the scheduler has answered)
        self._scheduled: dict[int, tuple[str, float]] = {}
        # conductor's host -> its newest report, and when it was read
        self._conductors: dict[str, tuple[str, float]] = {}
        self._standstills: dict[str, Break] = {}  # conductor's host -> its last long time without reports
        self._scheduling: dict[str, float] = {}  # id of a request -> when it was last seen to wait for the scheduler
        self._stages: dict[str, tuple[str, float]] = {}  # id of a request -> its stage, and since when it is seen so
        # id of a request -> the hosts that the scheduler may have claimed for it, and when that was first seen
        self._claimed: dict[str, tuple[frozenset[str], float]] = {}
        self._fates: dict[str, Fate] = {}  # id of a request -> its fate, where that is for good

    def go_by(self, rules: Rules) -> None:
        """Reckon with Nova's own times as the operator configured them, from now on."""
        self._heartbeats = rules.rpc_response_timeout + FOR_REPORTS
        self._longest = rules.long_rpc_timeout + FOR_QUEUES

    def sees_reports(self, services: Mapping[str, Service], now: float) -> None:
        """Learn since when Nova's API, and message bus and conductor, have been at work.

        :param services: of all compute hosts, by Nova's names of them. Only of those that Nova has up is the time that
            of a report: it moves with every change of a service
        """
        looked = now - self._answered_at <= SILENCE
        if not looked:
            self._answering_since = now
        self._answered_at = now
        self._unread.update(dict.fromkeys(unread(services), now))
        newest = max((s.last_report or "" for s in services.values() if s.up), default="")
        silent = now - self._reported_at > BREAK
        if newest <= self._newest_report:
            self._working_since = None if silent else self._working_since
            return
        if looked and self._newest_report and now - self._reported_at > PAUSE:
            self._pause = newest
        # What nobody looked at, because Nova's API was away, say, tells nothing.
        if silent and looked and self._newest_report:
            self._break = Break(self._newest_report, newest)
        self._newest_report, self._reported_at = newest, now
        if silent:
            self._working_since = now

    def sees_scheduled(self, record: Migration, now: float) -> None:
        """Learn that the scheduler has answered a request: a record's, or a later one's that took that over."""
        if record.created:
            self._scheduled.setdefault(record.id, (record.created, now))

    def sees_conductors(self, reports: Mapping[str, str]) -> None:
        """Learn which conductors stand still.

        :param reports: ``{host: Nova's time of its newest report}``
        """
        for host, newest in reports.items():
            if newest and self._newest_report and _seconds(newest, self._newest_report) >= self._heartbeats:
                # The last one ends all requests that a former one has ended.
                self._standstills[host] = Break(newest, self._newest_report)
            # Of the only one it shows when it is back: meanwhile no host reports. If it was looked at all along.
            before, read_at = self._conductors.get(host, (newest, self._answered_at))
            if self._answered_at - read_at <= SILENCE and before and _seconds(before, newest) >= self._heartbeats:
                self._standstills[host] = Break(before, newest)
            self._conductors[host] = newest, self._answered_at

    def answering_for(self, now: float, host: str | None = None) -> float:
        """For how many seconds Nova's API has answered without a break, and been able to read a host's service."""
        return now - max(self._answering_since, self._unread.get(host or "", float("-inf")))

    def at_work_for(self, now: float, host: str) -> float:
        """For how many seconds Nova's API, conductor and message bus have been seen at work for a host without a break.

        Other cells' reports tell nothing of the conductor of one whose database is away.
        """
        if self._working_since is None:
            return 0.0
        return now - max(self._working_since, self._unread.get(host, float("-inf")))

    def fates(
        self, known: Requests, source: str, dead: frozenset[str], now: float, may_hang: bool = True
    ) -> list[Fate]:
        """What is to be reckoned with of each request for an instance.

        :param source: Nova's name of the host that it is on
        :param dead: Nova's names of the hosts that are proved dead
        :param may_hang: whether Nova's API may have one that it has noted, and not passed on
        """
        begun = {request.compute.host for request in known.all if request.compute is not None}
        every = (known.claims or frozenset()) - {source}
        claims = every - begun
        found = []
        for request in known.all:
            # What was claimed for one was there before the next was sent, and stays.
            conductor = request.conductor
            if request.compute is None and conductor is not None and not conductor.found_no_host:
                # One that was sent has a claim: if none is left, it is on a host that an earlier one was for, too.
                mine = claims or (every if request.stage == SENT else claims)
                if mine:
                    self._claimed.setdefault(request.id, (mine, now))
                claims -= self._claimed.get(request.id, _UNCLAIMED)[0]
            found.append(self._fate(request, dead, may_hang, self.at_work_for(now, source), now))
        return found

    def _fate(self, request: Request, dead: frozenset[str], may_hang: bool, at_work: float, now: float) -> Fate:
        stage = request.stage
        if stage == OVER:
            self._scheduling.pop(request.id, None)
            return GONE
        former, since = self._stages.get(request.id, ("", now))
        if former != stage:
            # It has moved: what was thought of it was wrong, or is old.
            self._stages[request.id], since = (stage, now), now
            self._fates.pop(request.id, None)
        if request.id in self._fates:
            fate = self._fates[request.id]
            return Fate(False, queued_at=frozenset({fate.lost_at})) if fate.lost_at in dead else fate
        if stage == RUNNING:
            if request.compute is None or request.compute.host not in dead:
                return OPEN
            # Nobody takes that up again, also when the host is back.
            return self._for_good(request, GONE)
        claimed, claimed_at = self._claimed.get(request.id, _UNCLAIMED)
        # Of one that was sent, Nova tells since when; of one at the scheduler, the claim alone shows that it answered.
        at_rest = min(at_work, max(self._sent_for(request), now - claimed_at)) >= SETTLE
        if claimed:
            if claimed <= dead:
                return Fate(stage == SCHEDULING and not at_rest, queued_at=claimed)
            # The scheduler has answered: whoever was to go on with it has had the time.
            if at_rest and len(claimed) == 1:
                return self._for_good(request, Fate(False, min(claimed), claimed))
            return Fate(True, queued_at=claimed)
        self._scheduling.pop(request.id, None)
        if stage == SCHEDULING:
            self._scheduling[request.id] = now
        if at_work < SETTLE or stage == SENT:
            return Fate(True, untold=True)
        passed = self._is_bus_broken(request) or (not may_hang and self._is_later_scheduled(request.at, now))
        if stage == QUEUED and passed and not self._is_conductor_busy(since, now):
            return self._for_good(request, GONE)  # or it would have been begun with since
        if stage == SCHEDULING and (self._is_conductor_dead(request) or self._was_passed(request, now)):
            return self._for_good(request, GONE)
        return Fate(now - since < self._longest, untold=True)

    def _for_good(self, request: Request, fate: Fate) -> Fate:
        self._fates[request.id] = fate
        return fate

    def _sent_for(self, request: Request) -> float:
        """For how many seconds, by Nova's times, a request has been on its way to its destination."""
        if request.conductor is None or request.conductor.finish is None or not self._newest_report:
            return 0.0
        return _seconds(request.conductor.finish, self._newest_report)

    def _is_bus_broken(self, request: Request) -> bool:
        """Whether the bus was away after a request had been made, and so may have lost it."""
        return self._break is not None and self._break.ended > request.at

    def _is_conductor_busy(self, since: float, now: float) -> bool:
        """Whether it may have a message that it does not come to: each of its threads waits for a slow scheduler.

        :param since: when the message was first seen to wait
        """
        return now - since < LOOKED or any(now - seen < LOOKED for seen in self._scheduling.values())

    def _is_conductor_dead(self, request: Request) -> bool:
        """Whether the conductor that had a request at the scheduler stood still for so long that it is not waiting."""
        assert request.conductor is not None
        stood_still = self._standstills.get(request.conductor.host or "")
        if stood_still is None:
            return False
        return _seconds(max(stood_still.began, request.conductor.start), stood_still.ended) >= self._heartbeats

    def _was_passed(self, request: Request, now: float) -> bool:
        """Whether the conductor was away after it had begun, and what was asked for later has been scheduled for long.

        A conductor that was only frozen would have gone on by then; one that was killed for some seconds has not.
        """
        assert request.conductor is not None
        start = request.conductor.start
        return self._pause > start and self._is_later_scheduled(start, now)

    def _is_later_scheduled(self, moment: str, now: float) -> bool:
        """Whether something that was asked for after a moment of Nova's has been scheduled for long."""
        return any(created > moment and now - seen >= SETTLE for created, seen in self._scheduled.values())

    def forget_control_plane(self) -> None:
        """Nothing is flagged any more: of requests nothing need be known."""
        self._stages.clear()
        self._scheduling.clear()
        self._fates.clear()
        self._claimed.clear()
        self._standstills.clear()
        self._scheduled.clear()
        self._conductors.clear()
        self._unread.clear()


def _seconds(earlier: str, later: str) -> float:
    return (datetime.datetime.fromisoformat(later) - datetime.datetime.fromisoformat(earlier)).total_seconds()
