# SPDX-License-Identifier: Apache-2.0
"""PrepareInstance: bring an instance into a state that Nova evacuates, or restarts in place."""

from __future__ import annotations

from nova_ha.model import instance_states, restore_tags
from nova_ha.model.actions import PrepareInstance
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.recovery.act.actions.calls import ACTIVATE, BREAK, tag
from nova_ha.reporting.events import Event

_STOPPED = (restore_tags.STOPPED, "stopped", None)


class PrepareInstanceExecutor(InstanceExecutor[PrepareInstance]):
    """Notes the state that it is to have afterwards, and resets the one that it has."""

    action = PrepareInstance
    done = Event.INSTANCE_PREPARED

    def calls(self, action: PrepareInstance) -> list[Call]:
        instance = action.instance
        # Without a note the instance is recovered nevertheless.
        note = [tag(restore_tags.TAGS[action.restore], optional=True)] if action.restore else []
        awkward = instance.vm_state not in ("active", "stopped") or instance.task_state in instance_states.TASK_STATES
        reset = [ACTIVATE] if awkward and (action.restore or not action.in_place) else []
        wanted = action.restore or restore_tags.wanted(instance)
        left_so = (wanted, instance.vm_state, instance.task_state) == _STOPPED
        end = [BREAK] if action.in_place and not left_so else []
        # The note first, where Nova takes it in this state: the reset makes the instance look as any other.
        return (note + reset if instance.vm_state in instance_states.TAGGABLE else reset + note) + end

    def taken(self, action: PrepareInstance, answer: Answer, tools: InstanceTools) -> None:
        if answer.refused is None:
            return
        instance = action.instance.id
        tools.memory.not_notable(instance)
        reason = f"that it is to be {action.restore} again cannot be noted on it: {answer.refused}"
        tools.account.event(Event.STATE_NOT_NOTED, action.host, instance, None, reason)
