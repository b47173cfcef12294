# SPDX-License-Identifier: Apache-2.0
"""ReturnToService: a recovered host's service becomes what it was before us."""

from __future__ import annotations

from nova_ha.model import disabled_reason, flag, hostnames
from nova_ha.model.actions import ReturnToService
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class ReturnToServiceExecutor(HostExecutor[ReturnToService]):
    """Unless the host was fenced again since the flags were read, under this name or another."""

    action = ReturnToService

    def carry_out(self, action: ReturnToService, tools: HostTools) -> bool:
        flags = tools.cluster.flags()
        if flags.get(action.host) != flag.RECOVERED:
            return True
        if any(flag.is_dead(flags[name]) and hostnames.are_one(name, action.service.host) for name in flags):
            return False
        before = disabled_reason.reason_before(action.service)
        with tools.counted(action.service):
            if before is not None:
                request = tools.cloud.force_down(action.service, False, enabled=False, reason=before or None)
            elif disabled_reason.is_marked(action.service):
                request = tools.cloud.force_down(action.service, False, enabled=True)
            else:
                request = tools.cloud.force_down(action.service, False)
        as_before = "" if before is None else "; disabled as before" + (f": {before}" if before else "")
        tools.tell(Event.HOST_IN_SERVICE, action, request, action.reason + as_before)
        return True
