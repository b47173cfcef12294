# SPDX-License-Identifier: Apache-2.0
"""RestartCompute: a recovered host's nova-compute is to be stopped and started once more."""

from __future__ import annotations

from nova_ha.model import flag
from nova_ha.model.actions import RestartCompute
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class RestartComputeExecutor(HostExecutor[RestartCompute]):
    """By its flag, as BlockStart; it is counted apart."""

    action = RestartCompute

    def carry_out(self, action: RestartCompute, tools: HostTools) -> bool:
        held = tools.claims.change(action.host, flag.RECOVERED, flag.RESTART)
        if held:
            tools.memory.flags.starts_again(action.host)
            tools.tell(Event.COMPUTE_TO_RESTART, action)
        return held
