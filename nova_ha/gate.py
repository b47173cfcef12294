# SPDX-License-Identifier: Apache-2.0
"""The gate before nova-compute: it is not started while its host is being recovered.

NovaCompute goes through it before each start; nova-compute-wait is nothing but the gate.
"""

import os
import time

from nova_ha import agent, flag, parameters
from nova_ha.agent import Failure, ocf
from nova_ha.cluster import Cluster, ClusterError, NotInstalled
from nova_ha.parameters import Parameter

EVACUATION_DELAY = Parameter(
    "evacuation_delay",
    "integer",
    "Pause after a recovery",
    "Seconds that start waits when it finds that the host has been recovered (flag no, or one that goes while "
    "start waits). The flag goes only when the recovery is over, so that no pause is needed. It must fit into the "
    "timeout of start.",
    "0",
    check=parameters.seconds,
)

_UNUSED = (
    "Accepted so that existing configurations keep working; not used: this agent does not talk to the cloud, and "
    "compute hosts need no credentials."
)

# What an existing configuration may have, and what the gate heeds. By hand the host's own name has to be found.
PARAMETERS = (
    *(
        parameter._replace(long=parameter.long if parameter.name == "domain" else f"{parameter.short}. {_UNUSED}")
        for parameter in parameters.CLOUD
    ),
    parameters.ATTRIBUTE,
    EVACUATION_DELAY,
)
PARAMETERS = tuple(parameter._replace(reloadable=True) for parameter in PARAMETERS)

_POLL = 2  # seconds between two looks at the flag


def wait(given, left):
    """Return once the host is not in recovery.

    :param given: the agent's parameters, by name
    :param left: says how many seconds the operation has still
    :raises Failure: it is in recovery, or it cannot be known
    """
    cluster = Cluster(given.get("attribute", flag.ATTRIBUTE))
    try:
        # By hand nobody says it; and Pacemaker's program that would is not on every remote node.
        host = agent.meta("on_node") or cluster.resolve(os.uname().nodename, given.get("domain"))
        await_recovery(cluster, host, int(given.get("evacuation_delay", 0)), left)
    except NotInstalled as error:
        raise Failure(ocf.OCF_ERR_INSTALLED, f"{error}: nova-compute is not started") from error
    except ClusterError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"{error}: nova-compute is not started") from error


def await_recovery(cluster, host, delay, left):
    """Return once the host is known not to be in recovery.

    :param delay: seconds to pause if it has just been recovered
    :param left: says how many seconds the operation has still
    :raises Failure: it is in recovery, or it cannot be known, and no time is left
    :raises nova_ha.cluster.NotInstalled: it cannot be known at all
    """
    was_flagged = False
    while True:
        try:
            value = cluster.flag(host)
            obstacle = f"{host} is being recovered (flag {value})" if flag.stands(value) else None
            was_flagged = was_flagged or value is not None
        except NotInstalled:
            raise
        except ClusterError as error:
            obstacle = f"whether {host} is being recovered is not known ({error})"
        if obstacle is None:
            break
        if left() <= _POLL:
            raise Failure(ocf.OCF_ERR_GENERIC, f"{obstacle}: nova-compute is not started")
        time.sleep(_POLL)
    if was_flagged and delay:
        if left() <= delay:
            raise Failure(ocf.OCF_ERR_GENERIC, f"evacuation_delay: {delay} s do not fit into the timeout of start")
        time.sleep(delay)
        # It may have been fenced once more.
        await_recovery(cluster, host, 0, left)
