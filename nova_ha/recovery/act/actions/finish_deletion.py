# SPDX-License-Identifier: Apache-2.0
"""FinishDeletion: finish the deletion that an instance's owner asked for."""

from __future__ import annotations

from nova_ha.model.actions import FinishDeletion
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.recovery.act.actions.calls import LOOK_AGAIN
from nova_ha.reporting.events import Event


class FinishDeletionExecutor(InstanceExecutor[FinishDeletion]):
    """Asked for again if it does not take the instance away."""

    action = FinishDeletion
    done = Event.DELETION_FINISHED

    def calls(self, action: FinishDeletion) -> list[Call]:
        return [Call(lambda cloud, instance: cloud.delete(instance))]

    def taken(self, action: FinishDeletion, answer: Answer, tools: InstanceTools) -> None:
        tools.memory.count_effort(action.instance.id)
        tools.memory.later(action.instance.id, tools.now, LOOK_AGAIN, "its deletion was asked for")
