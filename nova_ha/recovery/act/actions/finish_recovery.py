# SPDX-License-Identifier: Apache-2.0
"""FinishRecovery: the host is recovered."""

from __future__ import annotations

from nova_ha.model import flag
from nova_ha.model.actions import FinishRecovery
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class FinishRecoveryExecutor(HostExecutor[FinishRecovery]):
    """Its flag says so, and whether its nova-compute may start."""

    action = FinishRecovery

    def carry_out(self, action: FinishRecovery, tools: HostTools) -> bool:
        closed = tools.claims.close(action.host, flag.RESTART if action.held else flag.RECOVERED)
        if closed:
            tools.tell(Event.HOST_RECOVERED, action)
            if action.held:
                tools.tell(Event.START_BLOCKED, action)
        return closed
