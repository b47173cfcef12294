# SPDX-License-Identifier: Apache-2.0
"""What one host's failure has to do with another's: pure.

A host that dies while an instance is being evacuated to it may keep the request for it in its queue. It takes that up
when its nova-compute starts, before it reports, whatever Nova knows of it by then. If just then nothing else is done
with the instance, the request fails, and the instance is healed (``host_return``). If the instance is just being
started elsewhere, Nova ends with a guest that it does not know of, or with two (all measured).
"""

from __future__ import annotations

from collections.abc import Collection

from nova_ha.model import instance_states
from nova_ha.model.actions import Wait
from nova_ha.model.reasons import Code
from nova_ha.model.request import NO_ROOM
from nova_ha.model.snapshot import Instance
from nova_ha.recovery.decide import scheduling
from nova_ha.recovery.decide.case import Case


def not_yet(case: Case) -> list[Wait]:
    """Waits for evacuations of other hosts' instances that had first been sent to this one.

    This host's nova-compute, when it starts, takes up what is still queued for it. While the instance is just being
    started elsewhere, that would leave it with a guest that Nova does not know of (measured). The instances come first.
    """
    sent_here = case.attempts.sent_to(case.service.host)
    # A former engine may have sent it here first: then the repeated evacuation has left a second record.
    suspects = sent_here | case.world.asked_for_twice
    # Most hosts of a failed rack have none: then it does not cost a look at all that is in flight.
    flights: Collection[scheduling.Flight] = (
        scheduling.in_flight(case.situation) if suspects else ()
    )
    found = [
        case.wait(
            f"instance {instance}, which may have been sent here, is just being evacuated to {destination}",
            Code.START_INTERLOCK,
        )
        for instance, _, destination in sorted(flights, key=str)
        if instance in suspects
    ]
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
    attempt = case.attempts.get(instance.id)
    asked = instance.id in case.attempts.open(case.now)
    roomless = not case.candidates or (attempt is not None and attempt.cause == NO_ROOM and attempt.streak > 0)
    return roomless and not asked and instance.task_state not in instance_states.REBUILDING
