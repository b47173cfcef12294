# SPDX-License-Identifier: Apache-2.0
"""What one receiver is still to be told: on disk, so that neither the engine's end nor a reboot loses it.

A disk that cannot be written loses nothing while the engine runs: what is not on it is in memory, and is written as
soon as that works.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from nova_ha.notifications.conditions import KINDS, Condition
from nova_ha.notifications.ledger import Ledger
from nova_ha.notifications.notification import FIRING, RESOLVED, Notification, begun
from nova_ha.notifications.spool import Spool

log = logging.getLogger("nova-ha")

# How many are kept; beyond that the oldest is lost, with a warning: a receiver that takes nothing for months.
MOST = 10_000


class Waiting(NamedTuple):
    """A notification that is not taken yet."""

    number: int
    notification: Notification


class Outbox:
    """One receiver's; safe to share between threads.

    :param id: the receiver's
    :param name: likewise, for messages
    :param wanted: the kinds of conditions that the receiver is told of
    :ivar version: another one whenever the receiver has taken something
    :ivar unsaved: why the disk cannot be written; None: it can
    """

    def __init__(self, id: str, name: str, wanted: Collection[str], spool: Spool) -> None:
        self.id = id
        self.version = 0
        self._name = name
        self._wanted = wanted
        self._spool = spool
        self._lock = threading.Lock()
        self._ledger = Ledger.from_dict(spool.ledger())
        self._waiting: list[Waiting] = []
        self._made: dict[str, float] = {}  # when the last about each condition was
        self._unsaved: dict[int, Notification] = {}
        self._ledger_unsaved = False
        self.unsaved: str | None = None
        entries = spool.entries()
        self._next = max(entries, default=0) + 1
        for number, entry in entries.items():
            self._load(number, entry)

    def told(self) -> dict[str, float]:
        """The conditions that stand as the receiver knows, or will know when it has taken all; each with since when."""
        with self._lock:
            return self._told()

    def reconcile(self, conditions: Mapping[str, Condition], over: Mapping[str, str], now: float) -> bool:
        """Have told what stands and was not told, and what was told and does not stand any more; whether there is any.

        :param conditions: those that stand, by their keys
        :param over: those that surely do not stand, each with what is said of that
        :param now: seconds since the epoch
        """
        with self._lock:
            told, first = self._told(), self._next
            for key, condition in conditions.items():
                if condition.kind.value in self._wanted and condition.begins and key not in told:
                    self._add(begun(condition, self._later(key, now)))
            for key, summary in over.items():
                if key in told:
                    self._add(self._end(key, summary, told[key], self._later(key, now)))
            self._save()
            return self._next != first

    def next(self, most: int) -> list[Waiting]:
        """The oldest that are not taken yet, so many at most."""
        with self._lock:
            return self._waiting[:most]

    def took(self, taken: Sequence[Waiting], now: float) -> None:
        """The receiver has taken these.

        :param now: seconds since the epoch
        """
        with self._lock:
            self._ledger.take((each.notification for each in taken), now)
            self._has_taken()
            self._save()
            self._drop(taken)

    def refused(self, refused: Waiting) -> None:
        """The receiver will never take this one: it is set aside, and counts as told."""
        with self._lock:
            self._ledger.take([refused.notification], refused.notification.time)
            self._has_taken()
            self._tried(self._spool.set_aside, refused.number, refused.notification.as_dict())
            self._save()
            self._drop([refused])

    def learn(self, other: Ledger) -> None:
        """What another engine has told the receiver is not told again."""
        with self._lock:
            self._ledger.learn(other)
            self._has_taken()
            self._drop([each for each in self._waiting if self._ledger.has(each.notification)])
            self._save()

    def ledger(self, firing_only: bool = False) -> dict[str, list[Any]]:
        """What the receiver has taken, as plain data.

        :param firing_only: without what is over
        """
        with self._lock:
            known = self._ledger.as_dict()
            return {key: taken for key, taken in known.items() if taken[0]} if firing_only else known

    def _has_taken(self) -> None:
        self._ledger_unsaved = True
        self.version += 1

    def _told(self) -> dict[str, float]:
        told = self._ledger.firing()
        for _, each in self._waiting:
            if each.status == FIRING:
                told[each.key] = each.since
            else:
                told.pop(each.key, None)
        return told

    def _later(self, key: str, now: float) -> float:
        """Now, but later than what was told about the same, though the clock was set back or is another node's."""
        return max(now, max(self._ledger.last(key), self._made.get(key, 0.0)) + 0.001)

    @staticmethod
    def _end(key: str, summary: str, since: float, now: float) -> Notification:
        kind, host, code = key.split("/")
        severity = KINDS[kind].severity
        return Notification(RESOLVED, kind, severity, host or None, code or None, summary, None, (), since, now)

    def _add(self, notification: Notification) -> None:
        self._waiting.append(Waiting(self._next, notification))
        self._made[notification.key] = notification.time
        self._unsaved[self._next] = notification
        self._next += 1
        if len(self._waiting) > MOST:
            log.warning("notifications: %s takes none: the oldest of %s is dropped", self._name, MOST)
            self._drop(self._waiting[:1])

    def _load(self, number: int, entry: Any) -> None:
        try:
            notification = Notification.from_dict(entry if isinstance(entry, dict) else {})
        except ValueError as error:
            log.warning("notifications: one for %s cannot be understood, and is left out: %s", self._name, error)
            return
        if self._ledger.has(notification):
            self._tried(self._spool.remove, number)
        else:
            self._waiting.append(Waiting(number, notification))
            self._made[notification.key] = notification.time

    def _drop(self, dropped: Sequence[Waiting]) -> None:
        gone = {each.number for each in dropped}
        self._waiting = [each for each in self._waiting if each.number not in gone]
        for number in gone:
            if self._unsaved.pop(number, None) is None:
                self._tried(self._spool.remove, number)

    def _save(self) -> None:
        """Write what is not on the disk yet; what cannot be written is tried again the next time."""
        for number, notification in list(self._unsaved.items()):
            if not self._tried(self._spool.add, number, notification.as_dict()):
                return
            del self._unsaved[number]
        if self._ledger_unsaved and self._tried(self._spool.write_ledger, self._ledger.as_dict()):
            self._ledger_unsaved = False

    def _tried(self, act: Callable[..., None], *arguments: object) -> bool:
        """Change the spool; whether that went well. That it does not is told once."""
        try:
            act(*arguments)
        except OSError as error:
            if self.unsaved is None:
                log.warning("notifications: not on disk, so lost if the engine ends before they are taken: %s", error)
            self.unsaved = str(error)
            return False
        self.unsaved = None
        return True
