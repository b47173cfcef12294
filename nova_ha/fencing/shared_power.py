# SPDX-License-Identifier: Apache-2.0
"""The fencing devices of the cluster's configuration: in which order they fence a host, and whose power one switches.

Two hosts must never stand for one another. A device that powers hosts itself proves one host off and flags it. Where a
mistake in the configuration has one address stand for two hosts, it would power the one off and flag the other, which
lives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from nova_ha.cluster import nvpairs
from nova_ha.cluster.cib import literal
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.fencing import topology
from nova_ha.model import hostnames

# Parameters that make the address at which a power agent finds a host, whichever agent it is.
ADDRESS = ("ip", "ipport", "target", "systems_uri", "redfish_uri", "switch", "power_options")

# The device by which the fencer waits for a host's watchdog. It is there without being configured.
_WATCHDOG = {"watchdog": "fence_watchdog"}

# Ways to find a device's hosts that leave it open which they are, or take any.
_ANY_HOST = ("none", "status")


class Behind(NamedTuple):
    """A host that some device is for.

    :param host: its name as the device has it, None for whatever host the cluster wants fenced
    :param plug: what the power agent is to know it by
    """

    host: str | None
    plug: str | None


class Devices(Cluster):
    """The cluster, as a fence agent needs it: with the configuration of fencing devices."""

    def fencing_levels(self, name: str) -> list[list[str]]:
        """The levels of the fencing topology by which Pacemaker may fence a host: the names of each one's devices.

        :param name: the host's, as the fencing was asked for; see ``topology``
        :raises topology.Misconfigured: it cannot be told which levels these are
        :raises cluster.ClusterError: Pacemaker does not answer
        """
        attributes: set[tuple[str, str]] | None = None

        def has_attribute(attribute: str, value: str) -> bool:
            nonlocal attributes
            if attributes is None:
                attributes = self._attributes(name)
            return (attribute, value) in attributes

        return topology.devices(self._query("//fencing-topology/fencing-level"), name, has_attribute)

    def fence_agents(self, devices: Collection[str]) -> dict[str, str]:
        """Which fence agent each of these fencing devices uses, as ``{device: agent}``, without those not known.

        :raises cluster.ClusterError: Pacemaker does not answer
        """
        wanted = " or ".join(f"@id={literal(device)}" for device in devices)
        found = self._query(f'//primitive[{wanted}]|//template[@class="stonith"]')
        templates = nvpairs.templates(found)
        # A primitive has its agent from its template, if it has one.
        described = {
            each.get("id", ""): templates.get(each.get("template", ""), each)
            for each in found
            if each.tag == "primitive"
        }
        agents = {name: each.get("type", "") for name, each in described.items() if each.get("class") == "stonith"}
        return {**_WATCHDOG, **agents}

    def behind(self, agent: str, parameters: Mapping[str, str | None]) -> set[Behind]:
        """The hosts of all devices of an agent that lead to the same address.

        :param parameters: of one of those devices, by name; ``ADDRESS`` says which matter
        :raises cluster.ClusterError: Pacemaker does not answer
        """
        wanted = address(parameters)
        given = self._parameters_of_all(agent)
        return {behind for each in given if address(each) == wanted for behind in hosts(each)}

    def powers(self, agent: str, host: str) -> set[tuple[str | None, ...]]:
        """The powers of a host that devices of an agent switch, each as a tuple that tells it from any other.

        Devices without an address are left out: they only flag.

        :raises cluster.ClusterError: Pacemaker does not answer
        """
        return {
            (*address(each), behind.plug)
            for each in self._parameters_of_all(agent)
            if any(address(each)) or is_by_plug(each)
            for behind in hosts(each)
            if behind.host and hostnames.fold(behind.host) == hostnames.fold(host)
        }

    def _attributes(self, name: str) -> set[tuple[str, str]]:
        """The permanent attributes of the node of exactly this name, as ``(name, value)``."""
        pairs = self._query(f"//nodes/node[@uname={literal(name)}]/instance_attributes/nvpair")
        return {(pair.get("name", ""), value) for pair in pairs if (value := pair.get("value")) is not None}

    def _parameters_of_all(self, agent: str) -> list[dict[str, str]]:
        """The parameters of each device of an agent, those of its template among them."""
        kind = f'[@class="stonith"][@type={literal(agent)}]'
        by_template = f"//primitive[@template=//template{kind}/@id]"
        found = self._query(f"//primitive{kind}|{by_template}|//template{kind}")
        templates = nvpairs.templates(found)
        sets = [
            [*nvpairs.sets(templates.get(each.get("template", ""))), *nvpairs.sets(each)]
            for each in found
            if each.tag == "primitive"
        ]
        referred = self._referred(each for device in sets for each in device)
        return [_merged([nvpairs.meant(each, referred) for each in device], referred) for device in sets]

    def _referred(self, sets: Iterable[Element]) -> dict[str, Element]:
        """What sets of parameters, and parameters in them, stand for that are written elsewhere, by id."""
        known: dict[str, Element] = {}
        wanted = nvpairs.references(sets)
        while wanted:
            which = " or ".join(f"@id={literal(each)}" for each in sorted(wanted))
            found = self._query(f"//instance_attributes[{which}]|//nvpair[{which}]")
            known.update({each.get("id", ""): each for each in found})
            wanted = nvpairs.references(found) - known.keys()
        return known


def hosts(given: Mapping[str, str]) -> set[Behind]:
    """Which hosts a device is for, by its parameters."""
    plugs = {host: host for host in re.split(r"[,;\s]+", given.get("pcmk_host_list", "")) if host}
    # As the fencer reads it.
    for entry in re.split(r"[;\s]+", given.get("pcmk_host_map", "")):
        host, *plug = re.split("[:=]", entry, maxsplit=1)
        if plug:
            plugs[host] = plug[0]
    found: set[Behind] = {Behind(host, plug) for host, plug in plugs.items()}
    return found | {Behind(None, None)} if given.get("pcmk_host_check") in _ANY_HOST else found


def together(behind: Iterable[Behind], by_plug: bool) -> dict[str | None, set[str]]:
    """The hosts that are powered off as one, as ``{plug: names}``; without plugs, all of them by None.

    :param behind: of one address, as ``Devices.behind`` gives them
    :param by_plug: whether the power agent tells them apart by their plugs
    """
    found: dict[str | None, set[str]] = {}
    for host, plug in behind:
        # As Pacemaker, which does not mind upper and lower case in a node's name.
        found.setdefault(plug if by_plug else None, set()).add(hostnames.fold(host) if host else "any host")
    return found


def is_by_plug(parameters: Mapping[str, str | None]) -> bool:
    """Whether a device's plugs are the addresses of its hosts' BMCs."""
    return (parameters.get("port_as_ip") or "").lower() not in ("0", "no", "off", "false", "")


def address(parameters: Mapping[str, str | None]) -> list[str | None]:
    """Where a device finds what it powers, as a list that tells it from any other; nothing in it: it only flags."""
    # A parameter that is not set, and one that is set to nothing, are one.
    return [parameters.get(name) or None for name in ADDRESS if name != "ip" or not is_by_plug(parameters)]


def _merged(sets: Sequence[Element], referred: Mapping[str, Element]) -> dict[str, str]:
    """The parameters that some sets of them make; a name may be spelled with dashes as well."""
    return underscored(nvpairs.merged(sets, referred))


def underscored(parameters: Mapping[str, str]) -> dict[str, str]:
    """A device's parameters by their names with underscores: the fencing library takes dashes as well."""
    found: dict[str, str] = {}
    for name, value in parameters.items():
        found.setdefault(name.replace("-", "_"), value)
    return found
