# SPDX-License-Identifier: Apache-2.0
"""How a recovered host comes back into service: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

from nova_ha.model import disabled_reason, flag
from nova_ha.model.actions import (
    AllowStart,
    ClearFlag,
    RepairInstanceState,
    RestartCompute,
    ReturnToService,
    Step,
    Wait,
)
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Host, Service, World
from nova_ha.model.wording import counted
from nova_ha.recovery.decide import instance_restore
from nova_ha.recovery.decide.classification import State
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import CLEANING, MANY, MOST_STARTS, RETURN_PATIENCE, STOPPING, STRAY_TASK_CERTAIN

_NOT_STOPPED = (
    "; it has not done so yet. See whether the cluster has the host online; if not, have it fenced. If it has: whether"
    " it is in maintenance mode (pcs property config maintenance-mode), nova-compute is"
    " managed, and its location rule on the flag is there (pcs constraint location)"
)

_RENAMED = (
    "it is to be held back, but the cluster has the host as {other} now, where this flag stops nothing: set the flag of"
    " {other} to restart, and only then delete the entry of {host}"
)

Healing = Union[Wait, RepairInstanceState]


def steps(host: Host, situation: Situation) -> Sequence[Step]:
    """The steps for a host whose recovery is closed."""
    service = host.service
    if service is None:
        # It may be that Nova does not reach the database of the host's cell.
        reason = "Nova has no nova-compute service of this host any more; if it was removed from Nova, delete the flag"
        return [Wait(host.name, reason, Code.NO_SERVICE, needs_operator=True)]
    if host.flag == flag.RESTART:
        return [_held_back(host, situation.world)]
    is_put_back = not service.forced_down and not disabled_reason.is_marked(service)
    if host.reported_for is None and not (is_put_back and service.up):
        late = host.flagged_for >= RETURN_PATIENCE
        reason = "nova-compute has not reported to Nova since the recovery"
        return [Wait(host.name, reason, Code.NOT_REPORTING, needs_operator=late)]
    found = heal(host, situation)
    if is_put_back:
        return found or [_clear_flag(host, service, situation.world)]
    back = _return_to_service(host, service, situation)
    if isinstance(back, ReturnToService) and any(
        isinstance(step, RepairInstanceState) or not step.needs_operator for step in found
    ):
        # Who deletes the flag of a host that is in service again ends the healing, and nobody would notice.
        return found
    return [*found, back]


def _held_back(host: Host, world: World) -> Step:
    """The step for a host whose nova-compute must not start, or is to start once more: until it is seen stopped."""
    if host.online_as is not None:
        reason = _RENAMED.format(host=host.name, other=host.online_as)
        command = f"{flag.change(host.online_as, world.attribute, flag.RESTART)} && {flag.removal(host.name)}"
        return Wait(host.name, reason, Code.RENAMED_IN_CLUSTER, needs_operator=True, command=command)
    if host.flagged_for >= STOPPING and host.stopped_for is not None:
        return AllowStart(host.name, "its nova-compute has been stopped, and may start")
    reason = "Pacemaker stops its nova-compute, which is to start later"
    if host.flagged_for < RETURN_PATIENCE:
        return Wait(host.name, reason, Code.STOPPING_COMPUTE)
    command = f"pcs stonith fence {host.name}"
    return Wait(host.name, reason + _NOT_STOPPED, Code.STOPPING_COMPUTE, needs_operator=True, command=command)


def _return_to_service(host: Host, service: Service, situation: Situation) -> Step:
    """Whether Nova's clean-up there has run, so that the service can be put back.

    nova-compute, when it starts, destroys what it has of each instance that has such a record away from it, wherever
    that instance is by then, and ends one record of each (measured). With one left, a later start would destroy an
    instance that has been moved back meanwhile.
    """
    left = [each.record for each in situation.evacuations[host.name] if each.state is not State.OVER]
    refused = situation.memory.get(service.id)
    if not left and refused is not None and situation.now < refused.until:
        reason = f"it is to be put back; tried again after a pause: {refused.reason}"
        return Wait(host.name, reason, Code.SERVICE_CHANGE_REFUSED, needs_operator=refused.failures >= MANY)
    if not left:
        return ReturnToService(host.name, "recovered, cleaned up, and nova-compute reports", service)
    if host.reported_for is None or host.reported_for < CLEANING:
        reason = f"nova-compute has still to clean up after {counted(len(left), 'evacuation')}"
        return Wait(host.name, reason, Code.CLEANING_UP)
    shown = ", ".join(f"{record.id} is {record.status}" for record in left[:3]) + (", ..." if len(left) > 3 else "")
    reason = f"nova-compute has left {counted(len(left), 'evacuation record')} ({shown})"
    if situation.memory.flags.starts(host.name) < MOST_STARTS:
        return RestartCompute(host.name, f"{reason}: it must start once more to end them")
    reason += ", for which it would destroy them if they came back here: see what its log says when it starts"
    return Wait(host.name, reason, Code.RECORDS_LEFT, needs_operator=True)


def _clear_flag(host: Host, service: Service, world: World) -> Step:
    """What is left to wait for once the host takes instances again."""
    if not service.up:
        return Wait(host.name, "nova-compute does not report to Nova", Code.NOT_REPORTING)
    unrestored = instance_restore.before_clearing(host, world)
    if unrestored:
        reason = f"{counted(len(unrestored), 'instance')} to be brought into the former state first"
        return Wait(host.name, reason, Code.RESTORING_FIRST)
    return ClearFlag(host.name, "the host is in service")


def heal(host: Host, situation: Situation) -> list[Healing]:
    """Steps for instances that a request has set to error while they run elsewhere.

    What a host had been asked for when it died it does when it comes back, before it reports. A request for an
    instance that is elsewhere by now fails; Nova sets the instance to error and leaves the request's task on it, and
    its guest runs on (measured for evacuations, rebuilds, migrations and resizes). Likewise a second request for one
    that the first has just started elsewhere.
    """
    found: list[Healing] = []
    world, memory, now = situation.world, situation.memory, situation.now
    # Those have a return of their own, which may wait for this one.
    flagged = {other.service.host for other in world.hosts if other.service}
    for instance, seconds in host.broken:
        service = world.services.get(instance.host or "")
        if service is None or instance.host == host.nova_name or (not service.up and instance.host in flagged):
            continue
        left = instance.task_state or instance.fault
        doing = f"a late or second request of {host.name} left it in error ({left}) while its guest runs"
        attempt = memory.get(instance.id)
        if not service.up:
            # It may be starting anew: who forgot the instance now would leave it so.
            reason, late = f"it seems that {doing}; {instance.host} does not report", seconds >= RETURN_PATIENCE
            found.append(Wait(host.name, reason, Code.REPAIR_AWAITS_HOST, instance, needs_operator=late))
        elif seconds < STRAY_TASK_CERTAIN or (attempt is not None and now < attempt.until):
            reason, command = f"it seems that {doing}", None
            if memory.in_vain(instance.id) >= MANY:
                reason += ", and healing it did not help. If so, set it to active"
                command = f"openstack server set --state active {instance.id}"
            found.append(
                Wait(host.name, reason, Code.LATE_REQUEST, instance, needs_operator=bool(command), command=command)
            )
        else:
            found.append(RepairInstanceState(host.name, doing, instance))
    return found
