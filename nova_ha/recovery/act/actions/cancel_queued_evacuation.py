# SPDX-License-Identifier: Apache-2.0
"""CancelQueuedEvacuation: what is queued for an instance ends before it starts a guest."""

from __future__ import annotations

from nova_ha.model.actions import CancelQueuedEvacuation
from nova_ha.recovery.act.actions.base import Call, InstanceExecutor
from nova_ha.recovery.act.actions.calls import BREAK
from nova_ha.reporting.events import Event


class CancelQueuedEvacuationExecutor(InstanceExecutor[CancelQueuedEvacuation]):
    """An evacuation that is taken up while its instance is in error fails."""

    action = CancelQueuedEvacuation
    done = Event.QUEUED_EVACUATION_CANCELLED

    def calls(self, action: CancelQueuedEvacuation) -> list[Call]:
        return [BREAK]
