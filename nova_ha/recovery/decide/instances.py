# SPDX-License-Identifier: Apache-2.0
"""What a dead host's instances need next: pure."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Set

from nova_ha.model import disabled_reason, instance_states, restore_tags, snapshot
from nova_ha.model.actions import (
    ConfirmResize,
    Evacuate,
    FinishDeletion,
    PrepareInstance,
    Restart,
    Skip,
    Step,
    Wait,
)
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.request import CONFLICT, FAILED, FORBIDDEN, REFUSED, SENDING, UNKNOWN, Attempt
from nova_ha.model.snapshot import Host, Instance, Migration, Service, World
from nova_ha.policy.selection import Verdict
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import (
    CONFIRMATION_PATIENCE,
    KEY_ATTEMPTS,
    MANY,
    MIGRATION_PATIENCE,
    SELECTION_PATIENCE,
    SETTLE,
)


class Case:
    """A host to recover, and all there is to know for it; what every instance asks for is found once.

    :param service: the host's
    """

    def __init__(self, host: Host, service: Service, situation: Situation) -> None:
        self.host = host
        self.service = service
        self.situation = situation
        self.world = world = situation.world
        self.attempts = situation.memory
        self.rules = situation.rules
        self.now = situation.now
        self.candidates = world.candidates
        self.up = world.up
        self.aggregates = frozenset(name for name, hosts in world.aggregates.items() if service.host in hosts)
        self._records = snapshot.by_instance(host.evacuations)
        self._arrivals = snapshot.by_instance(itertools.chain(*(other.arrivals for other in world.hosts)))

    def wait(
        self,
        reason: str,
        code: Code,
        instance: Instance | None = None,
        needs_operator: bool = False,
        under_way: bool = False,
        command: str | None = None,
    ) -> Wait:
        """A Wait step."""
        return Wait(self.host.name, reason, code, instance, needs_operator, command, under_way)

    def records(self, instance: Instance) -> list[Migration]:
        """The records of evacuations of an instance away from the host, oldest first."""
        return self._records.get(instance.id, [])

    def arrivals(self, instance: Instance) -> list[Migration]:
        """The records of evacuations of an instance to any flagged host, from wherever."""
        return self._arrivals.get(instance.id, [])


def instance_step(case: Case, instance: Instance) -> Step:
    """The step for one instance that Nova still has on the host; an evacuation has still to pass the gates."""
    treatment = instance_states.treatment(instance)
    if treatment.do == instance_states.LEAVE:
        return _left(case, instance, treatment.why, Code.NOTHING_TO_RECOVER)
    verdict = _verdict(case, instance)
    revived = treatment.do in (instance_states.EVACUATE, instance_states.RESET) and verdict.recover
    busy = untracked(case, instance) or _in_flight(case, instance, revived)
    if not isinstance(busy, Wait):
        busy = _begun_elsewhere(case, instance) or busy or _held(case, instance)
    if busy:
        return busy
    if treatment.do == instance_states.DELETE:
        return FinishDeletion(case.host.name, treatment.why, instance)
    if treatment.do == instance_states.HOLD:
        return case.wait(treatment.why, Code.UNKNOWN_STATE, instance, needs_operator=True)
    if not verdict.known:
        late = case.attempts.pending(instance.id, case.now) >= SELECTION_PATIENCE
        return case.wait(verdict.reason, Code.SELECTION_UNKNOWN, instance, needs_operator=late)
    if not verdict.recover:
        return _left(case, instance, verdict.reason, Code.NOT_SELECTED)
    refused = _refused(case, instance)
    if refused:
        return _left(case, instance, refused.reason, refused.code, needs_operator=True, command=refused.command)
    moving = _being_migrated(case, instance)
    if moving:
        return moving
    resized = _resized_from(case, instance)
    if resized:
        reason = f"its resize is confirmed: {resized} would else keep a copy that is in the way"
        return ConfirmResize(case.host.name, reason, instance)
    note = treatment.then if case.attempts.is_notable(instance.id) and not restore_tags.wanted(instance) else None
    if instance.vm_state not in instance_states.EVACUABLE or note:
        return PrepareInstance(case.host.name, treatment.why, instance, note)
    untold = _untold(case, instance)
    if untold:
        return untold
    return _evacuate(case, instance)


def _untold(case: Case, instance: Instance) -> Step | None:
    """The step for an instance whose last destination could not say what had become of it, or None.

    Nova has it as failed, and its guest may run there (measured: bus or conductor away for more than a minute while it
    was made). On the same host another request cannot start a second one: it finds the first.
    """
    unexplained = case.attempts.unexplained(instance, case.records(instance))
    if unexplained not in (None, *case.world.dead):
        return case.wait("why a host failed to start it has not been read", Code.CLOUD_AWAY, instance)
    host = case.attempts.untold_by(instance.id)
    if host is None or host in case.world.dead:
        return None
    reason = f"{host} could not tell Nova how an evacuation to it ended, and its guest may run there"
    if host in case.candidates:
        newest = max((record.id for record in case.records(instance)), default=0)
        again = f"{reason}: tried again, there only"
        return Evacuate(case.host.name, again, instance, newest, host)
    reason = f"{reason}: have Nova use that host again, or fence it"
    return case.wait(reason, Code.UNKNOWN_GUEST, instance, needs_operator=True)


def may_show(case: Case, instance: Instance) -> Wait | None:
    """A Wait for a request for the instance that Nova did not answer, and may still carry out; or None."""
    attempt = case.attempts.get(instance.id)
    if attempt is None or not case.attempts.may_show(instance.id, case.now, instance.host):
        return None
    reason = f"{attempt.reason}; Nova may still do it, until it has answered for a minute without a break"
    late = case.now - attempt.until >= case.rules.stuck_after
    return case.wait(reason, Code.REQUEST_UNANSWERED, instance, needs_operator=late)


def _resized_from(case: Case, instance: Instance) -> str | None:
    """The living host on which a resized instance's former copy is, if that is to be given up; or None.

    Without that, the instance could never be evacuated there: its definition is there still (measured). Where disks are
    not shared, the copy is all that is left of the instance's data, and is kept.
    """
    given_up = case.attempts.pending(instance.id, case.now) >= CONFIRMATION_PATIENCE
    if instance.vm_state != "resized" or given_up or not case.rules.shared_storage:
        return None
    sources = (record.source for record in case.host.resizes if record.instance == instance.id)
    return next((source for source in sources if source in case.up), None)


def _evacuate(case: Case, instance: Instance) -> Evacuate:
    attempt = case.attempts.get(instance.id)
    records = case.records(instance)
    destination = None
    if case.rules.reserve_destination and not (attempt and attempt.failures):
        # The choice of a reserved host is for the first attempt; if it cannot take the instance, any may.
        spare = disabled_reason.reserve(case.service)
        destination = spare if spare in case.candidates else None
    reason = attempt.reason if attempt and attempt.reason else "its host is dead"
    return Evacuate(case.host.name, reason, instance, records[-1].id if records else 0, destination)


def _refused(case: Case, instance: Instance) -> Problem | None:
    """Why Nova will not evacuate an instance, however often it is asked; or None."""
    attempt = case.attempts.get(instance.id)
    what = instance_states.refused_beforehand(instance)
    if what is None and attempt is not None and attempt.cause == REFUSED:
        what = instance_states.refusal(attempt.reason)
    if what is not None:
        reason = f"Nova does not evacuate an instance with {what}: it stays, and can start here when the host is back"
        return Problem(Code.NOT_EVACUABLE, reason)
    failures = sum(record.status in snapshot.FAILED for record in case.records(instance))
    if failures >= KEY_ATTEMPTS and instance_states.is_kept_from_its_key(instance):
        reason = (
            f"Nova may not read the key of {instance_states.ENCRYPTED_VOLUME} of it: it stays, and its owner can start"
            " it here when the host is back"
        )
        return Problem(Code.KEY_REFUSED, reason, f"openstack server reboot --hard {instance.id}")
    return None


def _left(
    case: Case, instance: Instance, why: str, code: Code, needs_operator: bool = False, command: str | None = None
) -> Wait | Skip:
    """An instance that stays: for good, unless the host's return would destroy it."""
    for record in case.records(instance):
        if record.in_flight or record.status == "done":
            reason = (
                f"{why}; but evacuation {record.id} is {record.status}, for which nova-compute would destroy the "
                f"instance here when it starts: delete it, or have it evacuated"
            )
            return case.wait(reason, Code.WOULD_BE_DESTROYED, instance, needs_operator=True)
    return Skip(case.host.name, why, code, instance, needs_operator, command)


