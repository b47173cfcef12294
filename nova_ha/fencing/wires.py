# SPDX-License-Identifier: Apache-2.0
"""What a fencing device says of a host, asked from this node, as Pacemaker's fencer would ask it.

Not by ``stonith_admin --query``: that was content with a BMC that did not answer (measured, Pacemaker 2.1.5,
fence_ipmilan).
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_ha.fencing import options, shared_power
from nova_ha.fencing.power_agent import PowerAgent
from nova_ha.model import hostnames

# Seconds that a device has for its answer: a BMC that hangs has as many in Pacemaker's monitor by default.
LIMIT = 20

_OURS, _POWER_AGENT = "fence_compute", "fence_ipmilan"

# Set by who asks, whatever a configuration has there.
_NOT_PASSED = ("action", "option", "port", "plug")


def status(agent: str, parameters: Mapping[str, str], host: str) -> str | None:
    """The state of a host's power, ``on`` or ``off``; None: the device only flags.

    :param agent: the fence agent's name
    :param parameters: the device's, with their secrets
    :param host: the cluster's name of it
    :raises PowerError: the device does not answer, or not clearly
    :raises OptionError: a parameter will not do
    """
    given = shared_power.underscored(parameters)
    plugs = {hostnames.fold(each.host): each.plug for each in shared_power.hosts(given) if each.host}
    passed = {name: value for name, value in given.items() if not name.startswith("pcmk_") and name not in _NOT_PASSED}
    if agent == _OURS:
        if options.record_only(given.get("record_only", "")) != "power":
            return None
        agent = given.get("power_agent", _POWER_AGENT)
        passed = options.for_power_agent({f"--{name.replace('_', '-')}": value for name, value in passed.items()})
    return PowerAgent(agent, {**passed, "plug": plugs.get(hostnames.fold(host)) or host}, LIMIT).status()
