# SPDX-License-Identifier: Apache-2.0
"""Whose power a device of the cluster's configuration switches: two hosts must never stand for one another.

A device that powers hosts itself proves one host off and flags it. Where a mistake in the configuration has one address
stand for two hosts, it would power the one off and flag the other, which lives.
"""

import re
from typing import NamedTuple, Optional

from nova_ha import hostnames
from nova_ha.cluster import Cluster

# Parameters that make the address at which a power agent finds a host, whichever agent it is.
ADDRESS = ("ip", "ipport", "target", "systems_uri", "redfish_uri", "switch", "power_options")

# Ways to find a device's hosts that leave it open which they are, or take any.
_ANY_HOST = ("none", "status")


class Behind(NamedTuple):
    """A host that some device is for.

    :param host: its name as the device has it, None for whatever host the cluster wants fenced
    :param plug: what the power agent is to know it by
    """

    host: Optional[str]
    plug: Optional[str]


class Devices(Cluster):
    """The cluster, as a fence agent needs it: with the configuration of fencing devices."""

    def behind(self, agent, parameters):
        """The hosts of all devices of an agent that lead to the same address, as a set of ``Behind``.

        :param parameters: of one of those devices, by name; ``ADDRESS`` says which matter
        :raises cluster.ClusterError: Pacemaker does not answer
        """
        wanted = _address(parameters)
        return {
            behind
            for device in self._query(f'//primitive[@class="stonith"][@type="{agent}"]')
            for given in [{_name(pair): pair.get("value", "") for pair in device.findall("instance_attributes/nvpair")}]
            if _address(given) == wanted
            for behind in hosts(given)
        }


def hosts(given):
    """Which hosts a device is for, by its parameters, as a set of ``Behind``."""
    plugs = {host: host for host in re.split(r"[,;\s]+", given.get("pcmk_host_list", "")) if host}
    # As the fencer reads it.
    for entry in re.split(r"[;\s]+", given.get("pcmk_host_map", "")):
        host, *plug = re.split("[:=]", entry, maxsplit=1)
        if plug:
            plugs[host] = plug[0]
    found = {Behind(host, plug) for host, plug in plugs.items()}
    return found | {Behind(None, None)} if given.get("pcmk_host_check") in _ANY_HOST else found


def together(behind, by_plug):
    """The hosts that are powered off as one, as ``{plug: names}``; without plugs, all of them by None.

    :param behind: of one address, as ``Devices.behind`` gives them
    :param by_plug: whether the power agent tells them apart by their plugs
    """
    found = {}
    for host, plug in behind:
        # As Pacemaker, which does not mind upper and lower case in a node's name.
        found.setdefault(plug if by_plug else None, set()).add(hostnames.fold(host) if host else "any host")
    return found


def is_by_plug(parameters):
    """Whether a device's plugs are the addresses of its hosts' BMCs."""
    return parameters.get("port_as_ip", "0").lower() not in ("0", "no", "off", "false", "")


def _address(parameters):
    # A parameter that is not set, and one that is set to nothing, are one.
    return [parameters.get(name) or None for name in ADDRESS if name != "ip" or not is_by_plug(parameters)]


def _name(pair):
    return pair.get("name", "").replace("-", "_")
