# SPDX-License-Identifier: Apache-2.0
"""What a dead host's instances need next: pure."""

from __future__ import annotations

from nova_ha.model import disabled_reason, instance_states, restore_tags, snapshot
from nova_ha.model.actions import (
    ConfirmResize,
    Evacuate,
    FinishDeletion,
    PrepareInstance,
    RestoreState,
    Skip,
    Step,
    Wait,
)
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.request import REFUSED, RETRIED
from nova_ha.model.snapshot import Instance
from nova_ha.policy.selection import Verdict
from nova_ha.recovery.decide.asked import held, may_show
from nova_ha.recovery.decide.case import Case, set_state
from nova_ha.recovery.decide.classification import State
from nova_ha.recovery.decide.flights import begun_elsewhere, in_flight, untracked
from nova_ha.recovery.memory.timing import (
    CONFIRMATION_PATIENCE,
    KEY_ATTEMPTS,
    MANY,
    MIGRATION_PATIENCE,
    SELECTION_PATIENCE,
)


def instance_step(case: Case, instance: Instance) -> Step:
    """The step for one instance that Nova still has on the host; an evacuation has still to pass the gates."""
    treatment = instance_states.treatment(instance)
    if treatment.do == instance_states.LEAVE:
        return _left(case, instance, treatment.why, Code.NOTHING_TO_RECOVER)
    verdict = _verdict(case, instance)
    revived = treatment.do in (instance_states.EVACUATE, instance_states.RESET) and verdict.recover
    busy = untracked(case, instance) or in_flight(case, instance, revived)
    if not isinstance(busy, Wait):
        busy = begun_elsewhere(case, instance) or busy or held(case, instance)
    if _stays(case, instance, busy):
        return may_show(case, instance) or _untold(case, instance) or _ended(case, instance)
    if busy:
        return busy
    if treatment.do == instance_states.DELETE:
        return FinishDeletion(case.host.name, treatment.why, instance)
    if treatment.do == instance_states.HOLD:
        return case.wait(treatment.why, Code.UNKNOWN_STATE, instance, needs_operator=True)
    if not verdict.known:
        late = case.memory.pending(instance.id, case.now) >= SELECTION_PATIENCE
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
    note = treatment.then if case.memory.is_notable(instance.id) and not restore_tags.wanted(instance) else None
    if instance.vm_state not in instance_states.EVACUABLE or note:
        return PrepareInstance(case.host.name, treatment.why, instance, note)
    return _untold(case, instance) or _evacuate(case, instance)


def _stays(case: Case, instance: Instance, busy: Step | None) -> bool:
    """Whether an operator has ended the host's recovery, and nothing that was asked for the instance is left.

    What was asked for and is not over must go on: its guest may start elsewhere when the host starts its own.

    :param busy: what keeps it from being recovered now; that it is tried again after a pause does not count
    """
    if not case.is_ended or any(each.state is not State.OVER for each in case.evacuations_of(instance)):
        return False
    return busy is None or (isinstance(busy, Wait) and busy.code in RETRIED)


def _ended(case: Case, instance: Instance) -> Step:
    """The step for one that stays since an operator has ended the host's recovery."""
    reason = "an operator has ended the recovery of its host"
    noted = instance.tags & restore_tags.OUR_TAGS and instance.vm_state in instance_states.TAGGABLE
    # That would be brought about when the host is back. Nova may refuse to take it off, for good.
    if noted and case.memory.efforts(instance.id) < MANY:
        return RestoreState(case.host.name, reason, instance, "untag")
    return _left(case, instance, reason, Code.ENDED)


def _untold(case: Case, instance: Instance) -> Step | None:
    """The step for an instance whose last destination failed, and may run its guest all the same, or None.

    Measured: bus or conductor away for more than a minute while it was made; two requests that met. On the same host
    another request cannot start a second one: it finds the first.
    """
    unexplained = case.memory.unexplained(instance, case.records(instance))
    if unexplained not in (None, *case.world.dead):
        return case.wait("why a host failed to start it has not been read", Code.CLOUD_AWAY, instance)
    host = case.memory.untold_by(instance.id)
    if host is None or host in case.world.dead:
        return None
    reason = f"an evacuation to {host} failed, and its guest may run there all the same"
    if host in case.candidates:
        newest = max((record.id for record in case.records(instance)), default=0)
        again = f"{reason}: tried again, there only"
        return Evacuate(case.host.name, again, instance, newest, host)
    reason = f"{reason}: have Nova use that host again, or fence it"
    return case.wait(reason, Code.UNKNOWN_GUEST, instance, needs_operator=True)


def _resized_from(case: Case, instance: Instance) -> str | None:
    """The living host on which a resized instance's former copy is, if that is to be given up; or None.

    Without that, the instance could never be evacuated there: its definition is there still (measured). Where disks are
    not shared, the copy is all that is left of the instance's data, and is kept.
    """
    given_up = case.memory.pending(instance.id, case.now) >= CONFIRMATION_PATIENCE
    if instance.vm_state != "resized" or given_up or not case.rules.shared_storage:
        return None
    sources = (record.source for record in case.host.resizes if record.instance == instance.id)
    return next((source for source in sources if source in case.up), None)


def _evacuate(case: Case, instance: Instance) -> Evacuate:
    attempt = case.memory.get(instance.id)
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
    attempt = case.memory.get(instance.id)
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
    for each in case.evacuations_of(instance):
        if each.state is not State.OVER:
            reason = (
                f"{why}; but evacuation {each.record.id} is {each.record.status}, for which nova-compute would destroy"
                " the instance here when it starts: delete it, or have it evacuated"
            )
            return case.wait(reason, Code.WOULD_BE_DESTROYED, instance, needs_operator=True)
    return Skip(case.host.name, why, code, instance, needs_operator, command)


def _verdict(case: Case, instance: Instance) -> Verdict:
    attempt = case.memory.get(instance.id)
    attempted = bool(attempt and attempt.failures) or any(r.status in snapshot.FAILED for r in case.records(instance))
    if case.world.selection is None:
        return Verdict(False, "which flavors and images select instances has not been read", known=False)
    return case.rules.policy.verdict(instance, case.world.selection, case.aggregates, attempted)


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
        if case.memory.pending(instance.id, case.now) < MIGRATION_PATIENCE:
            return case.wait(reason, Code.LIVE_MIGRATION, instance)
        reason += ". Look there; if it does not run, set the instance to error"
        command = set_state(instance, "error")
        return case.wait(reason, Code.LIVE_MIGRATION, instance, needs_operator=True, command=command)
    return None
