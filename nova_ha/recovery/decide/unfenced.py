# SPDX-License-Identifier: Apache-2.0
"""Hosts that are dead by all appearances, and that nobody fences: pure.

Pacemaker fences a host when it loses the connection to it, but can be made to forget that it had one: by a refresh of
the host's resources (``crm_resource --refresh``, ``pcs resource refresh``) between the host's death and the moment at
which that is noticed (measured, Pacemaker 2.1.5). It then takes the host for one that was never there. Only a fencing
could prove that it is dead, so an operator is told to have it fenced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nova_ha.model import disabled_reason, flag
from nova_ha.model.actions import Wait
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Service
from nova_ha.policy import reserved_hosts
from nova_ha.recovery.memory.timing import SILENT_HOST_PATIENCE

_REASON = (
    "it does not report to Nova, and the cluster has no connection to it and does not fence it, as after a refresh of"
    " its resources while it died: have it fenced; or, if it is off on purpose, disable its service in Nova"
)


class Silences:
    """Since when which hosts have not reported to Nova though they should."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def observe(self, services: Mapping[str, Service], now: float) -> None:
        """Learn which hosts are silent now.

        :param services: by Nova's names of their hosts
        """
        self._since = {name: self._since.get(name, now) for name, each in services.items() if _is_silent(each)}

    def lasting(self, now: float) -> set[str]:
        """Nova's names of the hosts that have been silent for too long."""
        return {name for name, since in self._since.items() if now - since >= SILENT_HOST_PATIENCE}


def _is_silent(service: Service) -> bool:
    """One that is disabled is off on purpose, perhaps; unless it is held in reserve."""
    should_report = (
        disabled_reason.is_enabled(service) or reserved_hosts.is_reserved(service)
    ) and not service.forced_down
    return should_report and not service.up


def alarms(
    silent: Collection[str], nodes: Mapping[str, str], adrift: Collection[str], flags: Mapping[str, str]
) -> list[Wait]:
    """Waits with an alarm for such hosts.

    :param silent: Nova's names of the hosts that have been silent for too long
    :param nodes: ``{cluster's name: Nova's host name}`` of the cluster's hosts
    :param adrift: names, in the cluster, of the hosts that it has no connection to and does not mean to fence
    :param flags: ``{cluster's name: flag}``, read after that; one that is recovered may have died since it was put back
    """
    return [
        Wait(node, _REASON, Code.NOT_FENCED, needs_operator=True, command=f"nova-ha evacuate {node}")
        for node, name in sorted(nodes.items())
        if name in silent and node in adrift and not flag.is_dead(flags.get(node))
    ]
