# SPDX-License-Identifier: Apache-2.0
"""EnableReservedHost: enable a reserved host in the place of a lost one."""

from __future__ import annotations

from nova_ha.model import hostnames
from nova_ha.model.actions import EnableReservedHost
from nova_ha.model.request import CONFLICT
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class EnableReservedHostExecutor(HostExecutor[EnableReservedHost]):
    """Not one that is flagged by now, by whatever name."""

    action = EnableReservedHost

    def carry_out(self, action: EnableReservedHost, tools: HostTools) -> bool:
        label = hostnames.label(action.service.host)
        if any(hostnames.label(flagged) == label for flagged in tools.cluster.flags()):
            reason = f"{action.service.host} is flagged itself"
            tools.memory.failed(action.service.id, tools.clock(), reason, CONFLICT)
            tools.tell(Event.RESERVED_HOST_NOT_ENABLED, action, reason=reason)
            return True
        with tools.counted(action.service):
            request = tools.cloud.enable(action.service)
        tools.tell(Event.RESERVED_HOST_ENABLED, action, request)
        return True
