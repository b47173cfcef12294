# SPDX-License-Identifier: Apache-2.0
"""The gates at which an evacuation is looked at by itself: room, requests without an answer, the storage's delay; pure.

``planner.GATES`` has all gates, in their order.
"""

from __future__ import annotations

from collections.abc import Callable

from nova_ha.model import instance_states, snapshot
from nova_ha.model.actions import CancelQueuedEvacuation, Evacuate, Step
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Instance
from nova_ha.policy.rules import WAIT
from nova_ha.recovery.decide.asked import may_show
from nova_ha.recovery.decide.case import Case
from nova_ha.recovery.decide.proposal import Gate, Proposal
from nova_ha.recovery.memory.timing import RETURN_PATIENCE


def _of_each(judge: Callable[[Case, Evacuate], Step]) -> Gate:
    def gate(proposal: Proposal) -> Proposal:
        return proposal.instead(lambda step: judge(proposal.cases[step.host], step))

    return gate


def _room(case: Case, step: Evacuate) -> Step:
    """No host could take it. What is queued for it already is ended, or would start it when dead hosts come back."""
    if case.candidates:
        return step
    instance = step.instance
    if instance.task_state in instance_states.REBUILDING and case.records(instance):
        reason = "what is queued for it on dead hosts must not start it when they come back, one after the other"
        return CancelQueuedEvacuation(case.host.name, reason, instance)
    reason = "no compute host is up and enabled that could take it"
    return case.wait(reason, Code.NO_HOST, instance, needs_operator=_is_for_ever(case, instance))


def _is_for_ever(case: Case, instance: Instance) -> bool:
    """Whether no host comes up by itself that could take an instance: no flagged one does before it is recovered.

    Restarting in place recovers one, and a recovered one should be back in a while. Where none is, what is on record
    forbids it, or the cluster does not reach those hosts any more.
    """
    every = {*case.world.services, *snapshot.unread(case.world.services)}
    if case.rules.no_room == WAIT and case.world.dead.issuperset(every):
        return True
    tried_for = case.memory.roomless(instance.id, case.now) - case.rules.no_room_patience
    return tried_for >= RETURN_PATIENCE and case.world.runs_nowhere


def _answered(case: Case, step: Evacuate) -> Step:
    """Nova may still carry out a request that it did not answer."""
    return may_show(case, step.instance) or step


def _storage_delay(case: Case, step: Evacuate) -> Step:
    """The host's storage is to be given more time."""
    if case.host.flagged_for >= case.rules.evacuate_delay:
        return step
    reason = f"evacuate_delay: storage is given {case.rules.evacuate_delay:g} s to let go of what the dead host held"
    return case.wait(reason, Code.STORAGE_DELAY, step.instance)


room: Gate = _of_each(_room)
answered: Gate = _of_each(_answered)
storage_delay: Gate = _of_each(_storage_delay)
