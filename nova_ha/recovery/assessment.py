# SPDX-License-Identifier: Apache-2.0
"""What the world is like, and what is to be done about the hosts that are ours: looks, learns, asks ``planner``."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Set

from nova_ha.cluster.pacemaker import Cluster, ClusterError
from nova_ha.model import flag
from nova_ha.model.actions import Step, is_action
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import FINISHED, Service, World
from nova_ha.policy.rules import RESTART_IN_PLACE, Rules
from nova_ha.recovery.act.claims import Claims
from nova_ha.recovery.act.congestion import Pace
from nova_ha.recovery.claiming import Claiming
from nova_ha.recovery.decide import planner, scheduling, start_interlock
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.observe.observer import Observer
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account
from nova_ha.rundir.engine_state import RunState

log = logging.getLogger("nova-ha")


class Assessment:
    """Of one pass after the other.

    :param memory: learns from what is seen
    :param pace: how many evacuations may be in flight
    :param account: told of instances that have arrived elsewhere
    :param state: has monitors tell of hosts that are flagged, and live
    :param claiming: told of the hosts that have been looked at
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        observer: Observer,
        cluster: Cluster,
        claims: Claims,
        memory: Memory,
        pace: Pace,
        account: Account,
        state: RunState,
        claiming: Claiming,
        clock: Callable[[], float],
    ) -> None:
        self._observer = observer
        self._cluster = cluster
        self._claims = claims
        self._memory = memory
        self._pace = pace
        self._account = account
        self._state = state
        self._claiming = claiming
        self._clock = clock
        self._living: Set[str] = frozenset()  # hosts that are flagged, and live

    def steps(
        self,
        rules: Rules,
        ours: Mapping[str, str],
        services: Mapping[str, Service] | None,
        also: Set[str] = frozenset(),
    ) -> list[Step]:
        """What to do about the hosts that are ours; a glance may be enough to see that it is nothing.

        :param ours: ``{host: flag value}``
        :param services: Nova's, if they have just been read
        :param also: ids of instances that are on hosts without a flag, of which must not be forgotten what was asked
        :raises nova.CloudError: the cloud is away
        :raises cluster.ClusterError: the cluster is away
        """
        glimpsed = self._observer.glance(ours)
        if glimpsed is not None:
            steps = self._decide(glimpsed, rules)
            if not any(map(is_action, steps)):
                return steps
        return self._decide(self._look(ours, services, also), rules)

    def _look(self, ours: Mapping[str, str], services: Mapping[str, Service] | None, also: Set[str]) -> World:
        flags = self._claims.flags.items()
        others = {host: value for host, value in flags if flag.is_dead(value) and host not in ours}
        world = self._observer.look(ours, services, others, self._claims.inherited)
        self._memory.observe_services(world.services, self._clock())
        for host in world.hosts:
            self._claiming.looked_at(host)
        touched = {instance.id for host in world.hosts for instance in host.instances}
        touched |= {instance.id for instance in world.restoring}
        touched |= {instance.id for host in world.hosts for instance, _ in host.broken}
        touched |= {service.id for service in world.services.values()} | also
        self._tell_arrivals(world, self._memory.forget(touched, ours))
        return world

    def _decide(self, world: World, rules: Rules) -> list[Step]:
        now = self._clock()
        living = self._memory.hosts.living
        if living:
            world = dataclasses.replace(world, dead=world.dead - living, living=living)
        self._tell_living(living)
        for host in world.hosts:
            self._memory.observe(host, now, world.dead, living)
        self._see_restarts(world, now)
        unclear = self._memory.to_be_read(world, now)
        if unclear:
            world = self._observer.with_requests(world, unclear)
            self._memory.observe_requests(world, now)
        situation = Situation(world, self._memory, rules, now)
        if start_interlock.matter(situation) or self._may_restart_in_place(rules, now):
            situation = dataclasses.replace(situation, world=self._observer.with_cluster(world, self._cluster))
        self._pace.forget(now)
        self._pace.bound(scheduling.most(world, rules, math.inf))
        window = 0 if self._pace.paused(now) else self._pace.window
        return planner.steps(situation, window)

    def _see_restarts(self, world: World, now: float) -> None:
        """Learn where nova-compute was started anew in the middle of an evacuation, as often as that may matter."""
        restarts = self._memory.restarts
        restarts.observe(world, now)
        hosts = restarts.asks_for(now)
        if not hosts:
            return
        try:
            found = self._cluster.starts("NovaCompute", hosts)
        except ClusterError as error:
            log.debug("starts of nova-compute not known: %s", error)
            found = {}
        names = self._observer.nova_names(found, world.services)
        restarts.learn({name: found[host] for host, name in names.items()}, self._clock())

    def _may_restart_in_place(self, rules: Rules, now: float) -> bool:
        roomless = self._memory.longest_roomless(now)
        return rules.no_room == RESTART_IN_PLACE and roomless >= rules.no_room_patience

    def _tell_living(self, living: Set[str]) -> None:
        """Say loudly that hosts are flagged, and live."""
        for host in sorted(living - self._living):
            log.critical("%s is flagged, and goes on reporting to Nova: it lives. No more evacuations", host)
        self._living = living
        names = ", ".join(sorted(living))
        why = f"{Code.FLAGGED_HOST_LIVES.value}: flagged, but not dead: {names}; see nova-ha status"
        self._state.complain("living", why if living else None)

    def _tell_arrivals(self, world: World, gone: Set[str]) -> None:
        """Say where the instances are that have left their host since the last look."""
        for host in world.hosts:
            for record in host.evacuations:
                if record.instance in gone and record.status in FINISHED:
                    where = f"it is on {record.destination}"
                    self._account.event(Event.INSTANCE_EVACUATED, host.name, record.instance, reason=where)
                    gone = gone - {record.instance}
