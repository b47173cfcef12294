# SPDX-License-Identifier: Apache-2.0
"""Carries out what was decided about whole hosts, in the main thread; for actions about instances see ``workers``."""

from __future__ import annotations

from collections.abc import Callable

from nova_ha.cloud import nova
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model.actions import HostAction
from nova_ha.recovery.act.actions import registry
from nova_ha.recovery.act.actions.base import HostTools, cause
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.memory.requests import Memory
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account


class Deeds:
    """The actions' deeds.

    :param memory: told when a service is to be left alone for a while
    :param account: told what was done
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        cluster: Cluster,
        cloud: nova.Nova,
        memory: Memory,
        account: Account,
        claims: Claims,
        clock: Callable[[], float],
    ) -> None:
        self._tools = HostTools(cluster, cloud, memory, account, claims, clock)
        self._account = account

    def do(self, action: HostAction) -> bool:
        """Carry an action out; returns whether the world may be different now, so that looking again is worth while.

        :raises cluster.ClusterError: the cluster is away
        """
        try:
            return registry.of_host_action(action).carry_out(action, self._tools)
        except nova.CloudError as error:
            reason = f"{action.reason}; but {error}"
            self._account.event(Event.HOST_STEP_FAILED, action.host, None, None, reason, cause(error))
            return False
