# SPDX-License-Identifier: Apache-2.0
"""How instances that were evacuated, or are restarted in place, get their former state back: pure.

Which state that is stands on the instance itself, as a tag (see ``restore_tags``).
"""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.model import restore_moves, restore_tags
from nova_ha.model.actions import RestoreState, Step, Wait
from nova_ha.model.instance_states import TAGGABLE
from nova_ha.model.reasons import Code
from nova_ha.model.request import FAILED
from nova_ha.model.snapshot import Host, Instance, Service, World
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.memory.timing import MANY, SETTLE


def steps(situation: Situation) -> list[Step]:
    """The next move for every tagged instance that is on a living host."""
    world, memory, now = situation.world, situation.memory, situation.now
    hosts = {host.service.host: host.name for host in world.hosts if host.service}
    sources = {record.instance: host.name for host in world.hosts for record in host.evacuations}
    landing = {
        (each.record.instance, each.record.destination)
        for each in situation.every_evacuation()
        if each.is_open and each.age < SETTLE
    }
    found: list[Step] = []
    for instance, service in _due(world):
        move, reason = restore_moves.next_move(instance, world.all_back)
        if move is None:
            continue
        host = sources.get(instance.id) or hosts.get(service.host, service.host)
        # Nova shows no task any more a moment before its record says that the evacuation is over; some never say so.
        busy = instance.task_state is not None and move != "clear" or (instance.id, instance.host) in landing
        if busy or _tried(memory, instance, move, now):
            found.append(_wait(host, reason, instance, memory, busy))
        else:
            found.append(RestoreState(host, reason, instance, move))
    return found


def _wait(host: str, reason: str, instance: Instance, memory: Memory, busy: bool) -> Wait:
    efforts = memory.efforts(instance.id)
    if efforts < MANY:
        return Wait(host, f"{reason}, once nothing else is done with it", Code.RESTORING, instance, under_way=busy)
    tags = " ".join(f"--tag {tag}" for tag in sorted(instance.tags & restore_tags.OUR_TAGS))
    reason += f", and {efforts} times nothing came of it: see to it on {instance.host}, or have it left as it is"
    command = f"openstack server unset {tags} {instance.id}"
    return Wait(host, reason, Code.RESTORE_FAILED, instance, needs_operator=True, command=command)


def before_clearing(host: Host, world: World) -> list[Instance]:
    """The tagged instances that are to be seen to before a host's flag goes.

    Those that have to do with the host; and when no other host is missing any more, all that are left.
    """
    due = [i for i, _ in _due(world) if restore_moves.next_move(i, world.all_back)[0] is not None]
    own = {record.instance for record in host.evacuations}
    return [i for i in due if world.all_back or i.host == host.nova_name or i.id in own]


def _due(world: World) -> Iterator[tuple[Instance, Service]]:
    """Those on living hosts, in a state in which Nova lets them be restored, and the tag be taken off."""
    for instance in world.restoring:
        service = world.services.get(instance.host or "")
        fits = instance.vm_state in TAGGABLE or instance.vm_state == "error"
        if fits and service is not None and service.up and service.host not in world.dead:
            yield instance, service


def _tried(memory: Memory, instance: Instance, move: str, now: float) -> bool:
    """Whether something was asked for it just now. What was asked while its host was dead is over.

    A move that has led where it was to is noted at once: until then, what its owner does looks like one that failed.
    """
    attempt = memory.get(instance.id)
    if attempt is None or attempt.outcome != FAILED or now >= attempt.until:
        return False
    return not (attempt.moving and move in ("settle", "untag"))
