# SPDX-License-Identifier: Apache-2.0
"""All that a check may look at: plain data, gathered once (see ``gather``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_ha.cloud.errors import CloudError
from nova_ha.cluster.configuration import Configuration, Resource
from nova_ha.cluster.survey import AgentFacts, ClusterState
from nova_ha.model import flag
from nova_ha.model.evacuable_tag import TAG, Selection
from nova_ha.model.room import Room
from nova_ha.model.snapshot import Services
from nova_ha.policy.rules import Rules

ENGINE = "ocf:openstack:NovaEvacuate"
COMPUTE = ("ocf:openstack:NovaCompute", "ocf:openstack:nova-compute-wait")
CONNECTION = "ocf:pacemaker:remote"
FLAGGING = "stonith:fence_compute"


@dataclasses.dataclass(frozen=True)
class ClusterFacts:
    """What Pacemaker says.

    :param agents: of the agents that are configured, and installed here, what their metadata says
    """

    configuration: Configuration
    state: ClusterState
    agents: Mapping[str, AgentFacts] = dataclasses.field(default_factory=dict)

    def connections(self) -> dict[str, Resource]:
        """The connections to remote nodes, by the nodes' names."""
        return {each.id: each for each in self.configuration.of_agent(CONNECTION)}


@dataclasses.dataclass(frozen=True)
class CloudFacts:
    """What the cloud says.

    :param services: all nova-compute services
    :param aggregates: ``{name: Nova's names of its hosts}``
    :param regions: those in which the catalog has Nova
    :param clock_offset: seconds that the cloud's clock is ahead of ours, None if it does not say
    :param selection: what is marked by the tag, None if it could not be read
    :param empty_projects: ids that the policy names, and of which no instance is known
    :param room: what hosts have and use, None if it could not be read
    :param failures: what could not be read, each with why
    """

    services: Services
    aggregates: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    regions: frozenset[str] = frozenset()
    clock_offset: float | None = None
    selection: Selection | None = None
    empty_projects: tuple[str, ...] = ()
    room: Room | None = None
    failures: Mapping[str, CloudError] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the engine is configured.

    :param path: the file that it reads
    :param region: None where none is chosen
    """

    path: str
    rules: Rules = Rules()
    attribute: str = flag.ATTRIBUTE
    domain: str | None = None
    tag: str = TAG
    region: str | None = None
    insecure: bool = False


@dataclasses.dataclass(frozen=True)
class NodeFacts:
    """What this node's own files say.

    :param changed: installed files that are gone (None), or are not what was installed, each with the reason
    :param readable: files with a password that others than root can read
    :param nova_options: Nova's own options, as far as a nova.conf is here
    :param nova_file: that file
    :param ipc_buffer: octets of a message between Pacemaker's daemons, None where nothing is set here
    """

    changed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    readable: tuple[str, ...] = ()
    nova_options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    nova_file: str = "/etc/nova/nova.conf"
    ipc_buffer: int | None = None


@dataclasses.dataclass(frozen=True)
class Facts:
    """All of it; a part that is None could not be had, and its failure says why.

    :param now: seconds since the epoch
    :param engine: name of the NovaEvacuate resource, None if there is none
    :param keepers: names of the control nodes that keep the history, None where that is not known
    """

    now: float
    cluster: ClusterFacts | None = None
    cluster_failure: str | None = None
    engine: str | None = None
    keepers: frozenset[str] | None = None
    settings: Settings | None = None
    settings_failure: str | None = None
    cloud: CloudFacts | None = None
    cloud_failure: CloudError | None = None
    node: NodeFacts = NodeFacts()

    @property
    def attribute(self) -> str:
        """Name of the node attribute that is the flag."""
        return self.settings.attribute if self.settings is not None else flag.ATTRIBUTE
