# SPDX-License-Identifier: Apache-2.0
"""Restart in place: what becomes of instances that no other host has room for, where the operator chose that: pure."""

from __future__ import annotations

from collections.abc import Sequence

from nova_ha.model import instance_states, restore_tags
from nova_ha.model.actions import FinishRecovery, PrepareInstance, Skip, Step, instance_of
from nova_ha.model.snapshot import Instance
from nova_ha.model.wording import counted
from nova_ha.policy.rules import RESTART_IN_PLACE
from nova_ha.recovery.decide.case import Case
from nova_ha.recovery.decide.classification import State
from nova_ha.recovery.decide.flights import unsettled, untracked

_STOPPED = (restore_tags.STOPPED, "stopped")


def steps(case: Case, found: Sequence[Step]) -> list[Step] | None:
    """The steps that let the rest of a host's instances start again on it, because no other has room; or None.

    The operator's choice (``no_room``). Only when the host is back, nothing of it is in flight, and no record is left
    for which nova-compute, once it starts, would destroy one of them.
    """
    if case.rules.no_room != RESTART_IN_PLACE or not case.host.online:
        return None
    unfinished = (instance_of(step) for step in found if not isinstance(step, Skip))
    rest = [instance for instance in unfinished if instance is not None]
    if not all(_may_restart(case, instance) for instance in rest):
        return None
    reason = "there is no room elsewhere: restarted in place"
    unready = [
        PrepareInstance(case.host.name, reason, instance, _state_in_place(instance), in_place=True)
        for instance in rest
        if not _is_ready_in_place(instance)
    ]
    left = [step for step in found if isinstance(step, Skip)]
    if unready:
        return [*left, *unready]
    if unsettled(case):
        return None
    reason = f"no other host has room: {counted(len(rest), 'instance')} to restart in place"
    return [*left, FinishRecovery(case.host.name, reason)]


def _may_restart(case: Case, instance: Instance) -> bool:
    asked = case.memory.is_open(instance.id, case.now)
    left = any(each.state is not State.OVER for each in case.evacuations_of(instance))
    roomless = case.memory.roomless(instance.id, case.now) >= case.rules.no_room_patience
    known = instance_states.treatment(instance).do in (instance_states.EVACUATE, instance_states.RESET)
    return known and roomless and not asked and not left and not untracked(case, instance)


def _state_in_place(instance: Instance) -> str | None:
    """The state that is to be noted on an instance: the one that it had; None if one is noted."""
    return None if restore_tags.wanted(instance) else instance_states.treatment(instance).then or restore_tags.RUNNING


def _is_ready_in_place(instance: Instance) -> bool:
    """Whether nova-compute, when it starts, will leave the instance to us: it sets active ones to stopped."""
    wanted = restore_tags.wanted(instance)
    state = instance.vm_state == "error" or (wanted, instance.vm_state) == _STOPPED
    return wanted is not None and state and instance.task_state is None
