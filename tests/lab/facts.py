# SPDX-License-Identifier: Apache-2.0
"""What follows from the records: how long a guest ran, a host was off, a flag stood, an evacuation took.

Pure functions over a ``History``. An interval that has not ended has the end ``NEVER``.
"""

import dataclasses
import math
from typing import Optional

from tests.lab import settings

NEVER = math.inf

# Seconds that a part of Nova may have been dead when a request was still accepted.
LOSS = 30.0

# Nova's migration records, see nova_ha.model.snapshot; kept apart from it, for the audits must not share its mistakes.
_DONE = ("done", "completed")
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
    """One evacuation by Nova's records, as exactly as these allow.

    :param record: the record that was made for it; destination and status may be another's (see ``flights``)
    :param start: when it was asked for; if the request is not known, the latest moment that it can have been
    :param end: the earliest moment at which it can have been over, ``NEVER`` if it may still start the guest
    """

    record: object
    instance: str
    source: str
    destination: Optional[str]
    start: float
    end: float = NEVER
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


@dataclasses.dataclass(frozen=True)
class Life:
    """An incarnation of a real guest, by what it has written on its disk, from its first beat to its last."""

    instance: str
    place: str
    number: int
    start: float
    end: float
    conflicts: int


def lives(history):
    """Every incarnation of every real guest, on whichever disk, in the order of their first beats."""
    found = [
        Life(disk.instance, disk.place, each.number, each.first, each.last, each.conflicts)
        for disk in history.disks or ()
        for each in disk.incarnations
    ]
    return sorted(found, key=lambda life: (life.start, life.number))


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
    """Every evacuation that Nova has a record of, in the order of their starts.

    A repeated evacuation takes over the oldest record of its instance that is still ``accepted``, and its own stays
    so (measured). So the outcome that a record tells may be that of a later evacuation.
    """
    runs = guest_runs(history)
    offs = _Offs(power_offs(history), flag_windows(history))
    # A part of Nova that was killed took with it what it had taken up.
    losses = [f.time for f in history.faults if f.began and f.target.startswith(f"{settings.CLOUD}/")]
    kills = [f for f in history.faults if f.began and f.fault in ("kill-service", "stop")]
    asked = {}
    for migration in history.migrations:
        asked.setdefault(migration.instance, []).append(_asked(history, migration))
    found = []
    for those in asked.values():
        outcomes = _outcomes(those, runs, offs)
        for number, (flight, outcome) in enumerate(zip(those, outcomes)):
            lost = losses if outcome is None or _is_repeated_there(outcome, those[number + 1 :]) else ()
            found.append(_ended(flight, outcome, runs, offs, lost, kills))
    return sorted(found, key=lambda flight: flight.start)


class _Offs:
    """In which spans of time an evacuation's host may have had no power, as nobody knew when it was asked for.

    :param spans: in which hosts had none
    :param windows: in which they were flagged: none of these is chosen
    """

    def __init__(self, spans, windows):
        self._spans = spans
        self._windows = windows

    def of(self, flight):
        """Those spans from its start on."""
        known = {window.host for window in self._windows if window.start <= flight.start < window.end}
        return [
            dataclasses.replace(span, start=max(span.start, flight.start))
            for span in self._spans
            if span.host not in known and span.end > flight.start
        ]


def is_open(migration):
    """Whether Nova's record says that the evacuation is not over."""
    return migration.status not in (*_DONE, *_FAILED)


def _asked(history, migration):
    """The evacuation that a record was made for; its end is not known yet."""
    request = _request_of(history, migration)
    start = request.time if request else migration.created + 1
    return Flight(migration, migration.instance, migration.source, migration.destination, start, request=request)


def _outcomes(asked, runs, offs):
    """For each of one instance's evacuations the record that tells its outcome, None if a later one took that over."""
    outcomes = [flight.record for flight in asked]
    for number in reversed(range(len(asked))):
        if outcomes[number] is not None and _tells(asked[number], runs):
            continue
        for earlier in range(number):
            if outcomes[earlier] is not None and _is_taken_over(asked[earlier], asked[number].start, runs, offs):
                outcomes[number], outcomes[earlier] = outcomes[earlier], None
                break
    return outcomes


