# SPDX-License-Identifier: Apache-2.0
"""Hosts and their names: each compute host of Nova's is a remote node, and back; and the flags that they carry."""

from __future__ import annotations

import time
from collections.abc import Iterator

from nova_ha.checks.facts import ClusterFacts, Facts
from nova_ha.model import flag, hostnames, maintenance
from nova_ha.model.findings import Finding, FindingCode, error, note, warning
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import unread
from nova_ha.policy import reserved_hosts

# Seconds after which a host in maintenance seems forgotten.
LONG_MAINTENANCE = 86400.0


def watched(facts: Facts, cluster: ClusterFacts) -> list[str]:
    """The remote nodes that are compute hosts; while Nova does not say which are, all of them."""
    names = {*cluster.connections(), *(each.name for each in cluster.configuration.nodes if each.is_remote)}
    if facts.cloud is None:
        return sorted(names)
    known = {*facts.cloud.services, *unread(facts.cloud.services)}
    return sorted(name for name in names if _is_known(name, known, _domain(facts)))


def _is_known(name: str, known: set[str], domain: str | None) -> bool:
    try:
        return hostnames.resolve(name, known, domain) is not None
    except hostnames.AmbiguousName:
        return True


def _domain(facts: Facts) -> str | None:
    return facts.settings.domain if facts.settings is not None else None


def names(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether cluster and Nova know the same hosts, each by one name."""
    if facts.cloud is None:
        return
    services = facts.cloud.services
    known = {*services, *unread(services)}
    connected = {*cluster.connections()}
    domain = _domain(facts)
    reached = set()
    for name in sorted(connected):
        try:
            host = hostnames.resolve(name, known, domain)
        except hostnames.AmbiguousName as problem:
            yield error(Code.AMBIGUOUS_HOST, name, str(problem))
            continue
        if host is None:
            text = "Nova has no nova-compute service of this remote node: a wrong name (see domain), or no compute host"
            yield warning(FindingCode.NODE_NOT_IN_NOVA, name, text, "openstack compute service list")
        else:
            reached.add(host)
    entries = {each.name for each in cluster.configuration.nodes if each.is_remote}
    for host in sorted(known - reached):
        yield _unwatched(facts, host, entries)
    for host, service in sorted(services.items()):
        if service.twin is not None:
            text = "Nova has two nova-compute services of it, in two cells: if it died, it would not be recovered"
            yield error(Code.TWO_SERVICES, host, text, f"openstack compute service delete {service.twin}")


def _unwatched(facts: Facts, host: str, entries: set[str]) -> Finding:
    """A compute host of Nova's that no connection of the cluster leads to."""
    assert facts.cloud is not None
    text = "it is a compute host of Nova's, and no remote node of the cluster: nobody would notice its death"
    if host in entries:
        text = "the cluster has an entry of it, but no connection (ocf:pacemaker:remote): nobody notices its death"
    service, room = facts.cloud.services.get(host), facts.cloud.room
    command = f"pcs cluster node add-remote {host} reconnect_interval=60s op start timeout=15s monitor interval=5s"
    if service is not None and not service.enabled and not reserved_hosts.is_reserved(service):
        return note(FindingCode.HOST_NOT_WATCHED, host, f"{text}. It is disabled in Nova", command)
    if room is not None and host not in room.hosts:
        return note(
            FindingCode.HOST_NOT_WATCHED, host, f"{text}. Nova has no hypervisor of it that runs guests", command
        )
    return error(FindingCode.HOST_NOT_WATCHED, host, text, command)


def connections(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether the cluster reaches each host that is not in recovery."""
    flagged = {each.name for each in cluster.configuration.nodes if facts.attribute in each.attributes}
    at_work = {each.name for each in cluster.configuration.nodes if _work(facts) in each.attributes}
    for name, resource in sorted(cluster.connections().items()):
        node = cluster.state.nodes.get(name)
        if resource.disabled and name in at_work:
            continue  # see maintenances
        if resource.disabled:
            text = "its connection is disabled: its death is not noticed"
            yield warning(FindingCode.CONNECTION_DISABLED, name, text, f"pcs resource enable {name}")
        elif node is not None and not node.connected and not node.unclean and name not in flagged:
            text = "the cluster does not reach it, and does not mean to fence it: it was off before, or is starting"
            yield warning(FindingCode.HOST_AWAY, name, text, f"nova-ha evacuate {name}")


def _work(facts: Facts) -> str:
    """Name of the node attribute of hosts in maintenance."""
    return f"{facts.attribute}-{maintenance.BESIDE}"


def maintenances(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Which hosts are in maintenance, and whether one was forgotten there."""
    for node in cluster.configuration.nodes:
        text = node.attributes.get(_work(facts))
        if text is None:
            continue
        work = maintenance.read(text)
        since = f"since {time.strftime('%Y-%m-%d %H:%M', time.localtime(work.since))}" if work.since else "for long"
        said = f"in maintenance {since}, by {work.who}: {work.reason}; its death is not noticed"
        found = warning if facts.now - work.since >= LONG_MAINTENANCE else note
        yield found(FindingCode.IN_MAINTENANCE, node.name, said, f"nova-ha maintenance {node.name} --off")


def flags(facts: Facts, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether each flag has a value that somebody writes, and stands with a node that the cluster has."""
    known = (flag.FLAGGED, flag.GO, *flag.OVER)
    connected = {hostnames.fold(name) for name in cluster.connections()}
    for node in cluster.configuration.nodes:
        value = node.attributes.get(facts.attribute)
        if value is None:
            continue
        if value not in known and flag.claimant(value) is None:
            text = f"its flag is {value!r}, which nova-ha does not know: nova-compute stays off, nobody recovers it"
            command = f"pcs node attribute {node.name} {facts.attribute}="
            yield error(Code.UNKNOWN_FLAG, node.name, text, command)
        elif hostnames.fold(node.name) not in connected:
            text = f"it carries a flag ({value}), and the cluster has no such remote node any more"
            yield warning(Code.REMOVED_FROM_CLUSTER, node.name, text)
