# SPDX-License-Identifier: Apache-2.0
"""What evacuations of an instance may still be under way, or have left behind where Nova does not know it: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Set

from nova_ha.model import instance_states
from nova_ha.model.actions import Evacuate, Restart, Step, Wait
from nova_ha.model.evacuate_request import QUEUED, SCHEDULING
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Host, Instance, Migration, World
from nova_ha.recovery.decide.asked import held, may_show
from nova_ha.recovery.decide.case import Case, set_state
from nova_ha.recovery.decide.classification import GOING_ON, Evacuation, State
from nova_ha.recovery.memory.timing import SETTLE


def untracked(case: Case, instance: Instance) -> Wait | None:
    """A Wait for an instance whose guest is on a destination that Nova does not know it to be on, or None.

    Two requests met there, somebody reset the instance's state in the middle of one, or nova-compute died there late in
    one (all measured). A guest elsewhere would be a second one, and no API tells where the first is for certain.
    """
    if instance.vm_state != "error":
        return None
    evacuations = [each for each in case.evacuations_of(instance) if each.record.destination not in case.world.dead]
    done = [each for each in evacuations if each.state is State.ARRIVED]
    is_news = not _is_dealt_with(case, instance)
    found_there = is_news and instance_states.is_found_there(instance)
    told = found_there or is_news and instance_states.is_made_there(instance)
    if not done and not told:
        return None
    tried_on = {each.record.destination for each in evacuations if each.record.destination}
    if found_there and not done:
        # A host that it was resized from keeps its definition, shut down, until the resize is confirmed.
        tried_on -= {record.source for record in case.host.resizes if record.instance == instance.id}
    if not tried_on:
        return None
    for each in evacuations if found_there else ():
        if each.is_begun and not each.is_late and not each.is_cut_off:
            first = f"evacuation {each.record.id} started on {each.record.destination}"
            return case.wait(
                f"a second request found the guest that {first}", Code.EVACUATING, instance, under_way=True
            )
    where = " or ".join(sorted(tried_on))
    if not told and all(each.age < SETTLE for each in done):
        # Nova ends the record and moves the instance at the same time; the two are read one after the other.
        return case.wait(f"its evacuation to {where} has just ended", Code.EVACUATING, instance, under_way=True)
    reason = (
        f"a guest of it is on {where}, unknown to Nova: fence that host, or remove the guest there (virsh destroy, "
        "virsh undefine) and then set the instance to active"
    )
    return case.wait(reason, Code.UNKNOWN_GUEST, instance, needs_operator=True, command=set_state(instance, "active"))


def _is_dealt_with(case: Case, instance: Instance) -> bool:
    """Whether an operator, who has seen to the guest, has reset its state since Nova told of it: Nova goes on to."""
    known = case.host.requests.get(instance.id)
    return known is not None and instance.fault_at is not None and known.was_reset_after(instance.fault_at)


def in_flight(case: Case, instance: Instance, revived: bool) -> Step | None:
    """The step for evacuations that may still start the guest somewhere, or None if there is none.

    :param revived: whether the instance is to be recovered at all, so that a stuck one may be tried again
    """
    flights = [each for each in case.evacuations_of(instance) if each.state in GOING_ON]
    if not flights:
        return None
    # A retry stands beside the record of what it retries, which may stay for ever.
    newest = min(flights, key=lambda flight: flight.age)
    where, reason = _told(newest)
    cut_off = all(flight.state is State.CUT_OFF for flight in flights)
    lost = cut_off or newest.is_lost
    hosts = newest.lost_at or {flight.record.destination for flight in flights}
    pinned_to = _only_place(case, hosts) if revived and lost else None
    if not newest.is_late and not pinned_to:
        return case.wait(reason, Code.EVACUATING, instance, under_way=True)
    paused = held(case, instance)
    if paused:
        return paused
    if cut_off:
        reason += f", nova-compute on {where} was started anew since"
    if pinned_to:
        return may_show(case, instance) or _pinned(case, instance, pinned_to, reason)
    if cut_off:
        return _stuck(case, instance, reason, "there")
    # Where nova-compute was started anew, nobody is at work on it any more.
    left = min((each for each in flights if each.state is not State.CUT_OFF), key=lambda flight: flight.age)
    return _stuck(case, instance, _told(left)[1], "there", _to_restart(case, instance, left))


def _told(evacuation: Evacuation) -> tuple[str, str]:
    """In words: where an evacuation goes, and how it stands."""
    record = evacuation.record
    where = record.destination or "a host that is still to be chosen"
    return where, f"evacuation {record.id} to {where} is {record.status}"


def _only_place(case: Case, hosts: Set[str | None]) -> str | None:
    """The one host among some, if that could take an instance; or None."""
    alone = next(iter(hosts)) if len(hosts) == 1 else None
    return alone if alone in case.candidates else None


def _to_restart(case: Case, instance: Instance, evacuation: Evacuation) -> Restart | None:
    """What may still be at work on an evacuation that does not move, so that it is to be restarted; or None."""
    if evacuation.is_begun:
        return Restart("nova-compute", evacuation.record.destination)
    known = case.host.requests.get(instance.id)
    for request in known.all if known else ():
        if request.stage in (QUEUED, SCHEDULING):
            return Restart("nova-conductor", request.conductor.host if request.conductor else None)
    return None


def _stuck(case: Case, instance: Instance, reason: str, where: str, restart: Restart | None = None) -> Wait:
    """A Wait for an evacuation that does not move, with what an operator does about it.

    His word that nobody goes on with it is not enough while a process may have it: the next one would be a second.

    :param where: where its guest may be, in words
    :param restart: what is to be restarted first, a ``Restart``
    """
    way_out = f"once you have seen that no guest of it is {where}, set the instance to error"
    if restart is not None:
        way_out = f"if nothing is done with it there any more, restart {restart} and then, {way_out}"
    command = set_state(instance, "error")
    found = case.wait(f"{reason}; {way_out}", Code.STUCK, instance, needs_operator=True, command=command)
    return dataclasses.replace(found, restart=restart)


def begun_elsewhere(case: Case, instance: Instance) -> Wait | None:
    """A Wait for an instance that a host has begun to start, as no record of an evacuation away from its host says.

    A host that came back has taken up an older request, or the conductor an older record for a new one (both measured).
    """
    seconds = case.memory.begun_for(instance.id, case.now)
    if seconds is None or any(each.is_begun for each in case.evacuations_of(instance)):
        return None
    if any(record.in_flight and record.destination in case.world.dead for record in case.arrivals(instance)):
        return None
    reason = "some host has begun to start it, for an older evacuation"
    if seconds < case.rules.stuck_after:
        return case.wait(reason, Code.EVACUATING, instance, under_way=True)
    return _stuck(case, instance, reason, "anywhere")


def _pinned(case: Case, instance: Instance, destination: str, reason: str) -> Evacuate:
    """Try an evacuation again that was surely lost, on the same destination only.

    Lost is one that its destination had begun, if its event has ended, or an operator has set the instance to error
    since, or if nova-compute was started anew there, or if it has not moved for long and the host has not reported for
    a while meanwhile; and one that was handed on to its destination, and has not been begun though all is at work. On
    the same host, whatever is left of the first cannot start a second guest: it finds the first.
    """
    reason = f"{reason}, and is lost; tried again, on {destination} only"
    return Evacuate(case.host.name, reason, instance, case.records(instance)[-1].id, destination)


def unsettled(case: Case) -> list[Wait]:
    """Waits for evacuations of instances that are not on the host any more, and are not proved to be over."""
    found = []
    for each in case.evacuations:
        record = each.record
        if not each.is_open or each.is_overtaken or _arrived(record, case.host, case.world):
            continue
        reason = f"evacuation {record.id} of instance {record.instance} is {record.status}"
        if not each.is_late:
            found.append(case.wait(reason, Code.EVACUATING))
            continue
        instance = case.host.whereabouts.get(record.instance)
        command = None
        if instance is not None:
            reason += f", and it is {instance.vm_state} on {instance.host}, task {instance.task_state}: see to it there"
            if instance.vm_state == "error":
                reason += "; once it is well, set it to active"
                command = set_state(instance, "active")
        found.append(case.wait(reason, Code.STUCK, needs_operator=True, command=command))
    return found


def _arrived(record: Migration, host: Host, world: World) -> bool:
    """Whether the instance of a record in flight away from a host can be told to have arrived somewhere.

    A record is no sure sign: a repeated evacuation leaves one that is ``accepted`` for ever, and a late request of a
    host that came back takes one that was ``done``. An instance that is on another host, which lives, with no task, is
    there.
    """
    if record.instance not in host.whereabouts:
        return False
    instance = host.whereabouts[record.instance]
    if instance is None:
        return True  # deleted
    elsewhere = instance.host != host.nova_name and instance.host not in world.dead
    return elsewhere and instance.task_state is None and instance.vm_state != "error"
