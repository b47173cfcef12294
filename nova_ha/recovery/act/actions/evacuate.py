# SPDX-License-Identifier: Apache-2.0
"""Evacuate: have Nova resurrect an instance elsewhere."""

from __future__ import annotations

from nova_ha.cloud import nova
from nova_ha.model import instance_states
from nova_ha.model.actions import Evacuate
from nova_ha.model.request import REFUSED
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.recovery.memory.requests import Memory
from nova_ha.reporting.events import Event


class EvacuateExecutor(InstanceExecutor[Evacuate]):
    """The one request that must not be repeated blindly; and the one by which it is learned how many Nova takes."""

    action = Evacuate
    done = Event.EVACUATION_ACCEPTED
    not_done = Event.EVACUATION_NOT_ACCEPTED
    starts_guest = True

    def begins(self, action: Evacuate, memory: Memory) -> None:
        memory.sending(action.instance.id, action.newest)

    def calls(self, action: Evacuate) -> list[Call]:
        return [Call(lambda cloud, instance: cloud.evacuate(instance, action.destination))]

    def taken(self, action: Evacuate, answer: Answer, tools: InstanceTools) -> None:
        tools.pace.accepted(tools.now, answer.took)
        tools.memory.accepted(action.instance.id, tools.now)

    def not_sent(self, action: Evacuate, why: str, tools: InstanceTools) -> None:
        tools.memory.later(action.instance.id, tools.now, 0.0, why)

    def failed(self, action: Evacuate, error: nova.CloudError, tools: InstanceTools) -> None:
        memory, instance = tools.memory, action.instance.id
        if isinstance(error, nova.Unreachable) and error.sent:
            memory.unclear(instance, tools.now, f"no clear answer: {error}", error.hung)
            tools.pace.unanswered(tools.now)
        elif isinstance(error, nova.Refused) and instance_states.refusal(str(error)):
            memory.failed(instance, tools.now, str(error), REFUSED)
        else:
            super().failed(action, error, tools)

    def told_of_failure(self, action: Evacuate, error: nova.CloudError) -> str:
        return str(error)
