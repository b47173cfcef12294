# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha history`` shows: what engines did, and operators ordered, on any control node.

It is on this node's disk (``reporting.history_log``), which has what the others have a moment later (``keeper``). What
the engine here has told of, and not written yet, its report has. It is shown without the cluster, too.

``--json`` prints ``{"schema": 1, "resource": ..., "events": [...]}``, the events as ``nova_ha.reporting.status_report``
describes them, each with the ``recovery`` that it belongs to (see ``reporting.recoveries``), and the ``node`` that told
of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nova_ha.cli import orders
from nova_ha.cli.table import Row, moment, table, way_out
from nova_ha.reporting import history_log, recoveries
from nova_ha.reporting.history_log import HistoryLog
from nova_ha.rundir import engine_state

# Characters of an instance's id that are enough to ask for it.
_PREFIX = 8

# Seconds between two looks at what is followed, and before its beginning: what another node tells comes later.
FOLLOW_INTERVAL = 1.0
_LATE = 600.0

_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")

Event = Mapping[str, Any]


def gather(
    history: HistoryLog, resource: str | None, state: engine_state.RunState | None, since: float | None = None
) -> list[dict[str, Any]]:
    """All that is known, oldest first.

    :param resource: whose engine; None for any
    :param state: where it keeps its state on this node, None if that is not known
    :param since: seconds since the epoch; what was written before may be left out
    """
    writers = (resource, history_log.ORDERS)
    found = [event for event in history.events(since) if resource is None or event["writer"] in writers]
    report = state.read_report() if state is not None else {}
    told = report.get("events", ()) if engine_state.is_known(report) else ()
    known = {_key(event) for event in found}
    found += [{**event, "node": None} for event in told if _key(event) not in known]
    found.sort(key=lambda event: float(event["time"]))
    for event in found:
        event.pop("writer", None)
    return recoveries.numbered(found)


def about(events: Iterable[dict[str, Any]], subject: str | None, since: float | None = None) -> list[dict[str, Any]]:
    """The events about a host, an instance or a recovery, oldest first; all of them if the subject is None.

    :param subject: a host's name, a recovery's id, or an instance's id or the beginning of it
    :param since: seconds since the epoch
    """
    later = (event for event in events if since is None or event["time"] >= since)
    return [event for event in later if subject is None or _is_about(event, subject)]


def lines(events: Iterable[Event], width: int) -> list[str]:
    """The events for people."""
    rows: list[Row] = [((moment(event["time"]), event["host"], event["event"]), _notes(event)) for event in events]
    return table(("TIME", "HOST", "EVENT"), rows, width)


def follow(
    look: Callable[[float], Sequence[Event]],
    shown: Iterable[Event],
    show: Callable[[Sequence[Event]], object],
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Show what comes, for ever.

    :param look: the events since a time
    :param shown: those that need not be shown
    """
    begun = time.time()
    known = set(map(_key, shown))
    while True:
        new = [event for event in look(begun - _LATE) if _key(event) not in known]
        if new:
            show(new)
        known |= set(map(_key, new))
        sleep(FOLLOW_INTERVAL)


def moment_of(text: str, now: float) -> float:
    """``2h``, that is so long ago, or a date with or without a time of this node's clock: seconds since the epoch.

    :raises ValueError: it is neither
    """
    if re.fullmatch("[0-9]+[smhd]", text):
        return now - orders.seconds(text)
    for form in _DATES:
        try:
            return time.mktime(time.strptime(text, form))
        except (ValueError, OverflowError):
            continue
    raise ValueError(f"invalid value '{text}': expected such as 30m, 2h, 3d, 2026-11-30 or '2026-11-30 03:00'")


def _key(event: Event) -> tuple[object, ...]:
    """What tells an event from all others."""
    return tuple(event[key] for key in ("time", "event", "host", "instance", "request", "code"))


def _is_about(event: Event, subject: str) -> bool:
    if subject in (event["host"], event["recovery"]):
        return True
    instance = event["instance"]
    return instance is not None and len(subject) >= _PREFIX and instance.startswith(subject)


def _notes(event: Event) -> list[str | None]:
    about = {"instance": event["instance"], "request": event["request"]}
    named = (f"{key} {value}" for key, value in about.items() if value)
    reason = f"{event['code']}: {event['reason']}" if event["code"] else event["reason"]
    return ["  ".join(named), reason, way_out(event)]
