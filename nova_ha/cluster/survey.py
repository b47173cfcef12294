# SPDX-License-Identifier: Apache-2.0
"""The door to Pacemaker for who looks at the whole cluster: its configuration, its state and what agents say of
themselves, in one question each."""

from __future__ import annotations

import bz2
import dataclasses
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from nova_ha.cluster import cib, configuration
from nova_ha.cluster.configuration import Configuration
from nova_ha.cluster.pacemaker import Cluster, ClusterError

# Letters of an information base that no message could be too small for: compressing it is not worth the time.
_SMALL = 500_000


@dataclasses.dataclass(frozen=True)
class NodeState:
    """What the cluster takes a node for.

    :param connected: whether it reaches the node; for a remote node, by a connection that is started
    :param unclean: whether it wants the node fenced
    """

    connected: bool
    unclean: bool
    is_remote: bool
    standby: bool = False
    maintenance: bool = False


@dataclasses.dataclass(frozen=True)
class ResourceState:
    """Where a resource is active, by the names of the nodes, and whether it has failed somewhere."""

    nodes: frozenset[str] = frozenset()
    failed: bool = False
    managed: bool = True


@dataclasses.dataclass(frozen=True)
class ClusterState:
    """What runs where.

    :param version: of Pacemaker on the node that decides, such as ``(2, 1, 5)``; empty where it does not say
    :param mixed: whether nodes have different versions of Pacemaker
    :param resources: by their ids; those of a clone's instances are one
    """

    version: tuple[int, ...] = ()
    quorum: bool = True
    mixed: bool = False
    nodes: Mapping[str, NodeState] = dataclasses.field(default_factory=dict)
    resources: Mapping[str, ResourceState] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class AgentFacts:
    """What an agent's metadata says: the timeouts that it advises, in seconds by action, and its parameters."""

    timeouts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    parameters: frozenset[str] = frozenset()


class Survey(Cluster):
    """The cluster, for who looks at all of it; every method raises ``ClusterError``."""

    def configuration(self) -> Configuration:
        """The whole configuration."""
        text = self._demand(["cibadmin", "--query"], "the cluster's configuration cannot be read")
        size = len(bz2.compress(text.encode())) if len(text) >= _SMALL else 0
        return configuration.parse(cib.parse(text), size)

    def state(self) -> ClusterState:
        """What runs where."""
        return state(self._status("summary,nodes,resources"))

    def metadata(self, agent: str) -> AgentFacts:
        """What an agent that is installed here says of itself.

        :param agent: ``class:provider:type``, or ``class:type``
        """
        text = self._demand(["crm_resource", "--show-metadata", agent], f"no metadata of {agent}")
        root = cib.parse(text)
        timeouts = {each.get("name", ""): configuration.seconds(each.get("timeout")) for each in root.iter("action")}
        parameters = frozenset(each.get("name", "").replace("-", "_") for each in root.iter("parameter"))
        return AgentFacts({name: each for name, each in timeouts.items() if each is not None}, parameters)


def state(root: Element) -> ClusterState:
    """From what crm_mon prints."""
    dc = root.find("summary/current_dc")
    version = dc.get("version", "") if dc is not None else ""
    resources = _resources(root)
    nodes = {cib.required(each, "name"): _node(each, reached) for each, reached in cib.nodes_reached(root)}
    return ClusterState(
        version=_numbers(version),
        quorum=dc is not None and dc.get("with_quorum") == "true",
        mixed=dc is not None and dc.get("mixed_version") == "true",
        nodes=nodes,
        resources=resources,
    )


def _node(element: Element, connected: bool) -> NodeState:
    return NodeState(
        connected=connected,
        unclean=cib.is_true(element, "unclean"),
        is_remote=cib.is_remote(element),
        standby=cib.is_true(element, "standby"),
        maintenance=cib.is_true(element, "maintenance"),
    )


def _resources(root: Element) -> dict[str, ResourceState]:
    found: dict[str, ResourceState] = {}
    for each in root.iter("resource"):
        id = cib.required(each, "id").partition(":")[0]
        before = found.get(id, ResourceState())
        started = each.get("active") == "true" and each.get("role") not in ("Stopped", "Starting")
        names = {cib.required(node, "name") for node in each.findall("node")} if started else set()
        found[id] = ResourceState(
            nodes=before.nodes | names,
            failed=before.failed or each.get("failed") == "true",
            managed=before.managed and each.get("managed") != "false",
        )
    return found


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("-")[0].split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


__all__ = ["AgentFacts", "ClusterError", "ClusterState", "NodeState", "ResourceState", "Survey", "state"]
