# SPDX-License-Identifier: Apache-2.0
"""Looks for the hosts that need an operator though they have no flag: out of service because of us, or not fenced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import disabled_reason
from nova_ha.model.actions import Wait
from nova_ha.model.snapshot import Service
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.decide import unfenced, unflagged
from nova_ha.recovery.observe.observer import Observer
from nova_ha.rundir.engine_state import RunState

# Seconds after which it is looked at whether the alarms still stand.
LOOK_AGAIN = 10.0


class UnmanagedHosts:
    """Knows of them, and has monitors tell.

    :param clock: monotonic seconds
    """

    def __init__(
        self, observer: Observer, cluster: Cluster, claims: Claims, state: RunState, clock: Callable[[], float]
    ) -> None:
        self._observer = observer
        self._cluster = cluster
        self._claims = claims
        self._state = state
        self._clock = clock
        self._taken_out = unflagged.TakenOut()
        self._silences = unfenced.Silences()
        self._alarms: list[Wait] = []
        self._look_at = 0.0

    @property
    def alarms(self) -> Sequence[Wait]:
        """An alarm for each of them, as of the last look."""
        return self._alarms

    def sees(self, host: str, service: Service) -> None:
        """Learn of the service of a flagged host, which is the cluster's name of it."""
        self._taken_out.sees(host, service)

    def are_due(self) -> bool:
        """Whether they are to be looked for now: somebody has deleted a flag, or the alarms are old."""
        return bool(self._claims.vanished or (self._alarms and self._clock() >= self._look_at))

    def look(self, services: Mapping[str, Service]) -> None:
        """Learn which they are.

        :param services: all of Nova's, read after the flags
        :raises cluster.ClusterError: Pacemaker does not answer
        """
        vanished = frozenset(self._claims.vanished)
        self._silences.observe(services, self._clock())
        silent = self._silences.lasting(self._clock())
        alarms: list[Wait] = []
        taken_out = self._taken_out.standing(services)
        if silent or taken_out or any(map(disabled_reason.is_marked, services.values())):
            nodes = self._observer.nova_names(self._cluster.remote_nodes(), services)
            flagged = self._observer.nova_names(self._claims.flags, services)
            about = services, nodes, flagged, self._cluster.attribute, taken_out
            if unflagged.alarms(*about):
                # One that has another engine's flag is that one's to see to: both use the same mark.
                flagged.update(self._observer.nova_names(self._claims.of_others(), services))
            alarms = unflagged.alarms(*about)
            if silent:
                adrift = self._cluster.adrift()
                # A host that is fenced just now is flagged before it is adrift. What follows goes by the same flags.
                alarms += unfenced.alarms(silent, nodes, adrift, self._claims.read())
        self._alarms = alarms
        self._look_at = self._clock() + LOOK_AGAIN
        self._claims.seen_to(vanished)
        self._tell()

    def _tell(self) -> None:
        """It becomes an exit reason, which the cluster keeps: one tells what to do, ``nova-ha status`` tells of all."""
        if not self._alarms:
            self._state.complain("unflagged", None)
            return
        first, *others = self._alarms
        more = f"; and {len(others)} more: see nova-ha status" if others else ""
        why = f"{first.code.value}: {first.host}: {first.reason}: {first.command}{more}"
        self._state.complain("unflagged", why)