def _tells(flight, runs):
    """Whether its record tells how an evacuation ended; ``completed`` is made of whatever a returning source finds."""
    status = flight.record.status
    return status == "done" or status in _FAILED or bool(status == "completed" and _starts(flight, flight.record, runs))


def _is_taken_over(flight, later, runs, offs):
    """Whether the outcome in an evacuation's record came after a later one was asked for, and may be of that one."""
    record = flight.record
    if not _tells(flight, runs):
        return False
    came = _starts(flight, record, runs)[0] if record.status == "completed" else record.updated + 1
    # A host that had died by then was not chosen again: it tells what the host found to do when it came back.
    died = any(off.host == record.destination and off.start < later for off in offs.of(flight))
    return came > later and not died


def _ended(flight, outcome, runs, offs, losses, kills):
    """An evacuation with its end, by the record that tells its outcome."""
    if outcome is None:
        # Where it had been sent, no record tells: then it was over when the first host after that lost its power, or
        # when Nova lost it.
        cuts = [off.start for off in offs.of(flight) if off.host != flight.source]
        cuts += _losses(flight, losses)
        return dataclasses.replace(flight, destination=None, end=min(cuts, default=NEVER), status="taken over")
    end = min([_end(flight, outcome, runs, offs.of(flight), kills), *_losses(flight, losses)])
    return dataclasses.replace(flight, destination=outcome.destination, end=end, status=outcome.status)


def _is_repeated_there(record, later):
    """Whether an evacuation was repeated on the same host, so that both may be "completed" by the one guest's start."""
    same = (flight.record for flight in later if flight.record.destination == record.destination)
    return record.status == "completed" and any(other.status == "completed" for other in same)


def _losses(flight, losses):
    """When Nova may have lost an evacuation that it had not handed on."""
    return [max(loss, flight.start) for loss in losses if loss >= flight.start - LOSS]


def _starts(flight, record, runs):
    """When the guest was started, after an evacuation was asked for, where a record says that it was sent."""
    where = (flight.instance, record.destination)
    return [run.start for run in runs if (run.instance, run.host) == where and run.start >= flight.start]


def _request_of(history, migration):
    """The request that a record comes from: the last one that can have made it (the record has whole seconds)."""
    asked = [
        request
        for request in evacuate_requests(history)
        if request.instance == migration.instance and not request.refused and request.time < migration.created + 1
    ]
    return asked[-1] if asked else None


def _end(flight, record, runs, offs, kills):
    """When an evacuation was over at the earliest.

    ``done`` turns ``completed`` when the source's nova-compute starts again, long after the end, so that of a
    completed one only the guest's start tells. A record that is still ``accepted`` though the guest was started is one
    that a repeated evacuation has left. A destination that lost its power starts nothing any more; nor does one whose
    nova-compute was killed go on with what that had begun: its record says nothing new until the source is back.

    :param record: what tells its outcome
    """
    there = _starts(flight, record, runs)
    runs = [run for run in runs if run.instance == flight.instance and run.host != flight.source]
    anywhere = [run.start for run in runs if run.start >= flight.start]
    if record.status == "done":
        end = max([record.updated] + there[:1])
    elif record.status == "completed":
        end = (there or anywhere or [record.created])[0]
    elif record.status in _FAILED:
        end = record.updated
    elif record.status == "accepted":
        end = min(anywhere, default=NEVER)
    else:
        end = NEVER
    cuts = [off.start for off in offs if off.host == record.destination]
    if record.status not in ("accepted", "done", *_FAILED):
        cuts += [kill.time for kill in kills if kill.target == f"{record.destination}/nova-compute"]
    return min([end] + [cut for cut in cuts if cut >= flight.start])
