# SPDX-License-Identifier: Apache-2.0
"""``nova-ha status`` for people, and in one line for monitoring systems of Nagios' kind.

What needs an operator comes first. Instances that do the same for the same reason stand together, the reason once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nova_ha.cli import maintained
from nova_ha.cli.colour import GREEN, RED, YELLOW, Paint, plain
from nova_ha.cli.status import (
    ATTENTION,
    ELSEWHERE,
    GOES_ON,
    MEANING,
    RECOVERING,
    WELL,
    EngineStatus,
    HostStatus,
    PauseStatus,
    Status,
    is_alarm,
)
from nova_ha.cli.table import NEEDS_OPERATOR, Row, ago, clipped, explained, table, way_out, wrapped
from nova_ha.model import flag
from nova_ha.model.actions import Skip
from nova_ha.model.pauses import Pause
from nova_ha.model.wording import counted
from nova_ha.policy import holds
from nova_ha.reporting.status_report import InstanceAccount

# Instances of a host that an overview lists, those in trouble first.
SHOWN = 10

_NAME = 20  # columns for an instance's name

# Nagios' words and exit codes (Monitoring Plugins Development Guidelines).
_NAGIOS = {WELL: ("OK", 0), RECOVERING: ("WARNING", 1), ATTENTION: ("CRITICAL", 2)}
UNKNOWN = 3


def lines(found: Status, width: int, every: bool = False, paint: Paint = plain) -> list[str]:
    """The status for people. What needs an operator is red, what waits yellow, what is well or on its way back green.

    :param found: from ``look``
    :param every: list every instance, not only the first of each host
    """
    engine, hosts, now = found["engine"], found["hosts"], found["time"]
    works = (maintained.line(host, work, now) for host, work in found["maintenance"].items())
    said = _coloured(_headline(engine), width, paint, None if _is_well(engine) else RED)
    for line in (*_paused(found["pauses"]), *works):
        said += _coloured(line, width, paint, RED if line.startswith(NEEDS_OPERATOR) else YELLOW)
    if not hosts:
        return [*said, paint("No host is flagged.", GREEN)]
    worst = sorted(hosts.items(), key=lambda item: not is_alarm(item[1]))
    rows: list[Row] = [(_host_cells(host, about, now), _host_notes(about, now)) for host, about in worst]
    said += ["", *table(("HOST", "FLAG", "DOING", "SINCE"), rows, width, [_colour(each) for _, each in worst], paint)]
    for host, about in worst:
        if about["instances"]:
            said += ["", *_instances(host, about, now, width, every, paint)]
    return said


def _coloured(text: str, width: int, paint: Paint, colour: str | None) -> list[str]:
    return [paint(line, colour) if colour else line for line in wrapped(text, width)]


def _is_well(engine: EngineStatus) -> bool:
    return engine["state"] in GOES_ON and not engine["complaint"]


def _colour(about: HostStatus) -> str:
    if is_alarm(about):
        return RED
    return GREEN if about["flag"] is None or about["flag"] in flag.OVER else YELLOW


def nagios(found: Status) -> tuple[str, int]:
    """The status as a plugin of Nagios' tells it: one line with figures, and its exit code.

    :param found: from ``look``
    """
    word, code = _NAGIOS[found["verdict"]]
    hosts, engine = found["hosts"], found["engine"]
    alarms = [engine["complaint"]] if engine["complaint"] else []
    if engine["state"] not in GOES_ON:
        alarms.append(f"engine {engine['state']}: {engine['reason']}")
    alarms += [f"{host}: see nova-ha status {host}" for host, about in hosts.items() if is_alarm(about)]
    said = "; ".join(alarms) or f"engine {engine['state']}, {counted(len(hosts), 'host')} in recovery"
    instances = sum(_remaining(about) or 0 for about in hosts.values())
    # What follows the bar is figures: label=value;warning;critical.
    figures = f"hosts={len(hosts)};0 alarms={len(alarms)};;0 instances={instances}"
    return f"NOVA-HA {word} - {' '.join(said.split()).replace('|', '/')} | {figures}", code


def _paused(standing: list[PauseStatus] | None) -> list[str]:
    """The pauses that stand, in lines."""
    if standing is None:
        return [f"{NEEDS_OPERATOR}{holds.UNREADABLE}"]
    return holds.listed(Pause(**each) for each in standing)


def _headline(engine: EngineStatus) -> str:
    where = f" on {', '.join(engine['nodes'])}" if engine["nodes"] else ""
    name = f" {engine['resource']}" if engine["resource"] else ""
    word = "runs" if engine["state"] == ELSEWHERE else engine["state"]
    complaint = f" {NEEDS_OPERATOR}{engine['complaint']}" if engine["complaint"] else ""
    return f"Engine{name}: {word}{where}: {engine['reason']}{complaint}"


def _host_cells(host: str, about: HostStatus, now: float) -> tuple[str, str, str, str]:
    since = about["since"] or about["claimed_at"]
    return host, about["flag"] or "none", about["doing"] or "not known here", ago(now - since) if since else ""


def _host_notes(about: HostStatus, now: float) -> list[str | None]:
    """Why a host is where it is, how far its recovery is, and what is done with how many of its instances."""
    if about["reason"]:
        why = explained(about)
    elif about["claimed_by"]:
        why = f"taken up by the engine on {about['claimed_by']}"
    else:
        unknown = f"{NEEDS_OPERATOR}a flag that nova-ha does not know; set it to yes or delete it"
        why = MEANING.get(about["flag"], unknown)
    return [why, way_out(about), _progress(about, now), _count(about["counts"]) if about["counts"] else None]


def _progress(about: HostStatus, now: float) -> str | None:
    """``12 of 40 instances have arrived elsewhere within 80 s; about 3 min to go at this rate``."""
    back, left = about["back"], _remaining(about)
    if not back or left is None:
        return None
    said = f"{back} of {counted(back + left, 'instance')} arrived elsewhere"
    if about["begun"] is None:
        return said
    said += f" within {ago(now - about['begun'])}"
    return f"{said}; about {ago(left * (now - about['begun']) / back)} to go at this rate" if left else said


def _remaining(about: HostStatus) -> int | None:
    """How many instances of a host are still to arrive elsewhere; None where the engine's account is not known."""
    counts = about["counts"]
    return None if counts is None else sum(number for doing, number in counts.items() if doing != Skip.label)


