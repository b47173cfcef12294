# SPDX-License-Identifier: Apache-2.0
"""The gate before nova-compute: it is not started while its host is being recovered.

NovaCompute goes through it before each start; nova-compute-wait is nothing but the gate. While a start lasts Pacemaker
fences no other host, so that NovaCompute does not wait there; who waits in nova-compute-wait's start, and why, says
``wait``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Callable

from nova_ha.agents import framework
from nova_ha.agents.framework import Failure, ocf
from nova_ha.cluster.pacemaker import Cluster, ClusterError, NotInstalled
from nova_ha.config import agent_parameters
from nova_ha.config.agent_parameters import Parameter
from nova_ha.model import flag, hostnames

EVACUATION_DELAY = Parameter(
    "evacuation_delay",
    "integer",
    "Pause after a recovery",
    "Seconds that start waits when it finds that the host has been recovered (flag no, or one that goes while "
    "start waits). The flag goes only when the recovery is over, so that no pause is needed. Pacemaker fences no other "
    "host in the meantime. The timeout of start must be a minute longer, or the pause is cut short.",
    "0",
    check=agent_parameters.seconds,
)

_UNUSED = (
    "Accepted so that existing configurations keep working; not used: this agent does not talk to the cloud, and "
    "compute hosts need no credentials."
)

# What an existing configuration may have, and what the gate heeds. By hand the host's own name has to be found.
PARAMETERS = (
    *(
        parameter._replace(long=parameter.long if parameter.name == "domain" else f"{parameter.short}. {_UNUSED}")
        for parameter in agent_parameters.CLOUD
    ),
    agent_parameters.ATTRIBUTE,
    EVACUATION_DELAY,
)
PARAMETERS = tuple(parameter._replace(reloadable=True) for parameter in PARAMETERS)

_POLL = 2  # seconds between two looks at the flag
# Seconds within which Pacemaker must tell the flag, or NovaCompute's start fails: as long as one question may take.
_PATIENCE = 20
# Seconds of start's timeout that are kept for what comes after evacuation_delay; and that it should have besides that.
_REST, _BESIDES = 30, 60


def check(given: Mapping[str, str], left: Callable[[], float]) -> None:
    """Return if the host is not in recovery: NovaCompute's gate.

    A recovery under way is a failure at once. A location rule keeps the cluster from such a start; where that is
    missing, Pacemaker tries again after failure-timeout.

    :param given: the agent's parameters, by name
    :param left: says how many seconds the operation has still
    :raises Failure: it is in recovery, or it cannot be known
    """
    _go_through(given, left, waits=False)


def wait(given: Mapping[str, str], left: Callable[[], float]) -> None:
    """Return once the host is not in recovery: nova-compute-wait's gate.

    It waits as long as it may. Clusters that were configured for the existing agent have neither the location rule nor
    a failure-timeout, so that a start that fails there keeps nova-compute off the host until somebody cleans up.

    :param given: the agent's parameters, by name
    :param left: says how many seconds the operation has still
    :raises Failure: it is in recovery, or it cannot be known, and no time is left
    """
    _go_through(given, left, waits=True)


def _go_through(given: Mapping[str, str], left: Callable[[], float], waits: bool) -> None:
    cluster = Cluster(given.get("attribute", flag.ATTRIBUTE))
    try:
        # By hand nobody says it; and Pacemaker's program that would is not on every remote node.
        domain = given.get("domain")
        host = framework.meta("on_node") or cluster.resolve(os.uname().nodename, domain)
        await_recovery(cluster, host, int(given.get("evacuation_delay", 0)), left, waits, domain)
    except NotInstalled as error:
        raise Failure(ocf.OCF_ERR_INSTALLED, f"{error}: nova-compute is not started") from error
    except ClusterError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"{error}: nova-compute is not started") from error


def await_recovery(
    cluster: Cluster, host: str, delay: int, left: Callable[[], float], waits: bool, domain: str | None = None
) -> None:
    """Return once the host is known not to be in recovery.

    :param delay: seconds to pause if it has just been recovered
    :param left: says how many seconds the operation has still
    :param waits: whether a recovery under way is waited for, for as long as there is time
    :param domain: DNS domain of Nova's host names, or None
    :raises Failure: it is in recovery, or it cannot be known, and no time is left
    :raises nova_ha.cluster.pacemaker.NotInstalled: it cannot be known at all
    """
    value = _await(cluster, host, left, waits, domain)
    if value is not None and delay:
        time.sleep(_pause(delay, left))
        # It may have been fenced once more.
        _await(cluster, host, left, waits, domain)


def _pause(delay: int, left: Callable[[], float]) -> int:
    """The seconds to pause for: as many of ``delay`` as there is time for. A pause without need keeps no host out."""
    pause = max(0, min(delay, int(left() - _REST)))
    if pause < delay:
        ocf.logger.warning(
            f"evacuation_delay: {pause} of {delay} s fit into the timeout of start, and nova-compute is started after "
            f"these. For all of them: pcs resource update {framework.instance()} op start timeout={delay + _BESIDES}s"
        )
    return pause


def _await(cluster: Cluster, host: str, left: Callable[[], float], waits: bool, domain: str | None) -> str | None:
    """Return once the host is known not to be in recovery: the last flag that was seen, or None if there was none."""
    begun, seen = left(), None
    while True:
        try:
            name, value = _flag(cluster.flags(), host, domain)
        except NotInstalled:
            raise
        except ClusterError as error:
            obstacle, advice = f"whether {host} is being recovered is not known ({error})", ""
            patience = begun if waits else _PATIENCE
        else:
            if not flag.stands(value):
                return value or seen
            where = "" if name == host else f" of {name}"
            obstacle, advice = f"{host} is being recovered (flag {value}{where})", _advice(cluster)
            patience = begun if waits else 0
            if waits and seen is None:
                ocf.logger.warning(
                    f"{obstacle}: start waits for the end, and Pacemaker fences no other host meanwhile{advice}"
                )
            seen = value
        if left() <= max(_POLL, begun - patience + _POLL):
            raise Failure(ocf.OCF_ERR_GENERIC, f"{obstacle}: nova-compute is not started{advice}")
        time.sleep(_POLL)


def _flag(flags: Mapping[str, str], host: str, domain: str | None) -> tuple[str, str | None]:
    """The host's flag, None if it has none, and the name under which it has that.

    One that stands comes first: a host may have been renamed in the middle of its recovery, and the flag stand with the
    old name's entry, which the cluster's rule does not look at.
    """
    alike: list[tuple[str, str | None]] = [
        (name, value) for name, value in flags.items() if hostnames.are_one(name, host, domain)
    ]
    return next((found for found in alike if flag.stands(found[1])), (alike or [(host, None)])[0])


def _advice(cluster: Cluster) -> str:
    """What an operator can do about it, for a clone that has the name that pcs gives it."""
    condition = f"defined {cluster.attribute} and {cluster.attribute} ne no"
    rule = f"pcs constraint location {framework.instance()}-clone rule score=-INFINITY {condition}"
    return f". With this rule the cluster does not try before: {rule}"
