# SPDX-License-Identifier: Apache-2.0
"""What decisions are made from."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nova_ha.model import snapshot
from nova_ha.model.snapshot import Migration, World
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import classification
from nova_ha.recovery.decide.classification import GOING_ON, Evacuation
from nova_ha.recovery.memory.requests import Memory


class Flight(NamedTuple):
    """An instance that is just being evacuated.

    :param instance: its id
    :param source: Nova's name of the host that it was on
    :param destination: of the one that it goes to, None as long as that is not known
    """

    instance: str
    source: str | None
    destination: str | None


@dataclasses.dataclass(frozen=True)
class Situation:
    """All that a decision may look at.

    :param world: what is so now
    :param memory: what the engine has seen and asked for; only read
    :param rules: what the operator wants
    :param now: monotonic seconds
    """

    world: World
    memory: Memory
    rules: Rules
    now: float

    @functools.cached_property
    def evacuations(self) -> Mapping[str, tuple[Evacuation, ...]]:
        """How each evacuation away from a flagged host stands, by the cluster's name of the host; told once."""
        known = self.world, self.memory, self.rules.stuck_after, self.now
        return {host.name: classification.of_host(host, *known) for host in self.world.hosts}

    def every_evacuation(self) -> Iterator[Evacuation]:
        """Those of all hosts, in the hosts' order."""
        return itertools.chain.from_iterable(self.evacuations.values())

    @functools.cached_property
    def arrivals(self) -> Mapping[str, list[Migration]]:
        """The records of evacuations to any flagged host, from wherever, by the instances' ids."""
        return snapshot.by_instance(itertools.chain(*(host.arrivals for host in self.world.hosts)))

    @functools.cached_property
    def in_flight(self) -> frozenset[Flight]:
        """The evacuations that may be in flight to a living host.

        One of each instance. Not counted are those that are over whatever their records say, and those that are stuck:
        what never ends must not use up the limits.
        """
        flights: dict[str, Flight] = {}
        for host in self.world.hosts:
            for each in self.evacuations[host.name] if host.is_dead else ():
                record = each.record
                is_gone = record.destination in self.world.dead or record.instance in host.whereabouts
                if each.state in GOING_ON and not (each.is_late or each.is_overtaken or is_gone):
                    flights[record.instance] = Flight(record.instance, record.source, record.destination)
        sources = {instance.id: instance.host for host in self.world.hosts for instance in host.instances}
        for asked in self.memory.open(self.now) & sources.keys():
            flights.setdefault(asked, Flight(asked, sources[asked], None))
        return frozenset(flights.values())
