# SPDX-License-Identifier: Apache-2.0
"""Hosts that nova-ha took out of service and of which no flag speaks any more: pure.

The flag goes last, when a host is in service again. Where it is gone before, somebody else deleted it (an operator who
was impatient, a configuration that was restored, the removal of a broken host from the cluster), and nothing would ever
put the host back, or end its recovery. Whether it is alive, and so which value is right, only an operator can tell: a
flag that says dead must rest on a proof.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_ha.model import disabled_reason, flag
from nova_ha.model.actions import Wait
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.snapshot import Service


class TakenOut:
    """The services that this engine has seen forced down while their hosts were flagged, until they are not any more.

    It serves where the mark does not: for services whose mark somebody has overwritten, or that are forced down without
    one, because the mass failure guard holds their host; and it tells whose a service is when its host has left the
    cluster. A new engine does not know them.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, str] = {}  # Nova's host name -> the cluster's

    def sees(self, host: str, service: Service) -> None:
        """Learn of the service of a flagged host, which is the cluster's name of it."""
        if service.forced_down:
            self._hosts[service.host] = host

    def standing(self, services: Mapping[str, Service]) -> dict[str, str]:
        """Those that are out of service still, as ``{Nova's host name: the cluster's}``.

        :param services: by Nova's names of their hosts; one that is not among them may be so for a moment
        """
        back = {name for name in self._hosts if name in services and not _is_out(services[name])}
        self._hosts = {name: host for name, host in self._hosts.items() if name not in back}
        return {name: host for name, host in self._hosts.items() if name in services}


def alarms(
    services: Mapping[str, Service],
    nodes: Mapping[str, str],
    flagged: Mapping[str, str],
    attribute: str,
    taken_out: Mapping[str, str] | None = None,
) -> list[Wait]:
    """Waits with an alarm for such hosts.

    The mark of a host that is no node of the cluster may be another cluster's. It is ours if this engine took the host
    out; or if every other host of Nova's is a node of ours, so that there is no other cluster.

    :param services: by Nova's names of their hosts, read after the flags
    :param nodes: ``{cluster's name: Nova's host name}`` of the cluster's hosts
    :param flagged: ``{cluster's name: Nova's host name}`` of the hosts that have a flag
    :param attribute: name of the node attribute that is the flag
    :param taken_out: from ``TakenOut.standing``
    """
    marked = {name for name, service in services.items() if disabled_reason.is_marked(service)}
    known = {name: host for host, name in nodes.items()}
    ours = {**(taken_out or {}), **known}
    if services.keys() <= marked | ours.keys():
        ours = {**dict(zip(marked, marked)), **ours}
    out = (marked | (taken_out or {}).keys()) & ours.keys() - set(flagged.values())
    found = []
    for name in sorted(out, key=ours.__getitem__):
        node = ours[name]
        what = _deleted(node) if name in known else _removed(node, name, attribute)
        found.append(Wait(node, what.reason, what.code, needs_operator=True, command=what.command))
    return found


def _is_out(service: Service) -> bool:
    return service.forced_down or disabled_reason.is_marked(service)


def _deleted(node: str) -> Problem:
    reason = (
        "nova-ha took it out of service, and its flag was deleted before it was back: if the host runs, have its return"
        f" go on; if it does not, have what is left on it evacuated: nova-ha evacuate {node}"
    )
    return Problem(Code.FLAG_DELETED, reason, f"nova-ha end {node}")


def _removed(node: str, name: str, attribute: str) -> Problem:
    entry = f"<node id='{node}' uname='{node}' type='remote'/>"
    reason = (
        "nova-ha took it out of service, and it was removed from the cluster before it was back: what is left of its "
        f"recovery is not done. See what Nova has on it still. If that is nothing, delete "
        f"its service, or put it back (openstack compute service set --up --enable {name} nova-compute). Else add it "
        f'again (cibadmin --create --scope nodes --xml-text "{entry}") and, only if you are certain that its power is '
        f"off, flag it ({flag.change(node, attribute, flag.FLAGGED)}); its connection only after that: without a flag "
        "nova-compute would be started there, and destroy what is to be recovered"
    )
    return Problem(Code.REMOVED_FROM_CLUSTER, reason, f"openstack server list --all-projects --host {name}")
