# SPDX-License-Identifier: Apache-2.0
"""What the engine has counted and timed since it first ran on this node: events, and how long recoveries took.

A restart of the engine on the same node goes on with them; on another node they begin anew, as counters of Prometheus'
may.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from typing import Any

from nova_ha.reporting.events import Event

# Upper bounds of the buckets, in seconds: from a small guest's start to a recovery that waits for room.
BOUNDS = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 7200)

# By the event that ends it, what is timed, from when its host was taken up.
TIMED = {
    Event.INSTANCE_EVACUATED: "instance_outage",
    Event.HOST_RECOVERED: "recovery",
    Event.HOST_IN_SERVICE: "return_to_service",
}


class Histogram:
    """How often something took how long."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def see(self, seconds: float) -> None:
        """Once more, so many seconds."""
        self._counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def as_dict(self) -> dict[str, Any]:
        """As ``{"counts": of each bucket and of what is beyond, "sum": seconds}``."""
        return {"counts": list(self._counts), "sum": round(self._sum, 3)}

    @classmethod
    def from_dict(cls, former: object) -> Histogram:
        """What ``as_dict`` has given; a new one, if it is of another version."""
        histogram = cls()
        if isinstance(former, dict):
            counts, total = former.get("counts"), former.get("sum")
            if isinstance(counts, list) and len(counts) == len(BOUNDS) + 1 and isinstance(total, (int, float)):
                histogram._counts, histogram._sum = [int(count) for count in counts], float(total)
        return histogram


class Counters:
    """All of it, known from the events."""

    def __init__(self) -> None:
        self._events: dict[str, int] = {}
        self._timed = {name: Histogram() for name in TIMED.values()}

    @classmethod
    def from_dict(cls, former: object) -> Counters:
        """What ``as_dict`` has given; what cannot be understood is left out."""
        counters = cls()
        if isinstance(former, dict):
            events, timed = former.get("events"), former.get("timed")
            if isinstance(events, dict):
                known = {event.value for event in Event}
                counters._events = {name: int(number) for name, number in events.items() if name in known}
            if isinstance(timed, dict):
                counters._timed = {name: Histogram.from_dict(timed.get(name)) for name in TIMED.values()}
        return counters

    def see(self, event: Event, seconds: float | None) -> None:
        """Count an event.

        :param seconds: since its host was taken up, None if that is not known
        """
        self._events[event.value] = self._events.get(event.value, 0) + 1
        if event in TIMED and seconds is not None:
            self._timed[TIMED[event]].see(max(0.0, seconds))

    def as_dict(self) -> Mapping[str, Any]:
        """As plain data that JSON can hold."""
        return {
            "events": dict(self._events),
            "timed": {name: histogram.as_dict() for name, histogram in self._timed.items()},
        }
