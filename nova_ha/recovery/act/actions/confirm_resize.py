# SPDX-License-Identifier: Apache-2.0
"""ConfirmResize: confirm an instance's resize."""

from __future__ import annotations

from nova_ha.model.actions import ConfirmResize
from nova_ha.model.request import CONFLICT
from nova_ha.recovery.act.actions.base import Answer, Call, InstanceExecutor, InstanceTools
from nova_ha.reporting.events import Event


class ConfirmResizeExecutor(InstanceExecutor[ConfirmResize]):
    """It shows in the instance's state once it is done; until then, and if it never is, it counts as a failure."""

    action = ConfirmResize
    done = Event.RESIZE_CONFIRMED

    def calls(self, action: ConfirmResize) -> list[Call]:
        return [Call(lambda cloud, instance: cloud.confirm_resize(instance))]

    def taken(self, action: ConfirmResize, answer: Answer, tools: InstanceTools) -> None:
        tools.memory.failed(action.instance.id, tools.now, "its resize was to be confirmed", CONFLICT)
