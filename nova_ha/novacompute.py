# SPDX-License-Identifier: Apache-2.0
"""What the agent NovaCompute does: nova-compute, a systemd unit, does not start while its host is being recovered.

Monitors of a healthy service end before this module is imported: see ``ocf/NovaCompute`` and ``nova_ha.process``.
"""

import time

from nova_ha import agent, flag, parameters
from nova_ha.agent import Action, Deadline, Failure, ocf
from nova_ha.cluster import Cluster, ClusterError, NotInstalled
from nova_ha.parameters import Parameter
from nova_ha.process import Record
from nova_ha.systemd import NotInTime, Systemd, SystemdError

UNITS = ("nova-compute.service", "openstack-nova-compute.service", "devstack@n-cpu.service")

PARAMETERS = (
    *(
        parameter._replace(
            long=f"{parameter.long} Accepted so that existing configurations keep working; not used: this agent does "
            "not talk to the cloud, and compute hosts need no credentials."
        )
        for parameter in parameters.CLOUD
    ),
    parameters.ATTRIBUTE,
    Parameter(
        "unit",
        "string",
        "nova-compute's systemd unit",
        f"The systemd unit of nova-compute. Without it, the first of {', '.join(UNITS)} that is installed. The unit "
        "should not be enabled in systemd, which would start it at boot whether or not the host is being recovered.",
        check=parameters.unit_name,
    ),
    Parameter(
        "evacuation_delay",
        "integer",
        "Pause after a recovery",
        "Seconds that start waits when it finds that the host has been recovered (flag no, or one that goes while "
        "start waits). The flag goes only when the recovery is over, so that no pause is needed. It must fit into the "
        "timeout of start.",
        "0",
        check=parameters.seconds,
    ),
)

SHORT = "nova-compute on a compute host"
LONG = """
Starts, stops and monitors nova-compute, a systemd unit, on a compute host; to be cloned over all compute hosts.

A host that was fenced is flagged by a node attribute (evacuate) until its instances are recovered elsewhere. As long
as the flag stands, start waits; when its timeout comes near it fails, and says why. A location rule on that attribute
keeps the cluster from trying at all.
"""

_POLL = 2  # seconds between two looks at the flag
_LOOK = 0.2  # seconds between two looks at a unit that is about to change
_FIRMNESS = 5  # seconds of a stop that are kept for killing what does not end


def main():
    """Be the agent."""
    actions = {
        "start": Action(_start, 600),
        "stop": Action(_stop, 120),
        "monitor": Action(_monitor, 20, 10),
        "validate-all": Action(lambda: agent.check_parameters(PARAMETERS) and None, 20),
        "meta-data": Action(None, 5),
    }
    agent.run("NovaCompute", SHORT, LONG, PARAMETERS, actions)


def _start():
    given = agent.check_parameters(PARAMETERS)
    deadline = Deadline(600)
    systemd = Systemd()
    unit = find(systemd, given.get("unit"))
    if unit is None:
        raise Failure(ocf.OCF_ERR_INSTALLED, f"no such systemd unit: {given.get('unit') or ' or '.join(UNITS)}")
    cluster = Cluster(given.get("attribute", flag.ATTRIBUTE))
    try:
        host = agent.meta("on_node") or cluster.local_node()
        await_recovery(cluster, host, int(given.get("evacuation_delay", 0)), deadline.left)
    except NotInstalled as error:
        raise Failure(ocf.OCF_ERR_INSTALLED, f"{error}: nova-compute is not started") from error
    except ClusterError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"{error}: nova-compute is not started") from error
    start(systemd, unit, _record(), deadline.left)


def _stop():
    deadline = Deadline(120)
    stop(Systemd(), agent.values().get("unit"), _record(), deadline.left)


def _monitor():
    deadline = Deadline(20)
    monitor(Systemd(), agent.values().get("unit"), _record(), ocf.is_probe(), deadline.left)


def _record():
    return Record(ocf.OCF_RESOURCE_INSTANCE or "nova-compute")


def find(systemd, name):
    """nova-compute's unit, or None if there is none.

    :param name: the unit's name where it is configured
    :raises Failure: systemd does not answer
    """
    try:
        units = systemd.units([name] if name else UNITS)
    except SystemdError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, str(error)) from error
    # A unit whose file is gone while it runs is "not-found" and active.
    there = [unit for unit in units if unit.load != "not-found" or not unit.is_over]
    return next((unit for unit in there if not unit.is_over), there[0] if there else None)


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


def start(systemd, unit, record, left):
    """Start the unit, and remember its main process.

    :param left: says how many seconds the operation has still
    :raises Failure: it does not run in the end
    """
    try:
        if not unit.runs:
            systemd.start(unit.name, left())
        unit = systemd.unit(unit.name)
    except SystemdError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not start: {error}") from error
    if not unit.runs:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not start: {_state(unit)}")
    record.remember(unit.main_pid)


def stop(systemd, name, record, left):
    """Stop the unit; kill it if it does not end in time.

    :param left: says how many seconds the operation has still
    :raises Failure: a process of it is left, or that cannot be known
    """
    record.forget()
    unit = find(systemd, name)
    if unit is None or unit.is_over:
        return
    try:
        try:
            systemd.stop(unit.name, max(1, left() - _FIRMNESS))
        except NotInTime as error:
            ocf.logger.warning(f"{error}: nova-compute is killed")
            systemd.kill(unit.name)
        while not (unit := systemd.unit(unit.name)).is_over and left() > _LOOK:
            time.sleep(_LOOK)
    except SystemdError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not stop: {error}") from error
    if not unit.is_over:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not stop, though killed: {_state(unit)}")


def monitor(systemd, name, record, probe, left):
    """Return if the unit runs, and remember its main process for the next monitor.

    :param probe: the cluster asks whether it runs, and does not hold it to
    :param left: says how many seconds the operation has still
    :raises Failure: it does not
    """
    unit = find(systemd, name)
    while unit and not unit.settled and left() > _LOOK:
        time.sleep(_LOOK)
        unit = find(systemd, name)
    if unit is None:
        record.forget()
        if probe:
            raise Failure(ocf.OCF_NOT_RUNNING)
        raise Failure(ocf.OCF_ERR_INSTALLED, f"no such systemd unit: {name or ' or '.join(UNITS)}")
    if unit.runs:
        record.remember(unit.main_pid)
        return
    record.forget()
    if not unit.settled:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute neither runs nor is stopped: {_state(unit)}")
    raise Failure(ocf.OCF_NOT_RUNNING, None if probe else f"nova-compute does not run: {_state(unit)}")


def _state(unit):
    said = f"{unit.name} is {unit.active} ({unit.sub})"
    return said if unit.result == "success" else f"{said}, result {unit.result}"
