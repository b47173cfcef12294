# SPDX-License-Identifier: Apache-2.0
"""What is still missing until all is well again: looked at in the lab, judged by a pure function."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Optional

from tests.lab import bmc, cloud, cluster, history, nodes, workload
from tests.lab.shell import LabError

_STATUS = {history.RUNNING: "ACTIVE", history.PAUSED: "PAUSED", history.STOPPED: "SHUTOFF", history.GONE: None}


@dataclasses.dataclass(frozen=True)
class Seen:
    """The lab at one moment.

    :param flags: the flags of the hosts that have one
    :param online: nodes that the cluster has online
    :param engine: where the engine runs
    :param verdict: the engine's own, by ``nova-ha status`` there
    :param failures: failed actions that the cluster holds on to, as lines
    :param computing: the hosts on which nova-compute runs
    :param services: as ``workload.services``
    :param instances: as ``workload.instances``
    :param parts: the cloud's parts, and systemd's word for each
    :param bmcs: the hosts whose BMC runs
    """

    flags: Mapping
    online: tuple
    engine: Optional[str]
    verdict: Optional[str]
    failures: tuple
    computing: tuple
    services: tuple
    instances: tuple
    parts: Mapping
    bmcs: tuple


def missing(settings, wanted):
    """What is still missing in the lab, as lines; none when all is well.

    :param wanted: what the instances have to be, ``{id: state}``
    """
    try:
        return compare(settings, look(settings), wanted)
    except LabError as error:
        return [f"no answer: {' '.join(str(error).split())[:200]}"]


def look(settings):
    """The lab now.

    :raises LabError: the cluster or Nova does not answer
    """
    engine = cluster.active_on(settings, cluster.ENGINE)
    return Seen(
        flags=cluster.flags(settings),
        online=tuple(cluster.online_nodes(settings)),
        engine=engine,
        verdict=_verdict(engine) if engine else None,
        failures=tuple(cluster.lasting_failures(settings)),
        computing=tuple(cluster.active_nodes(settings, cluster.COMPUTE)),
        services=tuple(workload.services(settings)),
        instances=tuple(workload.instances(settings)),
        parts=cloud.status(settings),
        bmcs=tuple(node for node in settings.powered if bmc.running(node)),
    )


def _verdict(engine):
    """What the engine's own account says of the whole."""
    said = nodes.execute(engine, "nova-ha", "status", "--json", check=False).stdout
    try:
        return json.loads(said)["verdict"]
    except ValueError:
        return f"nothing: {' '.join(said.split())[:100]}"


def compare(settings, seen, wanted):
    """What is missing in what was seen."""
    hosts = settings.compute_hosts
    lines = [f"the flag of {host} is {value}" for host, value in sorted(seen.flags.items())]
    lines += [f"{node} is not online" for node in settings.powered if node not in seen.online]
    lines += [f"the BMC of {node} is away" for node in settings.powered if node not in seen.bmcs]
    lines += [f"{part} is {state}" for part, state in seen.parts.items() if state != "active"]
    if not seen.engine:
        lines.append("the engine runs nowhere")
    elif seen.verdict != "well":
        lines.append(f"nova-ha status says: {seen.verdict}")
    lines += [f"the cluster holds on to a failure: {failure}" for failure in seen.failures]
    lines += [f"nova-compute does not run on {host}" for host in hosts if host not in seen.computing]
    for service in seen.services:
        state = (service["state"], service["status"], service["forced_down"])
        if state != ("up", "enabled", False):
            forced = ", forced down" if service["forced_down"] else ""
            lines.append(f"the service of {service['host']} is {service['state']}, {service['status']}{forced}")
    entries = {entry["id"]: entry for entry in seen.instances}
    for ident, state in sorted(wanted.items()):
        if state in _STATUS:
            lines += _about(entries.get(ident), ident, _STATUS[state])
    return lines


def _about(entry, ident, wanted):
    found = entry["status"] if entry else None
    if found != wanted:
        yield f"instance {ident} is {found or 'gone'}, not {wanted or 'gone'}"
    elif entry and entry["task_state"]:
        yield f"instance {ident} is {found}, {entry['task_state']}"
