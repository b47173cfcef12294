# SPDX-License-Identifier: Apache-2.0
"""Which recovery each event of the history belongs to, and what became of each recovery: pure.

A recovery begins when a host is taken up, and ends when its flag is deleted. An engine that takes over goes on with it.
Its id is ``HOST@EPOCH``: when the host was first taken up. As it follows from the events, all nodes have the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nova_ha.reporting.events import Event

# Seconds before a host was taken up, or after its flag was deleted, in which what operators ordered, and what was told
# of the host, belongs to the recovery: so long may lie between the death of a host that the guard holds and the order
# to let it go.
NEAR = 3600.0


@dataclasses.dataclass
class Recovery:
    """One host's, as far as it is known.

    :ivar id: see above
    :ivar events: its own, oldest first
    :ivar begun: when the host was first taken up, seconds since the epoch
    :ivar ended: when its flag was deleted; None if it is not known to have been
    """

    id: str
    host: str
    begun: float
    ended: float | None = None
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def is_recovered(self) -> bool:
        """Whether no instance of the host was left to recover."""
        return any(event["event"] == Event.HOST_RECOVERED for event in self.events)


def recoveries(events: Iterable[dict[str, Any]]) -> list[Recovery]:
    """All of them, by when they began.

    :param events: oldest first
    """
    found: list[Recovery] = []
    newest: dict[str, Recovery] = {}
    before: dict[str, list[dict[str, Any]]] = {}  # of a host, what was told before it was taken up
    for event in events:
        host, known = event["host"], newest.get(event["host"])
        if _begins(event, known):
            known = newest[host] = Recovery(f"{host}@{event['time']:.0f}", host, event["time"])
            known.events = [each for each in before.pop(host, []) if each["time"] >= event["time"] - NEAR]
            found.append(known)
        if known is None or not _is_of(event, known):
            before.setdefault(host, []).append(event)
            continue
        known.events.append(event)
        if event["event"] == Event.FLAG_CLEARED:
            known.ended = event["time"]
    return found


def numbered(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events, each with the id of the ``recovery`` that it belongs to, or None.

    :param events: oldest first
    """
    every = list(events)
    ids = {id(event): recovery.id for recovery in recoveries(every) for event in recovery.events}
    return [{**event, "recovery": ids.get(id(event))} for event in every]


def _begins(event: Mapping[str, Any], known: Recovery | None) -> bool:
    """Whether a recovery begins with an event.

    :param known: the host's newest so far
    """
    if event["event"] == Event.HOST_CLAIMED:
        # One that was not over yet has been taken over, or its host was fenced once more.
        return known is None or known.ended is not None or known.is_recovered()
    # The beginning may be too old to be kept.
    return known is None and event["event"] in (Event.INSTANCE_EVACUATED, Event.EVACUATION_ACCEPTED)


def _is_of(event: Mapping[str, Any], known: Recovery) -> bool:
    """Whether an event is of a recovery that has begun: also what is seen to for its instances when it is over."""
    return known.ended is None or bool(event["instance"]) or event["time"] == known.ended
