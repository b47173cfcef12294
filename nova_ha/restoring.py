# SPDX-License-Identifier: Apache-2.0
"""How instances that were evacuated, or are restarted in place, get their former state back: pure.

Which state that is stands on the instance itself, as a tag (see ``restore``).
"""

from nova_ha import restore
from nova_ha.attempts import SETTLE
from nova_ha.steps import Restore, Wait

# Seconds between two moves for one instance: Nova's work on the first must have shown by then.
PAUSE = 5.0


def steps(world, attempts, now):
    """The next move for every tagged instance that is on a living host."""
    hosts = {host.service.host: host.name for host in world.hosts if host.service}
    sources = {record.instance: host.name for host in world.hosts for record in host.evacuations}
    landing = {
        (record.instance, record.destination)
        for host in world.hosts
        for record in host.evacuations
        if record.in_flight and attempts.age(record, now) < SETTLE
    }
    found = []
    for instance in world.restoring:
        service = world.services.get(instance.host)
        if service is None or not service.up or instance.host in world.dead:
            continue  # not recovered yet, or its host comes back just now
        host = sources.get(instance.id) or hosts.get(instance.host) or instance.host
        move, reason = _move(instance)
        # Nova shows no task any more a moment before its record says that the evacuation is over; some never say so.
        busy = instance.task_state is not None or (instance.id, instance.host) in landing
        if busy or _tried(attempts, instance, now):
            found.append(Wait(host, f"{reason}, once nothing else is done with it", instance))
        else:
            found.append(Restore(host, reason, instance, move))
    return found


def of_host(host, world):
    """The tagged instances that have to do with a host: are on it, or were evacuated from it."""
    from_it = {record.instance for record in host.evacuations}
    return [i for i in world.restoring if i.host == host.service.host or i.id in from_it]


def _move(instance):
    """The next move towards the noted state, and why."""
    wanted = restore.wanted(instance)
    is_so = {
        restore.RUNNING: instance.vm_state == "active" and instance.power_state == "running",
        restore.STOPPED: instance.vm_state == "stopped",
        restore.PAUSED: instance.vm_state == "paused",
    }[wanted]
    if is_so:
        return "untag", f"it is {wanted} again"
    if instance.vm_state == "error":
        return "activate", f"to be {wanted} again, it must not be in error"
    if instance.vm_state not in ("active", "stopped"):
        return "untag", f"it was to be {wanted} again, but its owner has made it {instance.vm_state}"
    if wanted == restore.STOPPED:
        return "stop", "it was not running when its host died"
    if instance.vm_state == "stopped" or instance.power_state != "running":
        # Restarted in place, nova-compute has found no guest of it and has set it to stopped.
        return "reboot", f"to be {wanted} again, its guest must be started"
    return "pause", "it was paused when its host died"


def _tried(attempts, instance, now):
    attempt = attempts.get(instance.id)
    return attempt is not None and now < attempt.until
