# SPDX-License-Identifier: Apache-2.0
"""RepairInstanceState: set an instance to active that runs, and that a late request had set to error."""

from __future__ import annotations

from nova_ha.model import restore_tags
from nova_ha.model.actions import RepairInstanceState
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.recovery.act.actions.calls import ACTIVATE, LOOK_AGAIN, retag
from nova_ha.reporting.events import Event


class RepairInstanceStateExecutor(InstanceExecutor[RepairInstanceState]):
    """On a host that lives. The state that it had been brought into, it is brought into once more."""

    action = RepairInstanceState
    done = Event.INSTANCE_STATE_REPAIRED
    is_of_dead_host = False

    def calls(self, action: RepairInstanceState) -> list[Call]:
        before = restore_tags.reached(action.instance)
        return [ACTIVATE] + (retag(action.instance, restore_tags.TAGS[before]) if before else [])

    def taken(self, action: RepairInstanceState, answer: Answer, tools: InstanceTools) -> None:
        tools.memory.count_effort(action.instance.id)
        tools.memory.later(action.instance.id, tools.now, LOOK_AGAIN, action.reason)
