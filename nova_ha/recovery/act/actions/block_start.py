# SPDX-License-Identifier: Apache-2.0
"""BlockStart: a recovered host's nova-compute is not to start now, or is to stop."""

from __future__ import annotations

from nova_ha.model import flag
from nova_ha.model.actions import BlockStart
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class BlockStartExecutor(HostExecutor[BlockStart]):
    """By its flag: Pacemaker does the rest."""

    action = BlockStart

    def carry_out(self, action: BlockStart, tools: HostTools) -> bool:
        held = tools.claims.change(action.host, flag.RECOVERED, flag.RESTART)
        if held:
            if action.had_its_turn:
                tools.memory.flags.turn_is_over(action.host)
            tools.tell(Event.START_BLOCKED, action)
        return held
