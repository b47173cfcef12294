# SPDX-License-Identifier: Apache-2.0
"""RestartInstance: start the guest of a failed instance anew, on its own host."""

from __future__ import annotations

from nova_ha.cloud import nova
from nova_ha.model.actions import RestartInstance
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.recovery.act.actions.calls import LOOK_AGAIN
from nova_ha.recovery.memory.requests import Memory
from nova_ha.reporting.events import Event


class RestartInstanceExecutor(InstanceExecutor[RestartInstance]):
    """By Nova, which plugs its networks and volumes anew; also one that Nova has taken for stopped meanwhile."""

    action = RestartInstance
    done = Event.INSTANCE_RESTARTED
    is_of_dead_host = False

    def begins(self, action: RestartInstance, memory: Memory) -> None:
        memory.sending(action.instance.id, 0)

    def calls(self, action: RestartInstance) -> list[Call]:
        return [Call(lambda cloud, instance: cloud.reboot(instance))]

    def taken(self, action: RestartInstance, answer: Answer, tools: InstanceTools) -> None:
        tools.memory.later(action.instance.id, tools.now, LOOK_AGAIN, action.reason)

    def not_sent(self, action: RestartInstance, why: str, tools: InstanceTools) -> None:
        tools.memory.later(action.instance.id, tools.now, 0.0, why)

    def failed(self, action: RestartInstance, error: nova.CloudError, tools: InstanceTools) -> None:
        if isinstance(error, nova.Unreachable) and error.sent:
            # Carried out late, it would restart an instance that runs again.
            reason = f"no clear answer: {error}"
            tools.memory.unclear(action.instance.id, tools.now, reason, error.hung)
        else:
            super().failed(action, error, tools)
