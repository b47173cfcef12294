# SPDX-License-Identifier: Apache-2.0
"""The size of the cluster, against what Pacemaker can do (docs/deploy.md, How many hosts)."""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import ClusterFacts, Facts
from nova_ha.model.findings import Finding, FindingCode, error, note, warning

# Seconds of the scheduler for each change at 1,000 hosts; they grow with the square (docs/benchmarks.md).
_SECONDS_AT_1000 = 40.0
# From so many hosts on there is something to do; is the death of a host noticed late; does nothing work.
_MANY, _TOO_MANY, _IMPOSSIBLE = 200, 1000, 1700

# Octets of a message between Pacemaker's daemons, and until which version the configuration must fit into one.
_IPC_BUFFER = 131072
_BUFFER_UNTIL = (3, 0, 1)
_NEARLY = 0.8


def hosts(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether Pacemaker's scheduler copes with so many hosts."""
    number = len(cluster.connections())
    spent = _SECONDS_AT_1000 * (number / 1000) ** 2
    text = f"{number} compute hosts: Pacemaker's scheduler takes about {spent:.1f} s for each change"
    if number >= _IMPOSSIBLE:
        yield error(FindingCode.MANY_HOSTS, "cluster", f"{text}, and its controller gives up after 120 s")
    elif number >= _TOO_MANY:
        yield warning(FindingCode.MANY_HOSTS, "cluster", f"{text}: a host that dies is fenced after that, at best")
    elif number > _MANY:
        yield note(FindingCode.MANY_HOSTS, "cluster", text)


def configuration(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether the configuration fits into one message of Pacemaker's, as large as this node's may be."""
    size, buffer = cluster.configuration.size, max(_IPC_BUFFER, facts.node.ipc_buffer or 0)
    if cluster.state.version >= _BUFFER_UNTIL or size < _NEARLY * buffer:
        return
    text = f"compressed it has {size} octets; more than {buffer} need a larger PCMK_ipc_buffer on all nodes"
    make = error if size > buffer else warning
    yield make(FindingCode.LARGE_CONFIGURATION, "cluster", text)
