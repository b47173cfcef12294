# SPDX-License-Identifier: Apache-2.0
"""RestoreState: one move towards the state that an instance had."""

from __future__ import annotations

from nova_ha.cloud import nova
from nova_ha.model import restore_tags
from nova_ha.model.actions import RestoreState
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.recovery.act.actions.calls import ACTIVATE, BREAK, retag
from nova_ha.reporting.events import Event

# The others put tags in the place of tags.
_MOVES = {
    "activate": ACTIVATE,
    "clear": BREAK,
    "pause": Call(lambda cloud, instance: cloud.pause(instance)),
    "reboot": Call(lambda cloud, instance: cloud.reboot(instance)),
    "stop": Call(lambda cloud, instance: cloud.stop(instance)),
}


class RestoreStateExecutor(InstanceExecutor[RestoreState]):
    """On a host that lives. Moves that come to nothing are made ever more slowly."""

    action = RestoreState
    done = Event.RESTORE_STEP_DONE
    is_of_dead_host = False

    def calls(self, action: RestoreState) -> list[Call]:
        wanted = restore_tags.wanted(action.instance)
        if action.move == "settle" and wanted is not None:
            return retag(action.instance, restore_tags.DONE_TAGS[wanted])
        if action.move == "untag":
            return retag(action.instance, None)
        return [_MOVES[action.move]]

    def taken(self, action: RestoreState, answer: Answer, tools: InstanceTools) -> None:
        if action.move in _MOVES:
            tools.memory.moved(action.instance.id, tools.now, action.reason)

    def failed(self, action: RestoreState, error: nova.CloudError, tools: InstanceTools) -> None:
        super().failed(action, error, tools)
        if isinstance(error, nova.Refused):
            tools.memory.count_effort(action.instance.id)

    def told(self, action: RestoreState) -> str:
        return f"{action.move}: {action.reason}"
