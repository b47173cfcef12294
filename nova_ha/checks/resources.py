# SPDX-License-Identifier: Apache-2.0
"""The resources: the engine, nova-compute, connections; what runs, for how long an operation may, and what is tried
again."""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import COMPUTE, CONNECTION, ENGINE, FLAGGING, ClusterFacts, Facts
from nova_ha.cluster.configuration import DEFAULT_TIMEOUT, Operation, Resource, seconds
from nova_ha.model import flag
from nova_ha.model.findings import Finding, FindingCode, error, warning

# Seconds that the start of a connection may take: while it lasts, Pacemaker fences no other host (docs/deploy.md).
_LONGEST_CONNECTION_START = 30.0

# The operations of our agents whose time matters, where the agent's own metadata cannot be read.
_ADVISED = {
    "ocf:openstack:NovaEvacuate": {"start": 60.0, "stop": 20.0, "monitor": 20.0},
    "ocf:openstack:NovaCompute": {"start": 60.0, "monitor": 20.0},
    "ocf:openstack:NovaInstances": {"start": 60.0, "stop": 20.0, "monitor": 20.0},
    "ocf:openstack:nova-compute-wait": {"monitor": 20.0},
}


def engine(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether there is a recovery engine, one, and it runs on a control node."""
    found = cluster.configuration.of_agent(ENGINE)
    if not found:
        text = "no resource of the agent ocf:openstack:NovaEvacuate: flagged hosts are not recovered"
        yield error(FindingCode.NO_ENGINE, "cluster", text)
    for each in found:
        if each.cloned:
            text = "it is in a clone: two engines could ask for the same instance"
            yield error(FindingCode.ENGINE_CLONED, each.id, text, f"pcs resource unclone {each.id}")
        state = cluster.state.resources.get(each.id)
        if each.disabled:
            text = "it is disabled: flagged hosts are not recovered"
            yield error(FindingCode.ENGINE_NOT_RUNNING, each.id, text, f"pcs resource enable {each.id}")
        elif state is None or not state.nodes:
            text = "it runs nowhere: flagged hosts are not recovered. pcs status says why"
            yield error(FindingCode.ENGINE_NOT_RUNNING, each.id, text, f"pcs resource cleanup {each.id}")
        if cluster.connections() and not _is_confined(cluster, each):
            text = "no location rule with resource-discovery keeps it, and the look whether it runs, on control nodes"
            command = (
                f"pcs constraint location {each.id} rule resource-discovery=exclusive score=0 osprole eq controller"
            )
            yield warning(FindingCode.ENGINE_NOT_CONFINED, each.id, text, command)


def _is_confined(cluster: ClusterFacts, resource: Resource) -> bool:
    ids = (resource.id, *resource.within)
    return any(
        each.is_for(ids) and each.discovery in ("exclusive", "never") for each in cluster.configuration.locations
    )


def compute(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether a resource of ours holds nova-compute back, and runs where it should."""
    found = cluster.configuration.of_agent(*COMPUTE)
    if not found and cluster.connections():
        text = "no resource of the agent NovaCompute or nova-compute-wait: nova-compute may start on a flagged host"
        yield error(FindingCode.NO_COMPUTE_RESOURCE, "cluster", text)
    running = {node for each in found if (state := cluster.state.resources.get(each.id)) for node in state.nodes}
    attributes = {each.name: each.attributes for each in cluster.configuration.nodes}
    for name in sorted(cluster.connections()) if found else ():
        node = cluster.state.nodes.get(name)
        if node is None or not node.connected or node.unclean or node.standby or node.maintenance:
            continue
        if (
            name not in running
            and not flag.stands(attributes.get(name, {}).get(facts.attribute))
            and not all(each.disabled for each in found)
        ):
            text = "the host is there and not flagged, and its nova-compute resource does not run. pcs status says why"
            yield warning(
                FindingCode.COMPUTE_NOT_RUNNING, name, text, f"pcs resource cleanup {found[0].id} node={name}"
            )


def _ours(cluster: ClusterFacts) -> list[Resource]:
    return cluster.configuration.of_agent(ENGINE, *COMPUTE, FLAGGING)


def retries(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether Pacemaker tries again what has failed."""
    default = cluster.configuration.resource_defaults.get("failure-timeout")
    devices = cluster.configuration.fencing_devices()
    for each in (*cluster.configuration.of_agent(ENGINE, *COMPUTE), *devices):
        if not seconds(each.meta.get("failure-timeout", default)):
            text = "it has no failure-timeout: what fails once stays stopped until an operator cleans it up"
            kind = "stonith" if each in devices else "resource"
            command = f"pcs {kind} update {each.id} meta failure-timeout=120s"
            yield warning(FindingCode.NO_FAILURE_TIMEOUT, each.id, text, command)


def monitors(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether anybody notices that a resource has failed."""
    for each in cluster.configuration.of_agent(ENGINE, *COMPUTE, CONNECTION):
        if not any(one.name == "monitor" and one.interval and one.enabled for one in each.operations):
            text = "it has no recurring monitor: nobody notices that it has died or hangs"
            command = f"pcs resource update {each.id} op monitor interval={'5' if each.agent == CONNECTION else '10'}s"
            yield error(FindingCode.NO_MONITOR, each.id, text, command)


def timeouts(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether each operation of our agents has the time that the agent advises."""
    for each in cluster.configuration.of_agent(ENGINE, *COMPUTE):
        known = cluster.agents.get(each.agent)
        advised = {**_ADVISED.get(each.agent, {}), **(known.timeouts if known is not None else {})}
        for action in ("start", "stop", "monitor"):
            wanted, given = advised.get(action), _timeout(cluster, each, action)
            if wanted is not None and given < wanted:
                text = f"{action} has {given:g} s, and the agent advises {wanted:g} s: it may be taken for failed"
                command = f"pcs resource update {each.id} op {action} {_interval(each, action)}timeout={wanted:g}s"
                yield warning(FindingCode.SHORT_TIMEOUT, each.id, text, command)


def _timeout(cluster: ClusterFacts, resource: Resource, action: str) -> float:
    """Seconds that an operation has: of several monitors, the shortest."""
    default = seconds(cluster.configuration.operation_defaults.get("timeout")) or DEFAULT_TIMEOUT
    return min((each.timeout or default for each in _operations(resource, action)), default=default)


def _interval(resource: Resource, action: str) -> str:
    intervals = [each.interval for each in _operations(resource, action) if each.interval]
    return f"interval={intervals[0]:g}s " if intervals else ""


def _operations(resource: Resource, action: str) -> list[Operation]:
    return [each for each in resource.operations if each.name == action]


def connections(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether the connection to a host that is lost holds up the fencing of others."""
    for name, each in sorted(cluster.connections().items()):
        start, pause = _timeout(cluster, each, "start"), seconds(each.parameters.get("reconnect_interval"))
        wrong = []
        if start > _LONGEST_CONNECTION_START:
            wrong.append(f"its start may take {start:g} s")
        if not pause:
            wrong.append("it has no reconnect_interval")
        if wrong:
            text = f"{' and '.join(wrong)}: while it is tried, no other host is fenced"
            command = f"pcs resource update {name} reconnect_interval=60s op start timeout=15s"
            yield warning(FindingCode.SLOW_CONNECTION, name, text, command)


def flag_rule(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether a rule keeps nova-compute off each flagged host, and off no other."""
    standing = (flag.FLAGGED, flag.GO, flag.claim("control", facts.now), flag.RESTART)
    nodes = [each for each in cluster.configuration.nodes if each.is_remote]
    for resource in cluster.configuration.of_agent(*COMPUTE):
        ids = (resource.id, *resource.within)
        rules = [each for each in cluster.configuration.locations if each.is_for(ids)]
        target = resource.within[0] if resource.within else resource.id
        command = f"pcs constraint location {target} rule score=-INFINITY defined {facts.attribute} and "
        command += f"{facts.attribute} ne no"
        for node in nodes:
            plain = {"#uname": node.name, "#id": node.name, "#kind": "remote", **node.attributes}
            plain.pop(facts.attribute, None)
            flagged = ({**plain, facts.attribute: value} for value in standing)
            if not all(any(rule.bans(each) for rule in rules) for each in flagged):
                text = f"no location rule of {target} keeps it off the host while its flag ({facts.attribute}) stands"
                yield warning(FindingCode.FLAG_RULE_MISSING, node.name, text, command)
            well = (plain, {**plain, facts.attribute: flag.RECOVERED})
            flags = [rule for rule in rules if rule.mentions(facts.attribute)]
            if bad := next((rule.id for each in well for rule in flags if rule.bans(each)), None):
                text = f"{bad} keeps {target} off the host though it is not flagged: the rule needs defined, and ne no"
                yield error(FindingCode.FLAG_RULE_WRONG, node.name, text, f"pcs constraint delete {bad} && {command}")


def attributes(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether all agents mean the same node attribute."""
    for each in _ours(cluster):
        name = each.parameters.get("attribute") or flag.ATTRIBUTE
        if each.agent == ENGINE and not each.parameters.get("attribute"):
            continue  # its file may say it, and that is what the others are compared with
        if name != facts.attribute:
            text = f"its flag is {name}, and the engine's is {facts.attribute}: what it flags or obeys is not recovered"
            kind = "stonith" if each.agent == FLAGGING else "resource"
            command = f"pcs {kind} update {each.id} attribute={facts.attribute}"
            yield error(FindingCode.ATTRIBUTES_DIFFER, each.id, text, command)
