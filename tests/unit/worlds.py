# SPDX-License-Identifier: Apache-2.0
"""Short ways to write the snapshots that tests decide on."""

from nova_ha.snapshot import Host, Instance, Migration, Service, World

OURS = "control-1@100"


def service(
    host="compute-1", up=False, enabled=False, forced_down=True, reason="nova-ha: being recovered", report="t0"
):
    """By default a dead host's service as the engine leaves it."""
    return Service(f"id-{host}", host, up, enabled, forced_down, reason, report)


def instance(number=1, vm_state="active", task_state=None, host="compute-1", **more):
    """Instance ``i1``, ``i2``, ..., by default one that ran."""
    return Instance(f"i{number}", f"web-{number}", host, vm_state, task_state, **more)


def record(number, status, instance="i1", destination="compute-2", source="compute-1"):
    """An evacuation record."""
    return Migration(number, instance, status, source, destination)


def host(flag=OURS, instances=(), evacuations=(), service_=None, name="compute-1", **more):
    """A flagged host, by default claimed and taken out already."""
    return Host(name, flag, service_ or service(name), tuple(instances), tuple(evacuations), **more)


def world(*hosts, dead=("compute-1",)):
    """Those hosts, and Nova's names of the dead ones."""
    return World(tuple(hosts), frozenset(dead))