def _verdict(case: Case, instance: Instance) -> Verdict:
    attempt = case.attempts.get(instance.id)
    attempted = bool(attempt and attempt.failures) or any(r.status in snapshot.FAILED for r in case.records(instance))
    if case.world.selection is None:
        return Verdict(False, "which flavors and images select instances has not been read", known=False)
    return case.rules.policy.verdict(instance, case.world.selection, case.aggregates, attempted)


def untracked(case: Case, instance: Instance) -> Wait | None:
    """A Wait for an instance whose guest is on a destination that Nova does not know it to be on, or None.

    Two requests met there, somebody reset the instance's state in the middle of one, or nova-compute died there late in
    one (all measured). A guest elsewhere would be a second one, and no API tells where the first is for certain.
    """
    if instance.vm_state != "error":
        return None
    records = [record for record in case.records(instance) if record.destination not in case.world.dead]
    done = [record for record in records if record.status == "done"]
    told = instance_states.is_made_there(instance) or instance_states.is_found_there(instance)
    if not done and not told:
        return None
    tried_on = {record.destination for record in records if record.destination}
    if instance_states.is_found_there(instance) and not done:
        # A host that it was resized from keeps its definition, shut down, until the resize is confirmed.
        tried_on -= {record.source for record in case.host.resizes if record.instance == instance.id}
    if not tried_on:
        return None
    for record in records if instance_states.is_found_there(instance) else ():
        young = case.attempts.age(record, case.now) < case.rules.stuck_after
        if record.in_flight and _is_begun(record) and young and not case.attempts.was_cut_off(record, case.now):
            reason = f"a second request found the guest that evacuation {record.id} started on {record.destination}"
            return case.wait(reason, Code.EVACUATING, instance, under_way=True)
    where = " or ".join(sorted(tried_on))
    if not told and all(case.attempts.age(record, case.now) < SETTLE for record in done):
        # Nova ends the record and moves the instance at the same time; the two are read one after the other.
        return case.wait(f"its evacuation to {where} has just ended", Code.EVACUATING, instance, under_way=True)
    reason = (
        f"a guest of it is on {where}, unknown to Nova: fence that host, or remove the guest there (virsh destroy, "
        "virsh undefine) and then set the instance to active"
    )
    return case.wait(reason, Code.UNKNOWN_GUEST, instance, needs_operator=True, command=_set_state(instance, "active"))


