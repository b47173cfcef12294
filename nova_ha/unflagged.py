# SPDX-License-Identifier: Apache-2.0
"""Hosts that nova-ha took out of service and of which no flag speaks any more: pure.

The flag goes last, when a host is in service again. Where it is gone before, somebody else deleted it (an operator who
was impatient, a configuration that was restored), and nothing would ever put the host back, or end its recovery.
Whether it is alive, and so which value is right, only an operator can tell: a flag that says dead must rest on a proof.
"""

from nova_ha import flag, mark
from nova_ha.steps import Wait


def alarms(services, nodes, flagged, attribute):
    """Waits with an alarm for such hosts.

    :param services: ``{Nova's host name: snapshot.Service}``, read after the flags
    :param nodes: ``{cluster's name: Nova's host name}`` of the cluster's hosts; a marked one of others is not ours
    :param flagged: names, in the cluster, of the hosts that have a flag
    :param attribute: name of the node attribute that is the flag
    """
    return [
        Wait(node, _reason(node, attribute), alarm=True)
        for node, name in sorted(nodes.items())
        if node not in flagged and mark.is_marked(services[name])
    ]


def _reason(node, attribute):
    command = f"crm_attribute --node {node} --name {attribute} --lifetime forever --update"
    return (
        "nova-ha took it out of service, and its flag was deleted before it was back: set it again, to "
        f"{flag.RECOVERED} if the host runs ({command} {flag.RECOVERED}), or, only if you are certain that its power is"
        f" off, to {flag.FLAGGED}"
    )
