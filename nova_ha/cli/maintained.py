# SPDX-License-Identifier: Apache-2.0
"""The hosts in maintenance, as ``status`` and ``maintenance`` show them; how they come to be: ``maintenance``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from nova_ha.cli.table import ago, clean
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import maintenance
from nova_ha.model.maintenance import Maintenance


class HostWork(TypedDict):
    """A host in maintenance.

    :param since: seconds since the epoch; 0: not known
    :param who: has ordered it
    """

    since: int
    who: str
    reason: str


def standing(cluster: Cluster) -> dict[str, Maintenance]:
    """The hosts in maintenance, by the cluster's names.

    :raises ClusterError: Pacemaker does not answer
    """
    return {host: maintenance.read(text) for host, text in sorted(cluster.beside(maintenance.BESIDE).flags().items())}


def listed(works: Mapping[str, Maintenance]) -> dict[str, HostWork]:
    """The same as plain data."""
    return {host: {"since": each.since, "who": each.who, "reason": each.reason} for host, each in works.items()}


def line(host: str, work: HostWork, now: float) -> str:
    """A host in maintenance, for people.

    :param now: seconds since the epoch
    """
    since = f"for {ago(now - work['since'])}" if work["since"] else "for an unknown time"
    # Root on a compute host can write what stands there.
    why = clean(f"by {work['who']}: {work['reason']}")
    return f"{host}: in maintenance {since}, {why}. Back: nova-ha maintenance {host} --off"
