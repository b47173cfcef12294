# SPDX-License-Identifier: Apache-2.0
"""``nova-ha metrics``, for node_exporter's textfile collector, and ``nova-ha exporter``, which Prometheus scrapes.

Both go by the flags and by what the engine has published, so each control node tells the same; neither asks the cloud.
The exporter needs no root: a member of the group haclient may read the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import Metric

from nova_ha.cli import status
from nova_ha.cli.deployment import CommandFailed, Deployment
from nova_ha.cluster.errors import ClusterError
from nova_ha.model import drills
from nova_ha.reporting import metrics

# Seconds for which what was read is told again: so often the cluster is asked at most, however many scrape.
KEPT = 5.0


class FromCluster:
    """Reads everything anew where the last look is older than ``KEPT``.

    :param find: finds the deployment, at each look: its resource may be made or renamed
    :param clock: monotonic seconds
    """

    def __init__(self, find: Callable[[], Deployment], clock: Callable[[], float] = time.monotonic) -> None:
        self._find = find
        self._clock = clock
        self._known: list[Metric] = []
        self._read_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        """All metrics; only ``nova_ha_up`` and the version while the cluster does not answer."""
        if self._clock() - self._read_at >= KEPT:
            self._known = self._read()
            self._read_at = self._clock()
        return self._known

    def _read(self) -> list[Metric]:
        counters: dict[str, Any] = {}
        try:
            deployment = self._find()
            found = status.look(deployment.cluster, deployment.resource, None, deployment.board, time.time())
            told = deployment.cluster.beside(drills.BESIDE).flags()
            passed = {host: drill for host, text in told.items() if (drill := drills.read(text)) is not None}
            if deployment.board is not None:
                counters = (status.report_of(found["engine"]["nodes"], deployment.board) or {}).get("counters", {})
        except (ClusterError, CommandFailed):
            return metrics.metrics(None, (), {})
        alarms = [host for host, about in found["hosts"].items() if status.is_alarm(about)]
        return metrics.metrics(found, alarms, counters, passed)


def text(find: Callable[[], Deployment]) -> str:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(FromCluster(find))
    told: bytes = generate_latest(registry)
    return told.decode()


def serve(find: Callable[[], Deployment], listen: Sequence[tuple[str, int]]) -> None:
    """Answer Prometheus, until the process ends.

    :param listen: addresses, and a port of each

    :raises CommandFailed: an address cannot be listened on
    """
    registry = CollectorRegistry()
    registry.register(FromCluster(find))
    for host, port in listen:
        try:
            start_http_server(port, host, registry)
        except OSError as error:
            raise CommandFailed(f"--listen {host}:{port}: {error.strerror or error}") from error
    while True:
        time.sleep(3600)