def _count(counts: Mapping[str, int]) -> str:
    """``12 instances: 9 wait, 3 evacuate``."""
    parts = [f"{number} {word}" for word, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return f"{counted(sum(counts.values()), 'instance')}: {', '.join(parts)}"


def _instances(host: str, about: HostStatus, now: float, width: int, every: bool, paint: Paint) -> list[str]:
    """The lines about a host's instances."""
    instances, counts = about["instances"] or {}, dict(about["counts"] or {})
    worst = sorted(instances.items(), key=lambda item: (not item[1]["needs_operator"], -item[1]["failures"]))
    groups: dict[tuple[str | None, ...], list[tuple[str, InstanceAccount]]] = {}
    for id, instance in worst if every else worst[:SHOWN]:
        groups.setdefault(tuple(_instance_notes(instance)), []).append((id, instance))
        counts[instance["doing"]] -= 1
    colours = [RED if each["needs_operator"] else None for group in groups.values() for _, each in group]
    found = table((f"INSTANCE OF {host}", "NAME", "DOING", "SINCE"), _rows(groups, now), width, colours, paint)
    rest = {doing: number for doing, number in counts.items() if number > 0}
    if rest:
        found.append(f"and {_count(rest)} (nova-ha status {host} lists them)" if not every else f"and {_count(rest)}")
    return found


def _rows(groups: Mapping[tuple[str | None, ...], list[tuple[str, InstanceAccount]]], now: float) -> Iterable[Row]:
    """The rows of instances; what is said of several stands below the last of them."""
    for notes, group in groups.items():
        for number, (id, about) in enumerate(group, 1):
            cells = (id, clipped(about["name"], _NAME), about["doing"], ago(now - about["since"]))
            yield cells, notes if number == len(group) else ()


def _instance_notes(about: InstanceAccount) -> list[str | None]:
    failures = about["failures"]
    times = f"failed {counted(failures, 'time')}"
    return [explained(about), way_out(about), f"{times}, last: {about['last_failure']}" if failures else None]
