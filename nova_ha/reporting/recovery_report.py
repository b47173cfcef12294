# SPDX-License-Identifier: Apache-2.0
"""What a recovery was like, for those who write it up afterwards: pure, from the history.

Seconds count from when an engine first took the host up: when its instances began to be down, the history does not
know. ``nova_ha/schemas/report.json`` describes the whole.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from nova_ha.reporting.events import Event
from nova_ha.reporting.recoveries import NEAR, Recovery

# What has become of an instance. OPEN: the recovery goes on; UNTOLD: it is over, and nothing was told of the instance's
# end: its owner has deleted or moved it.
EVACUATED, LEFT, DELETED, OPEN, UNTOLD = "evacuated", "left", "deleted", "open", "untold"
OUTCOMES = (EVACUATED, LEFT, DELETED, OPEN, UNTOLD)

# States of a recovery: its flag is deleted; nothing is left to recover, and the host is not back; neither.
OVER, RECOVERED, GOING_ON = "over", "recovered", "going_on"

# The phases, each by the event with which it is reached, and whether the first or the last of its kind.
_FIRST, _LAST = 0, -1
PHASES: tuple[tuple[str, Event, int], ...] = (
    ("taken_up", Event.HOST_CLAIMED, _FIRST),
    ("forced_down", Event.HOST_DISABLED, _FIRST),
    ("first_request", Event.EVACUATION_ACCEPTED, _FIRST),
    ("first_back", Event.INSTANCE_EVACUATED, _FIRST),
    ("all_back", Event.INSTANCE_EVACUATED, _LAST),
    ("recovered", Event.HOST_RECOVERED, _LAST),
    ("in_service", Event.HOST_IN_SERVICE, _LAST),
    ("closed", Event.FLAG_CLEARED, _LAST),
)

_REFUSALS = (Event.EVACUATION_NOT_ACCEPTED, Event.INSTANCE_STEP_FAILED)
# Phases that are reached only when it is known that nothing more comes.
_OF_WHOLE = ("all_back",)

_Event = Mapping[str, Any]


class Phase(TypedDict):
    """One that was reached."""

    phase: str
    time: float
    seconds: float


class Outage(TypedDict):
    """How long instances took until they were elsewhere, in seconds."""

    median: float
    most: float
    longest: float
    instance: str


class Fate(TypedDict):
    """What has become of an instance, see OUTCOMES."""

    instance: str
    outcome: str
    seconds: float | None
    failures: int
    code: str | None
    reason: str | None
    requests: list[str]


class Summary(TypedDict):
    """The short of it."""

    id: str
    host: str
    state: str
    begun: float
    ended: float | None
    engines: list[str]
    instances: dict[str, int]


class Report(Summary):
    """All of it."""

    phases: list[Phase]
    outage: Outage | None
    requests: int
    refused: int
    down: list[list[float]]
    details: list[Fate]
    warnings: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    events: list[dict[str, Any]]


def summary(recovery: Recovery) -> Summary:
    """The short of a recovery."""
    state = OVER if recovery.ended is not None else RECOVERED if recovery.is_recovered() else GOING_ON
    fates = _fates(recovery)
    told = (event["node"] for event in recovery.events if event["event"] == Event.HOST_CLAIMED)
    return {
        "id": recovery.id,
        "host": recovery.host,
        "state": state,
        "begun": recovery.begun,
        "ended": recovery.ended,
        "engines": list(dict.fromkeys(node for node in told if node)),
        "instances": {outcome: sum(fate["outcome"] == outcome for fate in fates) for outcome in OUTCOMES},
    }


def report(recovery: Recovery, every: Iterable[dict[str, Any]]) -> Report:
    """All of a recovery.

    :param every: the whole history, for what operators ordered
    """
    fates = _fates(recovery)
    return {
        **summary(recovery),
        "phases": _phases(recovery),
        "outage": _outage(fates),
        "requests": _number(recovery.events, [Event.EVACUATION_ACCEPTED]),
        "refused": _number(recovery.events, _REFUSALS),
        "down": _down(fates),
        "details": sorted(fates, key=_slowest),
        "warnings": [event for event in recovery.events if event["level"] != "info"],
        "orders": _orders(recovery, every),
        "events": recovery.events,
    }


def _phases(recovery: Recovery) -> list[Phase]:
    found: list[Phase] = []
    for phase, event, which in PHASES:
        times = [each["time"] for each in recovery.events if each["event"] == event]
        if times and not (phase in _OF_WHOLE and not recovery.is_recovered()):
            found.append({"phase": phase, "time": times[which], "seconds": times[which] - recovery.begun})
    return found


def _fates(recovery: Recovery) -> list[Fate]:
    of_instances: dict[str, list[dict[str, Any]]] = {}
    for event in recovery.events:
        if event["instance"] is not None:
            of_instances.setdefault(event["instance"], []).append(event)
    return [_fate(instance, events, recovery) for instance, events in of_instances.items()]


def _fate(instance: str, events: Sequence[_Event], recovery: Recovery) -> Fate:
    """What has become of an instance.

    :param events: those about it, at least one
    """
    back = [event for event in events if event["event"] == Event.INSTANCE_EVACUATED]
    last = back[-1] if back else events[-1]
    is_left = any(event["event"] == Event.INSTANCE_SKIPPED for event in events[-1:])
    # One that is left though nobody wished it needs an operator, and does not hold its host's recovery up.
    is_left = is_left or (recovery.is_recovered() and last["event"] == Event.INSTANCE_NEEDS_OPERATOR)
    if back:
        outcome = EVACUATED
    elif any(event["event"] == Event.DELETION_FINISHED for event in events):
        outcome = DELETED
    elif is_left:
        outcome = LEFT
    else:
        outcome = UNTOLD if recovery.is_recovered() or recovery.ended is not None else OPEN
    return {
        "instance": instance,
        "outcome": outcome,
        "seconds": last["time"] - recovery.begun if back else None,
        "failures": _number(events, _REFUSALS),
        "code": last["code"],
        "reason": last["reason"],
        "requests": list(dict.fromkeys(event["request"] for event in events if event["request"])),
    }


def _outage(fates: Sequence[Fate]) -> Outage | None:
    known = sorted((fate["seconds"], fate["instance"]) for fate in fates if fate["seconds"] is not None)
    if not known:
        return None
    seconds = [each for each, _instance in known]
    most = seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))]
    longest, instance = known[-1]
    return {"median": statistics.median(seconds), "most": most, "longest": longest, "instance": instance}


def _down(fates: Sequence[Fate]) -> list[list[float]]:
    """How many of the instances that are, or are to be, evacuated are down, from which second on."""
    back = sorted(fate["seconds"] for fate in fates if fate["seconds"] is not None)
    down = len(back) + sum(fate["outcome"] == OPEN for fate in fates)
    steps = [[0.0, float(down)]]
    for number, seconds in enumerate(back, 1):
        if steps[-1][0] == seconds:
            steps.pop()
        steps.append([seconds, float(down - number)])
    return steps


def _orders(recovery: Recovery, every: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What operators ordered about the host, or about all, a while before it and until its end."""
    end = recovery.ended if recovery.ended is not None else float("inf")
    return [
        event
        for event in every
        if event["event"] == Event.OPERATOR_ORDERED
        and event["host"] in (recovery.host, "all")
        and recovery.begun - NEAR <= event["time"] <= end
    ]


def _number(events: Iterable[_Event], kinds: Iterable[Event]) -> int:
    return sum(event["event"] in kinds for event in events)


def _slowest(fate: Fate) -> tuple[bool, float, str]:
    """The order of instances: those that are not back first, then the slowest."""
    return fate["seconds"] is not None, -(fate["seconds"] or 0.0), fate["instance"]
