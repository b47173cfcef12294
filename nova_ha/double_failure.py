# SPDX-License-Identifier: Apache-2.0
"""What one host's failure has to do with another's: pure.

A host that dies while an instance is being evacuated to it may keep the request for it in its queue. It takes that up
when its nova-compute starts, before it reports, whatever Nova knows of it by then. If just then nothing else is done
with the instance, the request fails, and the instance is healed (``returning``). If the instance is just being started
elsewhere, Nova ends with a guest that it does not know of, or with two (all measured).
"""

import collections

from nova_ha import attempts as tried
from nova_ha import flag, returning, sending, states
from nova_ha.steps import Close, Evacuate, Wait


def not_yet(case):
    """Waits for evacuations of other hosts' instances that had first been sent to this one.

    This host's nova-compute, when it starts, takes up what is still queued for it. While the instance is just being
    started elsewhere, that would leave it with a guest that Nova does not know of (measured). The instances come first.
    """
    dead = case.host.service.host
    flights = sending.in_flight(case.world, case.attempts, case.rules, case.now)
    twice = _asked_for_twice(case.world)
    found = [
        case.wait(f"instance {instance}, which may have been sent here, is just being evacuated to {destination}")
        for instance, _, destination in sorted(flights, key=str)
        # A former engine may have sent it here first: then the repeated evacuation has left a second record.
        if case.attempts.was_sent_to(instance, dead) or instance in twice
    ]
    sent_here = {record.instance for record in case.host.arrivals if record.in_flight}
    for host in case.world.hosts:
        if host is case.host or not flag.is_dead(host.flag):
            continue
        for instance in host.instances:
            sent = instance.id in sent_here or case.attempts.was_sent_to(instance.id, dead)
            if sent and not _may_wait_for_host(case, instance):
                found.append(case.wait(f"instance {instance.id}, once sent here, is first evacuated elsewhere"))
    return found


def _may_wait_for_host(case, instance):
    """Whether an instance that finds no room elsewhere can wait for a host that it was once sent to.

    What is queued there ends before it starts a guest, as long as nobody asks for the instance anew.
    """
    attempt = case.attempts.get(instance.id)
    asked = instance.id in case.attempts.open(case.now)
    roomless = not case.candidates or (attempt is not None and attempt.cause == tried.NO_ROOM and attempt.streak)
    return roomless and not asked and instance.task_state not in states.REBUILDING


def one_by_one(recovering, world, attempts):
    """The steps, with only one host closed of those that may have the same instance queued.

    The request that one of them takes up fails, and sets the instance up for the request of the next (measured):
    between the two the instance must be healed. Where a request was queued, its record does not tell; only that an
    instance was asked for twice shows.
    """
    twice = bool(_asked_for_twice(world))
    names = {host.name: host.service.host for host in world.hosts if host.service}
    coming = [host for host in world.hosts if host.flag in flag.OVER]
    before = [host.name for host in coming if host.broken or not returning.has_settled(host)]

    def allowed(step):
        if not isinstance(step, Close):
            return step
        for other in before:
            if other in names and (twice or attempts.were_both_sent_to(names[step.host], names[other])):
                return Wait(step.host, f"{other}, which may have been asked for the same instance, comes back first")
        before.append(step.host)
        return step

    return [[allowed(step) for step in found] for found in recovering]


def _asked_for_twice(world):
    """The ids of the instances with more than one evacuation that is not over by its record."""
    count = collections.Counter(r.instance for host in world.hosts for r in host.evacuations if r.in_flight)
    return {instance for instance, number in count.items() if number > 1}


def held(recovering, world, attempts):
    """The steps, without evacuations of instances that a host which comes back just now may have been asked for."""
    returning_now = {step.host for found in recovering for step in found if isinstance(step, Close)}
    returning_now |= {host.name for host in world.hosts if host.flag in flag.OVER and not returning.has_settled(host)}
    names = {host.service.host: host.name for host in world.hosts if host.service and host.name in returning_now}
    # Where a request is queued that nobody has begun with, no record tells.
    anywhere = {r.instance for host in world.hosts for r in host.evacuations if r.in_flight and r.destination is None}
    return [[_held(step, names, anywhere, attempts) for step in found] for found in recovering]


def _held(step, names, anywhere, attempts):
    if isinstance(step, Evacuate):
        for name, host in names.items():
            if step.instance.id in anywhere or attempts.was_sent_to(step.instance.id, name):
                reason = f"{host}, where it was once sent, comes back, and first takes up what is queued for it there"
                return Wait(step.host, reason, step.instance)
    return step
