# SPDX-License-Identifier: Apache-2.0
"""What monitoring systems are told, as Prometheus' metrics: pure; from what ``nova-ha status`` knows of everything.

docs/monitoring.md has each for operators, and is checked against METRICS. No metric has an instance in its labels: a
cloud has too many.
"""

from __future__ import annotations

import collections
import platform
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nova_ha import __version__
from nova_ha.model import flag
from nova_ha.model.drills import Drill
from nova_ha.reporting.counters import BOUNDS, TIMED

if TYPE_CHECKING:
    from prometheus_client.core import Metric

GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"

# By name: type, labels, and what it says.
METRICS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "nova_ha_build_info": (GAUGE, ("version", "python"), "1; of which version this nova-ha is"),
    "nova_ha_up": (GAUGE, (), "1 if the cluster answered; without it nothing else is told"),
    "nova_ha_verdict": (GAUGE, ("verdict",), "1 for the verdict of nova-ha status, which all nodes have alike"),
    "nova_ha_engine_active": (GAUGE, ("node",), "1 for each control node on which the cluster has the engine"),
    "nova_ha_engine_state": (GAUGE, ("state",), "1 for the state of the engine"),
    "nova_ha_engine_degraded": (GAUGE, (), "1 while the engine complains of what an operator has to set right"),
    "nova_ha_paused": (GAUGE, ("scope",), "how many pauses of all hosts, and of single hosts, stand"),
    "nova_ha_pause_start_timestamp_seconds": (GAUGE, (), "since when the oldest pause stands"),
    "nova_ha_maintenance_start_timestamp_seconds": (GAUGE, ("host",), "since when the host is in maintenance"),
    "nova_ha_drill_success_timestamp_seconds": (GAUGE, ("host", "level"), "when the host's last drill was passed"),
    "nova_ha_host_flag": (GAUGE, ("host", "flag"), "1 for the flag of a host: yes, go, claimed, no, restart, unknown"),
    "nova_ha_host_claimed_timestamp_seconds": (GAUGE, ("host",), "when an engine took the host up"),
    "nova_ha_host_waiting": (GAUGE, ("host", "code"), "1 while the host waits, or is left, for this reason"),
    "nova_ha_host_needs_operator": (GAUGE, ("host",), "1 if something about the host does not go on by itself"),
    "nova_ha_host_instances": (GAUGE, ("host", "doing"), "instances of the host by what is done with them"),
    "nova_ha_host_instances_back": (GAUGE, ("host",), "instances that arrived elsewhere since the host was taken up"),
    "nova_ha_instances_needing_operator": (GAUGE, ("code",), "instances that do not go on by themselves"),
    "nova_ha_events_total": (COUNTER, ("event",), "events of the engine, by their names (docs/events.md)"),
    "nova_ha_instance_outage_seconds": (HISTOGRAM, (), "from taking a host up until an instance of it is elsewhere"),
    "nova_ha_recovery_seconds": (HISTOGRAM, (), "from taking a host up until nothing of it is left to recover"),
    "nova_ha_return_to_service_seconds": (HISTOGRAM, (), "from taking a host up until it is in service again"),
}

_FLAGS = (flag.FLAGGED, flag.GO, flag.RECOVERED, flag.RESTART)

_Samples = Iterator[tuple[str, tuple[str, ...], float]]


def metrics(
    status: Mapping[str, Any] | None,
    alarms: Iterable[str],
    counters: Mapping[str, Any],
    passed: Mapping[str, Drill] | None = None,
) -> list[Metric]:
    """All of them, as prometheus_client has it.

    :param status: from ``cli.status.look``, None if the cluster does not answer
    :param alarms: the hosts about which something does not go on by itself
    :param counters: what the engine has counted (``Counters.as_dict``), {} if that is not known
    :param passed: the drills that were passed last, by the hosts
    """
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    kinds = {GAUGE: GaugeMetricFamily, COUNTER: CounterMetricFamily, HISTOGRAM: HistogramMetricFamily}
    found = {name: kinds[kind](name, meaning, labels=labels) for name, (kind, labels, meaning) in METRICS.items()}
    found["nova_ha_build_info"].add_metric((__version__, platform.python_version()), 1)
    found["nova_ha_up"].add_metric((), float(status is not None))
    if status is not None:
        for name, labels, value in (*_of_engine(status), *_of_hosts(status["hosts"], frozenset(alarms))):
            found[name].add_metric(labels, value)
        for host, work in status["maintenance"].items():
            found["nova_ha_maintenance_start_timestamp_seconds"].add_metric((host,), work["since"])
    for host, drill in (passed or {}).items():
        found["nova_ha_drill_success_timestamp_seconds"].add_metric((host, str(drill.level)), drill.at)
    for event, number in counters.get("events", {}).items():
        found["nova_ha_events_total"].add_metric((event,), number)
    for name in TIMED.values():
        histogram = counters.get("timed", {}).get(name)
        if histogram:
            found[f"nova_ha_{name}_seconds"].add_metric((), *_buckets(histogram))
    return [family for family in found.values() if family.samples]


def _of_engine(status: Mapping[str, Any]) -> _Samples:
    engine, pauses = status["engine"], status["pauses"]
    yield "nova_ha_verdict", (status["verdict"],), 1
    yield "nova_ha_engine_state", (engine["state"],), 1
    yield "nova_ha_engine_degraded", (), float(engine["complaint"] is not None)
    for node in engine["nodes"]:
        yield "nova_ha_engine_active", (node,), 1
    if pauses is None:
        # What cannot be read holds all hosts.
        yield "nova_ha_paused", ("all",), 1
        return
    for scope in ("all", "host"):
        yield "nova_ha_paused", (scope,), sum(pause["scope"] == scope for pause in pauses)
    if pauses:
        yield "nova_ha_pause_start_timestamp_seconds", (), min(pause["since"] for pause in pauses)


def _of_hosts(hosts: Mapping[str, Any], alarms: frozenset[str]) -> _Samples:
    troubled: collections.Counter[str] = collections.Counter()
    for host, about in hosts.items():
        if about["flag"] is not None:
            claimed = "claimed" if about["claimed_by"] else "unknown"
            yield "nova_ha_host_flag", (host, about["flag"] if about["flag"] in _FLAGS else claimed), 1
        if about["claimed_at"] is not None:
            yield "nova_ha_host_claimed_timestamp_seconds", (host,), about["claimed_at"]
        if about["code"] is not None:
            yield "nova_ha_host_waiting", (host, about["code"]), 1
        yield "nova_ha_host_needs_operator", (host,), float(host in alarms)
        for doing, number in (about["counts"] or {}).items():
            yield "nova_ha_host_instances", (host, doing), number
        if about["back"] is not None:
            yield "nova_ha_host_instances_back", (host,), about["back"]
        for instance in (about["instances"] or {}).values():
            troubled[instance["code"] or ""] += bool(instance["needs_operator"])
    for code, number in troubled.items():
        if number:
            yield "nova_ha_instances_needing_operator", (code,), number


def _buckets(histogram: Mapping[str, Any]) -> tuple[list[tuple[str, float]], float]:
    """A histogram's buckets, each with all that is below its bound, and the sum."""
    bounds = [*(f"{bound:.1f}" for bound in BOUNDS), "+Inf"]
    below, buckets = 0, []
    for bound, count in zip(bounds, histogram["counts"]):
        below += count
        buckets.append((bound, float(below)))
    return buckets, histogram["sum"]
