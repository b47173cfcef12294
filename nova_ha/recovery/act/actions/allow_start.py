# SPDX-License-Identifier: Apache-2.0
"""AllowStart: a recovered host's nova-compute may start."""

from __future__ import annotations

from nova_ha.model import flag
from nova_ha.model.actions import AllowStart
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class AllowStartExecutor(HostExecutor[AllowStart]):
    """By its flag."""

    action = AllowStart

    def carry_out(self, action: AllowStart, tools: HostTools) -> bool:
        let = tools.claims.change(action.host, flag.RESTART, flag.RECOVERED)
        if let:
            tools.tell(Event.START_ALLOWED, action)
        return let
