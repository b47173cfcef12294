# SPDX-License-Identifier: Apache-2.0
"""What follows from the records: how long a guest ran, a host was off, a flag stood, an evacuation took.

Pure functions over a ``History``. An interval that has not ended has the end ``NEVER``.
"""

import dataclasses
import math
from typing import Optional

NEVER = math.inf

# Nova's migration records, see nova_ha.snapshot; kept apart from it, for the audits must not share its mistakes.
_FAILED = ("failed", "error", "cancelled")


@dataclasses.dataclass(frozen=True)
class Run:
    """A guest ran on a host from ``start`` to ``end``; ``died``: with the host's power, not by Nova's wish."""

    instance: str
    host: str
    start: float
    end: float = NEVER
    died: bool = False


@dataclasses.dataclass(frozen=True)
class Span:
    """Something was so on a host from ``start`` to ``end``."""

    host: str
    start: float
    end: float = NEVER

    def touches(self, begin, end):
        """Whether it was so at some moment from ``begin`` to ``end``."""
        return self.start <= end and begin <= self.end


@dataclasses.dataclass(frozen=True)
class Flight:
    """One evacuation by Nova's record of it, as exactly as the records allow.

    :param start: when it was asked for; if the request is not known, the latest moment that it can have been
    :param end: the earliest moment at which it can have been over, ``NEVER`` if it may still start the guest
    """

    instance: str
    source: str
    destination: Optional[str]
    start: float
    end: float
    request: Optional[object] = None
    status: str = ""


def guest_runs(history):
    """Every run of every guest, in the order of their starts."""
    runs = []
    alive = {}
    # A guest that stops with the power at the very same time stamp was stopped by it: power first.
    moments = [(change.time, 0, change) for change in history.power if not change.on]
    moments += [(change.time, 1, change) for change in history.guests]
    for time, is_guest, change in sorted(moments, key=lambda moment: moment[:2]):
        if not is_guest:
            for key in [key for key in alive if key[1] == change.host]:
                runs.append(dataclasses.replace(alive.pop(key), end=time, died=True))
        elif change.started:
            alive.setdefault((change.instance, change.host), Run(change.instance, change.host, time))
        elif (change.instance, change.host) in alive:
            runs.append(dataclasses.replace(alive.pop((change.instance, change.host)), end=time))
    return sorted([*runs, *alive.values()], key=lambda run: run.start)


def live_runs(history):
    """The guests that run at the end."""
    return [run for run in guest_runs(history) if run.end == NEVER]


def power_offs(history):
    """The spans of time in which hosts had no power."""
    return _spans((change.host, change.time, not change.on) for change in history.power)


def flag_windows(history):
    """The spans of time in which hosts had to stay out of service because of their flag."""
    return _spans((change.host, change.time, change.stands) for change in history.flags)


def _spans(changes):
    """Spans from ``(host, time, whether it begins or ends)`` in the order of time; repetitions change nothing."""
    spans = []
    begun = {}
    for host, time, begins in changes:
        if begins:
            begun.setdefault(host, time)
        elif host in begun:
            spans.append(Span(host, begun.pop(host), time))
    spans += [Span(host, time) for host, time in begun.items()]
    return sorted(spans, key=lambda span: span.start)


def evacuate_requests(history):
    """The agents' requests to evacuate an instance."""
    return [request for request in history.requests if request.action == "evacuate"]


def service_changes(history, host):
    """The agents' requests that change a host's compute service, but those that were refused."""
    ids = {service.id for service in history.services if service.host == host}
    return [request for request in history.requests if request.service_id in ids and not request.refused]


def flights(history):
    """Every evacuation that Nova has a record of, in the order of their starts."""
    runs = guest_runs(history)
    found = []
    for migration in history.migrations:
        request = _request_of(history, migration)
        start = request.time if request else migration.created + 1
        found.append(
            Flight(
                instance=migration.instance,
                source=migration.source,
                destination=migration.destination,
                start=start,
                end=_end(history, migration, start, runs),
                request=request,
                status=migration.status,
            )
        )
    return sorted(found, key=lambda flight: flight.start)


def _request_of(history, migration):
    """The request that a record comes from: the last one that can have made it (the record has whole seconds)."""
    asked = [
        request
        for request in evacuate_requests(history)
        if request.instance == migration.instance and not request.refused and request.time < migration.created + 1
    ]
    return asked[-1] if asked else None


def _end(history, migration, start, runs):
    """When an evacuation was over at the earliest.

    ``done`` turns ``completed`` when the source's nova-compute starts again, long after the end, so that of a
    completed one only the guest's start tells. A destination that lost its power starts nothing any more.
    """
    guest = [
        run.start
        for run in runs
        if run.instance == migration.instance and run.host == migration.destination and run.start >= start
    ]
    if migration.status == "done":
        end = max([migration.updated] + guest[:1])
    elif migration.status == "completed":
        end = guest[0] if guest else migration.created
    elif migration.status in _FAILED:
        end = migration.updated
    else:
        end = NEVER
    cut = [span.start for span in power_offs(history) if span.host == migration.destination and span.start >= start]
    return min([end] + cut[:1])
