# SPDX-License-Identifier: Apache-2.0
"""What is known of one host that is being recovered, and what is said of it: pure."""

from __future__ import annotations

from nova_ha.model.actions import Wait
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Host, Instance, Migration, Service
from nova_ha.recovery.decide.classification import Evacuation
from nova_ha.recovery.decide.situation import Situation


class Case:
    """A host to recover, and all there is to know for it; what every instance asks for is found once.

    :param service: the host's
    :ivar evacuations: those away from the host, oldest first
    :ivar is_ended: whether an operator has ordered that the recovery be ended
    """

    def __init__(self, host: Host, service: Service, situation: Situation) -> None:
        self.host = host
        self.service = service
        self.situation = situation
        self.world = world = situation.world
        self.memory = situation.memory
        self.rules = situation.rules
        self.now = situation.now
        self.candidates = world.candidates
        self.up = world.up
        self.aggregates = frozenset(name for name, hosts in world.aggregates.items() if service.host in hosts)
        self.evacuations = situation.evacuations[host.name]
        self.is_ended = self.memory.flags.is_ended(host.name, host.flag)
        self._by_instance: dict[str, list[Evacuation]] = {}
        for evacuation in self.evacuations:
            self._by_instance.setdefault(evacuation.record.instance, []).append(evacuation)

    def wait(
        self,
        reason: str,
        code: Code,
        instance: Instance | None = None,
        needs_operator: bool = False,
        under_way: bool = False,
        command: str | None = None,
    ) -> Wait:
        """A Wait step."""
        return Wait(self.host.name, reason, code, instance, needs_operator, command, under_way)

    def evacuations_of(self, instance: Instance) -> list[Evacuation]:
        """The evacuations of an instance away from the host, oldest first."""
        return self._by_instance.get(instance.id, [])

    def records(self, instance: Instance) -> list[Migration]:
        """Nova's records of these."""
        return [evacuation.record for evacuation in self.evacuations_of(instance)]

    def arrivals(self, instance: Instance) -> list[Migration]:
        """The records of evacuations of an instance to any flagged host, from wherever."""
        return self.situation.arrivals.get(instance.id, [])


def set_state(instance: Instance, state: str) -> str:
    """The command by which an operator sets an instance to a state."""
    return f"openstack server set --state {state} {instance.id}"
