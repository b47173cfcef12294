# SPDX-License-Identifier: Apache-2.0
"""DisableHost: force a dead host's service down, and disable it."""

from __future__ import annotations

from nova_ha.model import disabled_reason
from nova_ha.model.actions import DisableHost
from nova_ha.model.snapshot import Service
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


def disabled_before(service: Service) -> str:
    """What to tell of a service that was disabled before we do that: the mark may hold the beginning only."""
    if service.enabled or disabled_reason.is_marked(service):
        return ""
    return f"; it was disabled before: {service.disabled_reason or 'without a reason'}"


class DisableHostExecutor(HostExecutor[DisableHost]):
    """One request for both: a disabling alone, of a host that is dead and not forced down, takes a minute."""

    action = DisableHost

    def carry_out(self, action: DisableHost, tools: HostTools) -> bool:
        with tools.counted(action.service):
            if action.mark is None:
                request = tools.cloud.force_down(action.service, True)
            elif action.service.forced_down:
                request = tools.cloud.disable(action.service, action.mark)
            else:
                request = tools.cloud.force_down(action.service, True, enabled=False, reason=action.mark)
        tools.tell(Event.HOST_DISABLED, action, request, action.reason + disabled_before(action.service))
        return True
