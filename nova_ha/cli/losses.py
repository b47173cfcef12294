# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha plan --all`` shows: whether the instances of any host, or of any N together, would find room.

What is free Placement tells, what instances need Nova; ``policy.packing`` puts the two together. Nothing is changed.

``--json`` prints (see ``schemas/losses.json``):

============ =====================================================================================================
key          value
============ =====================================================================================================
time         when this was read, seconds since the epoch
failures     how many hosts are taken for lost at once
hosts        how many compute hosts there are that may be lost
combinations how many ways there are to lose so many of them; ``looked_at``: of how many it was told whether all fits
losses       of one host at a time all; of more, those that do not fit or of which it cannot be told, the worst first,
             LISTED at most. Each has ``hosts``, how many ``instances`` are on them, how many would be evacuated
             (``evacuate``), and of these how many ``fits``, ``no_room``, ``cannot_tell``; ``seconds`` that it would
             take (None: no evacuation is on record here), and ``doubts``: instances that do not fit, or of which it
             cannot be told, each with ``instance``, ``name``, ``host``, ``verdict``, ``reason``
unread       what could not be read and would matter, for people; None: nothing
============ =====================================================================================================
"""

from __future__ import annotations

import collections
import math
import statistics
from collections.abc import Iterable, Mapping
from typing import TypedDict

from oslo_config import cfg

from nova_ha.cli.table import Row, clean, table, wrapped
from nova_ha.cloud.errors import CloudError
from nova_ha.cloud.survey import CloudSurvey
from nova_ha.config import loader
from nova_ha.model import instance_states
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.room import Demand
from nova_ha.model.wording import counted
from nova_ha.policy import packing
from nova_ha.policy.packing import CANNOT_TELL, FITS, NO_ROOM, Bin, Loss
from nova_ha.policy.rules import Rules
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Entry

# Losses of several hosts that are told, and rows that people are shown; instances that a row names.
LISTED, SHOWN, NAMED = 100, 20, 5

# The exit code where instances would find no room: as check's for a warning.
NOT_ALL_FIT = 3

_EVACUATED = (instance_states.EVACUATE, instance_states.RESET)


class _Doubt(TypedDict):
    instance: str
    name: str
    host: str
    verdict: str
    reason: str


class PlannedLoss(TypedDict):
    """One loss, see above."""

    hosts: list[str]
    instances: int
    evacuate: int
    fits: int
    no_room: int
    cannot_tell: int
    seconds: float | None
    doubts: list[_Doubt]


class Losses(TypedDict):
    """All of it, see above."""

    time: float
    failures: int
    hosts: int
    combinations: int
    looked_at: int
    losses: list[PlannedLoss]
    unread: str | None


def connect(conf: cfg.ConfigOpts) -> CloudSurvey:
    """The cloud that a configuration names, to be read only.

    :param conf: from ``loader.load``
    :raises CloudError: it cannot be reached with these credentials
    """
    return CloudSurvey(loader.access(conf))


def look(cloud: CloudSurvey, conf: cfg.ConfigOpts, failures: int, events: Iterable[Entry], now: float) -> Losses:
    """The losses as plain data, see above.

    :param conf: from ``loader.load``
    :param failures: how many hosts are lost at once, 1 at least
    :param events: those that an engine on this node has told of
    :param now: seconds since the epoch
    :raises CloudError: the cloud cannot be read
    """
    rules = Rules.from_options(conf)
    services = cloud.connect()
    aggregates = cloud.aggregates()
    room = cloud.room()
    able = [each for each in services.values() if each.up and each.enabled and each.host in room.hosts]
    demands, count, unread = _demands(cloud, rules, aggregates)
    bins = [Bin(each.host, each.zone, room.hosts[each.host].free) for each in able]
    hosts = [each.host for each in services.values() if each.up]
    found = packing.Cloud(demands, bins, aggregates).survey(hosts, failures) if failures <= len(hosts) else None
    losses = found.losses if found is not None else ()
    at_once = _at_once(rules, conf.recovery.in_flight, len(bins) - failures, failures)
    typical = _typical(events)
    return {
        "time": now,
        "failures": failures,
        "hosts": len(hosts),
        "combinations": found.combinations if found is not None else 0,
        "looked_at": found.looked_at if found is not None else 0,
        "losses": [_plain(loss, count, at_once, typical) for loss in losses[: None if failures == 1 else LISTED]],
        "unread": unread,
    }


def exit_code(found: Losses) -> int:
    """0, or NOT_ALL_FIT where instances would find no room."""
    return NOT_ALL_FIT if any(loss["no_room"] for loss in found["losses"]) else 0


def lines(found: Losses, width: int) -> list[str]:
    """The losses for people."""
    losses = found["losses"]
    bad = [loss for loss in losses if loss["no_room"]]
    doubtful = [loss for loss in losses if loss["cannot_tell"] and not loss["no_room"]]
    said = wrapped(_headline(found, len(bad), len(doubtful)), width)
    if found["unread"]:
        said += wrapped(found["unread"], width, "  ")
    shown = [*bad, *doubtful]
    if found["failures"] == 1 and len(losses) <= SHOWN:
        shown += [loss for loss in losses if loss not in shown]
    rows: list[Row] = [(_cells(loss), _notes(loss)) for loss in shown[:SHOWN]]
    if rows:
        said += ["", *table(("LOST", "INSTANCES", "EVACUATE", "FITS", "NO ROOM", "CANNOT TELL", "TIME"), rows, width)]
    more = len(shown) - SHOWN
    return [*said, f"and {more} more (--json lists them)"] if more > 0 else said


def _demands(
    cloud: CloudSurvey, rules: Rules, aggregates: Mapping[str, frozenset[str]]
) -> tuple[list[Demand], Mapping[str, int], str | None]:
    """What would be evacuated of each host; how many instances it has in all; and what could not be read."""
    selection = cloud.selection(rules.policy.tag)
    unread, grouped = None, {}
    try:
        grouped = cloud.grouped()
    except CloudError as error:
        unread = f"Server groups could not be read ({error}): whom an instance must not share a host with is not known."
    count: collections.Counter[str] = collections.Counter()
    found = []
    for instance, needs, unclear in cloud.everything():
        host = str(instance.host)
        count[host] += 1
        treatment = instance_states.treatment(instance)
        refused = instance_states.refused_beforehand(instance)
        if treatment.do not in _EVACUATED or refused is not None:
            continue
        verdict = rules.policy.verdict(instance, selection or Selection(), _of(aggregates, host))
        if not verdict.recover and verdict.known:
            continue
        if instance.id in grouped:
            unclear = unclear or f"its server group has the policy {grouped[instance.id]}"
        if not verdict.known:
            unclear = unclear or verdict.reason
        found.append(Demand(instance.id, instance.name, host, instance.zone, needs, unclear))
    return found, count, unread


def _of(aggregates: Mapping[str, frozenset[str]], host: str) -> frozenset[str]:
    return frozenset(name for name, members in aggregates.items() if host in members)


def _at_once(rules: Rules, in_flight: int, destinations: int, failures: int) -> int:
    """How many evacuations would be in flight at once."""
    limits = [in_flight]
    if rules.in_flight_per_destination:
        limits.append(rules.in_flight_per_destination * max(1, destinations))
    if rules.in_flight_per_source:
        limits.append(rules.in_flight_per_source * failures)
    return min(limits)


def _typical(events: Iterable[Entry]) -> float | None:
    """Seconds that an evacuation has taken in the middle, from request to arrival; None: none is on record."""
    asked: dict[str, float] = {}
    taken = []
    for event in events:
        instance = event["instance"]
        if instance is None:
            continue
        if event["event"] == Event.EVACUATION_ACCEPTED:
            asked[instance] = event["time"]
        elif event["event"] == Event.INSTANCE_EVACUATED and instance in asked:
            taken.append(event["time"] - asked.pop(instance))
    return statistics.median(taken) if taken else None


def _plain(loss: Loss, count: Mapping[str, int], at_once: int, typical: float | None) -> PlannedLoss:
    number = len(loss.told)
    return {
        "hosts": list(loss.hosts),
        "instances": sum(count.get(host, 0) for host in loss.hosts),
        "evacuate": number,
        "fits": loss.count(FITS),
        "no_room": loss.count(NO_ROOM),
        "cannot_tell": loss.count(CANNOT_TELL),
        "seconds": None if typical is None else round(math.ceil(number / at_once) * typical, 1),
        "doubts": [
            {
                "instance": each.demand.id,
                "name": each.demand.name,
                "host": each.demand.host,
                "verdict": each.verdict,
                "reason": each.reason,
            }
            for each in loss.told
            if each.verdict != FITS
        ],
    }


def _headline(found: Losses, bad: int, doubtful: int) -> str:
    failures, hosts = found["failures"], counted(found["hosts"], "compute host")
    if failures > found["hosts"]:
        return f"There are only {hosts}."
    what = "any one host were" if failures == 1 else f"any {failures} hosts were"
    total, looked_at = found["combinations"], found["looked_at"]
    whole = f"{hosts}" if failures == 1 else f"{hosts}, {total} combinations"
    part = "" if looked_at == total else f", of which {looked_at} were looked at: those that are likely to be the worst"
    verdict = f"{bad} with instances without room, {doubtful} of which it cannot be told, all others fit"
    return f"If {what} lost now (nothing has been changed): {whole}{part}: {verdict}."


def _cells(loss: PlannedLoss) -> tuple[object, ...]:
    numbers = (loss["instances"], loss["evacuate"], loss["fits"], loss["no_room"], loss["cannot_tell"])
    seconds = "not known" if loss["seconds"] is None else f"~{loss['seconds']:.0f} s"
    return (" ".join(loss["hosts"]), *numbers, seconds)


def _notes(loss: PlannedLoss) -> list[str]:
    """Which instances do not fit, or may not, by the reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for doubt in sorted(loss["doubts"], key=lambda doubt: doubt["verdict"] != NO_ROOM):
        by_reason.setdefault((doubt["verdict"], doubt["reason"]), []).append(doubt["name"])
    notes = []
    for (verdict, reason), names in by_reason.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        notes.append(clean(f"{verdict}: {reason}: {', '.join(names[:NAMED])}{more}"))
    return notes
