# SPDX-License-Identifier: Apache-2.0
"""All checks, in the order in which their findings are told; each is a pure function of what it needs to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nova_ha.checks import capacity, cloud, cluster_options, fencing, hosts, node, policy, resources, sizing
from nova_ha.checks.facts import CloudFacts, ClusterFacts, Facts, NodeFacts, Settings
from nova_ha.model.findings import Finding, FindingCode, Severity, error

# By what each has to be given.
OF_CLUSTER: tuple[Callable[[ClusterFacts], Iterable[Finding]], ...] = (
    cluster_options.stonith,
    cluster_options.quorum,
    cluster_options.maintenance,
    cluster_options.concurrent_fencing,
    cluster_options.stickiness,
    cluster_options.startup_probes,
    cluster_options.versions,
    resources.engine,
    resources.monitors,
    resources.retries,
    resources.timeouts,
    resources.connections,
    fencing.shared,
    fencing.timeouts,
    fencing.side_by_side,
    fencing.devices,
    sizing.hosts,
)
OF_CLUSTER_AND_MORE: tuple[Callable[[Facts, ClusterFacts], Iterable[Finding]], ...] = (
    resources.compute,
    resources.flag_rule,
    resources.attributes,
    hosts.names,
    hosts.connections,
    hosts.maintenances,
    hosts.flags,
    fencing.levels,
    node.history,
    sizing.configuration,
)
OF_CLOUD: tuple[Callable[[CloudFacts], Iterable[Finding]], ...] = (cloud.rights, cloud.clocks, capacity.one_host)
OF_CLOUD_AND_MORE: tuple[Callable[[Facts, CloudFacts], Iterable[Finding]], ...] = (cloud.region, cloud.reports)
OF_POLICY: tuple[Callable[[Settings, CloudFacts], Iterable[Finding]], ...] = (policy.tag, policy.lists)
OF_NODE: tuple[Callable[[NodeFacts], Iterable[Finding]], ...] = (node.installed, node.secrets)
OF_ALL: tuple[Callable[[Facts], Iterable[Finding]], ...] = (cloud.access, cloud.tls, cloud.nova_options)

_ORDER = list(Severity)


def run(facts: Facts) -> list[Finding]:
    """All findings, the worst first, each severity in the order of the checks."""
    found: list[Finding] = []
    if facts.cluster is None:
        text = f"{facts.cluster_failure}: nothing of the cluster could be checked"
        found.append(error(FindingCode.CLUSTER_AWAY, "cluster", text, "systemctl status pacemaker"))
    else:
        found += [each for check in OF_CLUSTER for each in check(facts.cluster)]
        found += [each for check in OF_CLUSTER_AND_MORE for each in check(facts, facts.cluster)]
    found += [each for check in OF_ALL for each in check(facts)]
    if facts.cloud is not None:
        found += [each for check in OF_CLOUD for each in check(facts.cloud)]
        found += [each for check in OF_CLOUD_AND_MORE for each in check(facts, facts.cloud)]
        if facts.settings is not None:
            found += [each for check in OF_POLICY for each in check(facts.settings, facts.cloud)]
    found += [each for check in OF_NODE for each in check(facts.node)]
    return sorted(found, key=lambda each: _ORDER.index(each.severity))
