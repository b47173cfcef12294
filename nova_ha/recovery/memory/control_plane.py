# SPDX-License-Identifier: Apache-2.0
"""Since when which part of Nova's control plane has been seen at work, and when it was not: pure.

Measured on Nova 34 (docs/exactly-once.md): compute hosts report through the message bus and the conductor; the
conductor reports straight to the database, also while the bus is away.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
from collections.abc import Mapping
from typing import NamedTuple

from nova_ha.model.snapshot import Service, conductors, unread
from nova_ha.policy.rules import Rules
from nova_ha.recovery.memory.timing import (
    BREAK,
    FOR_BACKLOG,
    FOR_QUEUES,
    FOR_REPORTS,
    LOOK,
    PAUSE,
    SILENCE,
    SLOWER,
)

_NEVER = float("-inf")


class Break(NamedTuple):
    """A time without reports, from the last one before it to the first one after it (Nova's times)."""

    began: str
    ended: str
    seen_at: float = _NEVER  # when the end of it was seen
    witnesses: frozenset[str] = frozenset()  # hosts that had reported just before it


@dataclasses.dataclass
class _Reports:
    """What has been seen of a compute host's reports. Kept until nothing is flagged any more.

    :param newest: Nova's time of the newest one of a host that has not been forced down since; "" if there was none
    :param moved_at: when that was first seen
    :param unread_at: when Nova could not read its service last: its cell has been away
    """

    newest: str = ""
    moved_at: float = _NEVER
    unread_at: float = _NEVER


@dataclasses.dataclass
class _Conductor:
    """What has been seen of the reports of a host's conductor. Kept until nothing is flagged any more.

    :param newest: Nova's time of the newest one, "" if there was none
    :param read_at: when that was read
    :param standstill: its last long time without reports
    :param paused_until: Nova's time of the report that ended its last pause
    """

    newest: str
    read_at: float
    standstill: Break | None = None
    paused_until: str = ""


class ControlPlane:
    """What has been seen of Nova's API, message bus and conductors.

    What is remembered of them as a whole is kept for good; of requests, hosts and conductors until nothing is flagged.

    :ivar longest: seconds for which a conductor waits at most for a scheduler that lives
    """

    def __init__(self) -> None:
        self.go_by(Rules())
        self._answered_at = _NEVER  # when Nova's API last told of services
        self._answering_since = _NEVER  # since when it has done so without a break
        self._slowest: float | None = None  # seconds, by Nova's times, that a request took until it was scheduled
        self._newest_report = ""  # Nova's time of the newest report of any host
        self._reported_at = _NEVER  # when that was seen to change
        self._silent_at = _NEVER  # when it was looked at last, and had not changed
        self._working_since: float | None = None  # since when reports have come all the time
        # seconds for which all must have been at work since -> the last break after which that proves a message lost
        self._breaks: dict[float, Break] = {}
        self._hosts: dict[str, _Reports] = collections.defaultdict(_Reports)
        self._conductors: dict[str, _Conductor] = {}  # by the host

    def go_by(self, rules: Rules) -> None:
        """Reckon with Nova's own times as the operator configured them, from now on."""
        self._heartbeats = rules.rpc_response_timeout + FOR_REPORTS
        self.longest = rules.long_rpc_timeout + FOR_QUEUES

    def sees_reports(self, services: Mapping[str, Service], now: float) -> None:
        """Learn since when Nova's API, and message bus and conductor, have been at work.

        :param services: of all compute hosts, by Nova's names of them. Only of those that Nova has up is the time that
            of a report: it moves with every change of a service
        """
        looked = now - self._answered_at <= SILENCE
        if not looked:
            self._answering_since = now
        self._answered_at = now
        for host in unread(services):
            self._hosts[host].unread_at = now
        self.sees_conductors(conductors(services))
        self._see_hosts(max((s.last_report or "" for s in services.values() if s.up), default=""), looked, now)
        for host, service in services.items():
            reports = self._hosts[host]
            if service.up and reports.newest != service.last_report:
                reports.newest, reports.moved_at = service.last_report or "", now
            elif service.forced_down:
                reports.newest, reports.moved_at = "", _NEVER

    def _see_hosts(self, newest: str, looked: bool, now: float) -> None:
        silent = now - self._reported_at > BREAK
        if newest <= self._newest_report:
            self._working_since = None if silent else self._working_since
            self._silent_at = now
            return
        # What nobody looked at, because Nova's API was away, say, or the engine late, tells nothing.
        seen = min(now, self._silent_at + LOOK) - self._reported_at
        if looked and self._newest_report and seen > PAUSE:
            before = (host for host, known in self._hosts.items() if known.moved_at >= self._reported_at - PAUSE)
            pause = Break(self._newest_report, newest, now, frozenset(before))
            self._breaks[0.0 if seen > BREAK else FOR_QUEUES] = pause
        self._newest_report, self._reported_at = newest, now
        if silent:
            self._working_since = now

    def sees_conductors(self, reports: Mapping[str, str]) -> None:
        """Learn which conductors stand still.

        :param reports: ``{host: Nova's time of its newest report}``
        """
        for host, newest in reports.items():
            known = self._conductors.setdefault(host, _Conductor("", self._answered_at))
            if newest and self._newest_report and _seconds(newest, self._newest_report) >= self._heartbeats:
                # The last one ends all requests that a former one has ended.
                known.standstill = Break(newest, self._newest_report)
            # Of the only one it shows when it is back: meanwhile no host reports. If it was looked at all along.
            unseen = self._answered_at - known.read_at
            missed = _seconds(known.newest, newest) if known.newest and newest else 0.0
            # Of a late engine: it may have reported since the last look, just after that.
            missed -= max(0.0, unseen - LOOK)
            if unseen <= SILENCE and missed > PAUSE:
                known.paused_until = newest
            if unseen <= SILENCE and missed >= self._heartbeats:
                known.standstill = Break(known.newest, newest)
            known.newest, known.read_at = newest, self._answered_at

    def answering_for(self, now: float, host: str | None = None) -> float:
        """For how many seconds Nova's API has answered without a break, and been able to read a host's service."""
        return now - max(self._answering_since, self._unread_at(host))

    def at_work_for(self, now: float, host: str | None) -> float:
        """For how many seconds Nova's API, conductor and message bus have been seen at work for a host without a break.

        Other cells' reports tell nothing of the conductor of one whose database is away.
        """
        if self._working_since is None:
            return 0.0
        return now - max(self._working_since, self._unread_at(host))

    def _unread_at(self, host: str | None) -> float:
        known = self._hosts.get(host or "")
        return _NEVER if known is None else known.unread_at

    def reported_since(self, moment: str) -> float:
        """Seconds, by Nova's times, from a moment to the newest report; 0 if there is none."""
        return _seconds(moment, self._newest_report) if self._newest_report else 0.0

    def lost_messages_since(self, moment: str, now: float) -> bool:
        """Whether the bus or the conductor was away after a moment of Nova's, and what had not been begun with is lost.

        The bus loses what is in its queues; a conductor that is killed what it has taken, and not begun with. Whoever
        was only slow has had the time to begin with it.
        """
        return any(
            last.ended > moment and now - last.seen_at >= self._backlog(patience, last)
            for patience, last in self._breaks.items()
        )

    def sees_time_to_schedule(self, asked_at: str, was_seen: bool) -> None:
        """Learn how long requests take until they are scheduled, from one that is seen to be.

        :param asked_at: Nova's time at which it was made
        :param was_seen: whether it had been seen to wait; else it may have been scheduled long ago
        """
        took = self.reported_since(asked_at)
        if was_seen or took <= PAUSE:
            self._slowest = max(self._slowest or 0.0, took)

    def _backlog(self, patience: float, pause: Break) -> float:
        """For how many seconds after a break the conductor may come to what waits for it."""
        if self._slowest is None or not self._is_witnessed(pause):
            return FOR_BACKLOG
        return min(FOR_BACKLOG, patience + SLOWER * self._slowest)

    def _is_witnessed(self, pause: Break) -> bool:
        """Whether several hosts fell silent and report again: of one alone, nova-compute may have been restarted."""
        known = (self._hosts.get(host) for host in pause.witnesses)
        return sum(each is not None and each.newest > pause.began for each in known) > 1

    def may_have_restarted_since(self, moment: str, conductor: str | None) -> bool:
        """Whether a host's conductor has been away for some seconds after a moment of Nova's."""
        known = self._conductors.get(conductor or "")
        ends = [last.ended for last in self._breaks.values()] + [known.paused_until if known else ""]
        return max(ends) > moment

    def has_given_up(self, moment: str, conductor: str | None) -> bool:
        """Whether a host's conductor has stood still after a moment of Nova's until it waits for no scheduler."""
        known = self._conductors.get(conductor or "")
        stood_still = known.standstill if known else None
        if stood_still is None:
            return False
        return _seconds(max(stood_still.began, moment), stood_still.ended) >= self._heartbeats

    def forget(self) -> None:
        """Nothing is flagged any more: of requests nothing need be known."""
        self._slowest = None
        self._hosts.clear()
        self._conductors.clear()


def _seconds(earlier: str, later: str) -> float:
    return (datetime.datetime.fromisoformat(later) - datetime.datetime.fromisoformat(earlier)).total_seconds()