def _in_flight(case: Case, instance: Instance, revived: bool) -> Step | None:
    """The step for evacuations that may still start the guest somewhere, or None if there is none.

    :param revived: whether the instance is to be recovered at all, so that a stuck one may be tried again
    """
    flights = [
        record
        for record in case.records(instance)
        if record.in_flight and not _died_with_its_host(case, record) and not case.attempts.is_stray(record)
    ]
    if not flights:
        return None
    # A retry stands beside the record of what it retries, which may stay for ever.
    record = min(flights, key=lambda flight: case.attempts.age(flight, case.now))
    where = record.destination or "a host that is still to be chosen"
    reason = f"evacuation {record.id} to {where} is {record.status}"
    lost_at = case.attempts.lost_at(instance.id, flights, case.now)
    cut_off = all(case.attempts.was_cut_off(flight, case.now) for flight in flights)
    late = case.attempts.age(record, case.now) >= case.rules.stuck_after
    pinned_to = _only_place(case, lost_at or {flight.destination for flight in flights}) if revived else None
    if not late and not (pinned_to and (lost_at or cut_off)):
        return case.wait(reason, Code.EVACUATING, instance, under_way=True)
    held = _held(case, instance)
    if held:
        return held
    if cut_off:
        reason += f", nova-compute on {where} was started anew since"
    lost = case.attempts.was_down(record) if _is_begun(record) else _was_passed(case, record)
    if pinned_to and (lost_at or cut_off or lost):
        return may_show(case, instance) or _pinned(case, instance, pinned_to, reason)
    restart = None if cut_off else _to_restart(case, instance, record)
    return _stuck(case, instance, reason, "there", restart)


