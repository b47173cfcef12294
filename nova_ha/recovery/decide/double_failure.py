# SPDX-License-Identifier: Apache-2.0
"""What one host's failure has to do with another's: pure.

A host that dies while an instance is being evacuated to it may keep the request for it in its queue. It takes that up
when its nova-compute starts, before it reports, whatever Nova knows of it by then. If just then nothing else is done
with the instance, the request fails, and the instance is healed (``host_return``). If the instance is just being
started elsewhere, Nova ends with a guest that it does not know of, or with two (all measured).
"""

from __future__ import annotations

from nova_ha.model import instance_states
from nova_ha.model.actions import Wait
from nova_ha.model.reasons import Code
from nova_ha.model.request import NO_ROOM
from nova_ha.model.snapshot import Instance
from nova_ha.recovery.decide.case import Case


def not_yet(case: Case) -> list[Wait]:
    """Waits for evacuations of other hosts' instances that had first been sent to this one.

    This host's nova-compute, when it starts, takes up what is still queued for it. While the instance is just being
    started elsewhere, that would leave it with a guest that Nova does not know of (measured). The instances come first.
    """
    sent_here = case.memory.hosts.of(case.service.host).sent
    # A former engine may have sent it here first: then the repeated evacuation has left a second record.
    suspects = sent_here | case.world.asked_for_twice
    found = []
    for flight in sorted((each for each in case.situation.in_flight if each.instance in suspects), key=str):
        doing = f"is just being evacuated to {flight.destination}"
        reason = f"instance {flight.instance}, which may have been sent here, {doing}"
        found.append(case.wait(reason, Code.START_INTERLOCK))
    sent_here = sent_here | {record.instance for record in case.host.arrivals if record.in_flight}
    for host in case.world.hosts if sent_here else ():
        if host is case.host or not host.is_dead:
            continue
        for instance in host.instances:
            if instance.id in sent_here and not _may_wait_for_host(case, instance):
                reason = f"instance {instance.id}, once sent here, is first evacuated elsewhere"
                found.append(case.wait(reason, Code.START_INTERLOCK))
    return found


def _may_wait_for_host(case: Case, instance: Instance) -> bool:
    """Whether an instance that finds no room elsewhere can wait for a host that it was once sent to.

    What is queued there ends before it starts a guest, as long as nobody asks for the instance anew.
    """
    attempt = case.memory.get(instance.id)
    asked = case.memory.is_open(instance.id, case.now)
    roomless = not case.candidates or (attempt is not None and attempt.cause == NO_ROOM and attempt.streak > 0)
    return roomless and not asked and instance.task_state not in instance_states.REBUILDING
