# SPDX-License-Identifier: Apache-2.0
"""The cluster as a whole: may it fence, does it fence side by side, does it have a quorum."""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import ClusterFacts
from nova_ha.model.findings import Finding, FindingCode, error, note, warning

# From this version on dead nodes are fenced side by side by default, whatever Pacemaker was built with.
_CONCURRENT_SINCE = (3, 0)

_LEAST_CONTROL_NODES = 3


def stonith(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether dead hosts are fenced at all."""
    if not cluster.configuration.is_set("stonith-enabled", True):
        text = "the property is false: no host that dies is fenced, so none is recovered"
        yield error(FindingCode.STONITH_DISABLED, "stonith-enabled", text, "pcs property set stonith-enabled=true")


def quorum(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether there is a quorum, and what the cluster does without."""
    policy = cluster.configuration.properties.get("no-quorum-policy", "stop")
    if policy == "ignore":
        text = "it is ignore: two parts of a divided cluster would fence each other's hosts, and run two engines"
        yield error(FindingCode.QUORUM_IGNORED, "no-quorum-policy", text, "pcs property set no-quorum-policy=stop")
    if not cluster.state.quorum:
        text = "this part of the cluster has no quorum: it fences nobody, and recovers nothing"
        yield error(FindingCode.NO_QUORUM, "cluster", text, "pcs quorum status")
    nodes = [node for node in cluster.configuration.nodes if not node.is_remote]
    if 0 < len(nodes) < _LEAST_CONTROL_NODES:
        text = f"control nodes: {len(nodes)}; with three or more, the death of one leaves a quorum"
        yield warning(FindingCode.FEW_CONTROL_NODES, "cluster", text)


def maintenance(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether the cluster leaves everything as it is, or stops it."""
    for name in ("maintenance-mode", "stop-all-resources"):
        if cluster.configuration.is_set(name, False):
            text = "it is true: the recovery engine is not watched, or does not run"
            yield error(FindingCode.MAINTENANCE_MODE, name, text, f"pcs property set {name}=false")


def concurrent_fencing(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether several dead hosts are fenced side by side."""
    given = cluster.configuration.properties.get("concurrent-fencing")
    command = "pcs property set concurrent-fencing=true"
    if given is not None and not cluster.configuration.is_set("concurrent-fencing", False):
        text = "it is false: each of several dead hosts waits for the fencing of those before it"
        yield warning(FindingCode.FENCING_ONE_BY_ONE, "concurrent-fencing", text, command)
    elif given is None and cluster.state.version < _CONCURRENT_SINCE:
        version = ".".join(map(str, cluster.state.version)) or "of unknown version"
        text = f"it is not set, and Pacemaker {version} may have been built to fence one host after another"
        yield warning(FindingCode.FENCING_ONE_BY_ONE, "concurrent-fencing", text, command)


def startup_probes(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether Pacemaker looks before it starts something."""
    if not cluster.configuration.is_set("enable-startup-probes", True):
        text = "it is false: the engine cannot tell whether nova-compute was started anew, and waits longer"
        yield note(
            FindingCode.NO_STARTUP_PROBES,
            "enable-startup-probes",
            text,
            "pcs property set enable-startup-probes=true",
        )


def versions(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether the nodes run one version of Pacemaker."""
    if cluster.state.mixed:
        text = "control nodes run different versions of Pacemaker: end the upgrade"
        yield warning(FindingCode.MIXED_PACEMAKER, "cluster", text)


def stickiness(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether what runs well stays where it is."""
    if cluster.configuration.resource_defaults.get("resource-stickiness", "0") == "0":
        text = "it is not set: when a host is lost, Pacemaker moves the engine and connections to hosts that live"
        command = "pcs resource defaults update resource-stickiness=1"
        yield warning(FindingCode.NO_STICKINESS, "resource-stickiness", text, command)