def _only_place(case: Case, hosts: Set[str | None]) -> str | None:
    """The one host among some, if that could take an instance; or None."""
    alone = next(iter(hosts)) if len(hosts) == 1 else None
    return alone if alone in case.candidates else None


def _was_passed(case: Case, record: Migration) -> bool:
    """Whether it was handed to its destination, which goes on with later ones.

    A record may name a destination from the start, as it was asked for: only the requests tell who has it.
    """
    known = case.host.requests.get(record.instance)
    stages = {request.stage for request in known.all} if known else {snapshot.QUEUED}
    handed = stages.isdisjoint((snapshot.QUEUED, snapshot.SCHEDULING))
    return handed and case.attempts.was_passed(record, case.now)


def _to_restart(case: Case, instance: Instance, record: Migration) -> Restart | None:
    """What may still be at work on an evacuation that does not move, so that it is to be restarted; or None."""
    if _is_begun(record):
        return Restart("nova-compute", record.destination)
    known = case.host.requests.get(instance.id)
    for request in known.all if known else ():
        if request.stage in (snapshot.QUEUED, snapshot.SCHEDULING):
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
    command = _set_state(instance, "error")
    found = case.wait(f"{reason}; {way_out}", Code.STUCK, instance, needs_operator=True, command=command)
    return dataclasses.replace(found, restart=restart)


def _set_state(instance: Instance, state: str) -> str:
    """The command by which an operator sets an instance to a state."""
    return f"openstack server set --state {state} {instance.id}"


def _is_begun(record: Migration) -> bool:
    return record.status != "accepted"


def _begun_elsewhere(case: Case, instance: Instance) -> Wait | None:
    """A Wait for an instance that a host has begun to start, as no record of an evacuation away from its host says.

    A host that came back has taken up an older request, or the conductor an older record for a new one (both measured).
    """
    seconds = case.attempts.begun_for(instance.id, case.now)
    begun = [r for r in case.records(instance) if r.in_flight and r.status != "accepted"]
    begun += [r for r in case.arrivals(instance) if r.in_flight and r.destination in case.world.dead]
    if seconds is None or begun:
        return None
    reason = "some host has begun to start it, for an older evacuation"
    if seconds < case.rules.stuck_after:
        return case.wait(reason, Code.EVACUATING, instance, under_way=True)
    return _stuck(case, instance, reason, "anywhere")


def _died_with_its_host(case: Case, record: Migration) -> bool:
    """Whether its destination died in the middle of it."""
    dead = record.destination in case.world.dead and record.status != "accepted"
    return dead or case.attempts.ended_with_its_host(record)


def _pinned(case: Case, instance: Instance, destination: str, reason: str) -> Evacuate:
    """Try an evacuation again that was surely lost, on the same destination only.

    Lost is one that its destination had begun, if its event has ended, or an operator has set the instance to error
    since, or if nova-compute was started anew there, or if it has not moved for long and the host has not reported for
    a while meanwhile; and one that was handed on to its destination, and has not been begun though all is at work. On
    the same host, whatever is left of the first cannot start a second guest: it finds the first.
    """
    reason = f"{reason}, and is lost; tried again, on {destination} only"
    return Evacuate(case.host.name, reason, instance, case.records(instance)[-1].id, destination)


