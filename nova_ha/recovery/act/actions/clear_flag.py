# SPDX-License-Identifier: Apache-2.0
"""ClearFlag: the host is in service again."""

from __future__ import annotations

from nova_ha.model.actions import ClearFlag
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class ClearFlagExecutor(HostExecutor[ClearFlag]):
    """Its flag goes."""

    action = ClearFlag

    def carry_out(self, action: ClearFlag, tools: HostTools) -> bool:
        cleared = tools.claims.clear(action.host)
        if cleared:
            tools.tell(Event.FLAG_CLEARED, action)
        return cleared
