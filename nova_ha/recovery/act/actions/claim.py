# SPDX-License-Identifier: Apache-2.0
"""Claim: take a host up."""

from __future__ import annotations

from nova_ha.model.actions import Claim
from nova_ha.recovery.act.actions.base import HostExecutor, HostTools
from nova_ha.reporting.events import Event


class ClaimExecutor(HostExecutor[Claim]):
    """Its flag becomes this engine's claim, if it is still what it was."""

    action = Claim

    def carry_out(self, action: Claim, tools: HostTools) -> bool:
        taken = tools.claims.take(action.host, action.old)
        if taken:
            tools.tell(Event.HOST_CLAIMED, action)
        return taken
