# SPDX-License-Identifier: Apache-2.0
"""What a receiver has taken: of each condition, whether it stands, as far as the receiver knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from nova_ha.notifications.notification import FIRING, Notification

# Seconds for which it is known that the end of a condition was taken, and for how many at most.
KEPT, MOST_KEPT = 86400.0, 500


class Taken(NamedTuple):
    """The last that was taken about a condition.

    :param firing: whether it was that it stands
    :param since: since when it stood; seconds since the epoch
    :param time: when that notification was made; likewise
    """

    firing: bool
    since: float
    time: float


class Ledger:
    """Those of one receiver, by the keys of their conditions."""

    def __init__(self, taken: Mapping[str, Taken] | None = None) -> None:
        self._taken = dict(taken or {})

    def firing(self) -> dict[str, float]:
        """The conditions that stand, as the receiver knows, each with since when."""
        return {key: taken.since for key, taken in self._taken.items() if taken.firing}

    def has(self, notification: Notification) -> bool:
        """Whether the receiver took it, or what was told later about the same."""
        taken = self._taken.get(notification.key)
        return taken is not None and taken.time >= notification.time

    def last(self, key: str) -> float:
        """When the last that was taken about a condition was made."""
        taken = self._taken.get(key)
        return taken.time if taken is not None else 0.0

    def take(self, notifications: Iterable[Notification], now: float) -> None:
        """The receiver has taken these.

        :param now: seconds since the epoch; what ended long ago is forgotten
        """
        for each in notifications:
            self._taken[each.key] = Taken(each.status == FIRING, each.since, each.time)
        self._forget(now)

    def learn(self, other: Ledger) -> None:
        """What the receiver has taken from another engine; of what both know, the later counts."""
        for key, taken in other._taken.items():
            if taken.time > self.last(key):
                self._taken[key] = taken

    def _forget(self, now: float) -> None:
        ended = sorted((each.time, key) for key, each in self._taken.items() if not each.firing)
        for number, (time, key) in enumerate(reversed(ended)):
            if number >= MOST_KEPT or now - time > KEPT:
                del self._taken[key]

    def as_dict(self) -> dict[str, list[Any]]:
        """As plain data that JSON can hold."""
        return {key: list(taken) for key, taken in self._taken.items()}

    @classmethod
    def from_dict(cls, former: object) -> Ledger:
        """What ``as_dict`` has given; what cannot be understood is left out."""
        found = {}
        for key, taken in former.items() if isinstance(former, dict) else ():
            if isinstance(taken, list) and len(taken) == 3 and all(isinstance(each, (int, float)) for each in taken):
                found[str(key)] = Taken(bool(taken[0]), float(taken[1]), float(taken[2]))
        return cls(found)