def _held(case: Case, instance: Instance) -> Wait | None:
    """A Wait for what was asked for the instance, or None if something may be asked now."""
    attempt = case.attempts.get(instance.id)
    if attempt is None:
        return None
    if attempt.outcome == SENDING:
        return case.wait("the request is being sent", Code.SENDING, instance, under_way=True)
    if case.now >= attempt.until:
        return None
    again = "tried" if attempt.outcome == FAILED else "looked at"
    reason = f"{attempt.reason}; {again} again after a pause"
    if case.attempts.in_vain(instance.id) < MANY:
        return case.wait(reason, attempt.code, instance)
    command = _way_out(case, instance, attempt)
    reason += ". Or have it left as it is" if command else ""
    return case.wait(reason, attempt.code, instance, needs_operator=True, command=command)


def _way_out(case: Case, instance: Instance, attempt: Attempt) -> str | None:
    """The command by which an operator has left alone what Nova refuses again and again; None where that is no way.

    Nova lets the metadata be changed in the states in which it lets an instance be tagged, and with no task only.
    """
    key = case.rules.policy.metadata_key
    refused = attempt.cause in (CONFLICT, FORBIDDEN, UNKNOWN)
    if not (key and refused and instance.vm_state in instance_states.TAGGABLE and instance.task_state is None):
        return None
    return f"openstack server set --property {key}=false {instance.id}"


def _being_migrated(case: Case, instance: Instance) -> Wait | None:
    """A Wait for an instance that a living host may have got, or may still get, by live migration; or None.

    One that has not begun is ended by Nova's own time limits (a minute or so). One that has is reported by the host
    that it leaves: when that dies at the wrong moment, the guest runs on the other, and nobody can tell from here.
    """
    if instance.task_state not in instance_states.MIGRATING:
        return None
    for record in case.host.live_migrations:
        if record.instance != instance.id or record.destination in case.world.dead:
            continue
        where = record.destination or "a host that is still to be chosen"
        reason = f"live migration {record.id} to {where} is {record.status}: its guest may run there"
        if case.attempts.pending(instance.id, case.now) < MIGRATION_PATIENCE:
            return case.wait(reason, Code.LIVE_MIGRATION, instance)
        reason += ". Look there; if it does not run, set the instance to error"
        command = _set_state(instance, "error")
        return case.wait(reason, Code.LIVE_MIGRATION, instance, needs_operator=True, command=command)
    return None


def unsettled(case: Case) -> list[Wait]:
    """Waits for evacuations of instances that are not on the host any more, and are not proved to be over."""
    found = []
    for record in open_records(case.host, case.world):
        reason = f"evacuation {record.id} of instance {record.instance} is {record.status}"
        instance = case.host.whereabouts.get(record.instance)
        if case.attempts.age(record, case.now) < case.rules.stuck_after:
            found.append(case.wait(reason, Code.EVACUATING))
            continue
        command = None
        if instance is not None:
            reason += f", and it is {instance.vm_state} on {instance.host}, task {instance.task_state}: see to it there"
            if instance.vm_state == "error":
                reason += "; once it is well, set it to active"
                command = _set_state(instance, "active")
        found.append(case.wait(reason, Code.STUCK, needs_operator=True, command=command))
    return found


def open_records(host: Host, world: World) -> list[Migration]:
    """The records, in flight away from a host, of instances that cannot be told to have arrived somewhere.

    A record is no sure sign: a repeated evacuation leaves one that is ``accepted`` for ever, and a late request of a
    host that came back takes one that was ``done``. An instance that is on another host, which lives, with no task, is
    there.
    """
    return [record for record in snapshot.unfinished(host.evacuations) if not _arrived(record, host, world)]


def _arrived(record: Migration, host: Host, world: World) -> bool:
    if record.instance not in host.whereabouts:
        return False
    instance = host.whereabouts[record.instance]
    if instance is None:
        return True  # deleted
    elsewhere = instance.host != host.nova_name and instance.host not in world.dead
    return elsewhere and instance.task_state is None and instance.vm_state != "error"
