# SPDX-License-Identifier: Apache-2.0
"""This control node's own files; and what has to run on each control node beside Pacemaker."""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import ClusterFacts, Facts, NodeFacts
from nova_ha.model.findings import Finding, FindingCode, error, warning


def installed(node: NodeFacts) -> Iterator[Finding]:
    """Whether the files that were installed are still what they were: a package may have replaced one."""
    for path, what in sorted(node.changed.items()):
        yield error(FindingCode.FILE_CHANGED, path, f"{what}. Install nova-ha on this node again")


def secrets(node: NodeFacts) -> Iterator[Finding]:
    """Whether only root can read the files that hold a password."""
    for path in node.readable:
        text = "it holds the engine's credentials, and others than root can read it"
        yield warning(FindingCode.PASSWORD_READABLE, path, text, f"chmod 600 {path}")


def history(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether each control node that is there keeps the history."""
    if facts.keepers is None or len([each for each in cluster.configuration.nodes if not each.is_remote]) < 2:
        return
    present = [name for name, node in cluster.state.nodes.items() if node.connected and not node.is_remote]
    for name in sorted(set(present) - facts.keepers):
        text = "nova-ha-history.service does not run there: it lacks what other nodes did, and they what it did"
        yield warning(FindingCode.HISTORY_NOT_KEPT, name, text, "systemctl enable --now nova-ha-history")
