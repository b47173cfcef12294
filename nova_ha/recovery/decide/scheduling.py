# SPDX-License-Identifier: Apache-2.0
"""Which evacuations are sent now: order, groups and limits over all hosts; pure."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable
from typing import Optional

from nova_ha.model.actions import Evacuate, Skip, Step, Wait, instance_of
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import FINISHED, Instance, World
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide.proposal import Proposal
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import FAILED_FOR_GOOD, LIVELY, REFILL

# (instance id, source, destination), by Nova's names
Flight = tuple[str, Optional[str], Optional[str]]


def groups(proposal: Proposal) -> Proposal:
    """The gate of the groups: an instance waits until those of the groups before its own are up."""
    order = proposal.situation.rules.order
    group = _open_group(proposal.recovering, proposal.situation)

    def judge(step: Evacuate) -> Step:
        if order.group(step.instance) <= group:
            return step
        return _hold(step, Code.GROUP_ORDER, f"it waits for group {order.groups[group]} to be up")

    return proposal.instead(judge)


def limits(proposal: Proposal) -> Proposal:
    """The gate of the limits: no more evacuations are in flight than may be, in all and from one host."""
    situation, rules = proposal.situation, proposal.situation.rules
    queues = [[turn for step in own if (turn := _turn(step)) is not None] for own in proposal.recovering]
    waiting = {instance.id for queue in queues for instance in queue}
    # What is asked for once more is over, whatever its records say: it must not stand in its own way.
    flights = {flight for flight in in_flight(situation) if flight[0] not in waiting}
    by_source = collections.Counter(source for _, source, _ in flights)
    # Those with the least in flight first, so that none starves.
    queues.sort(key=lambda queue: by_source[queue[0].host] if queue else 0)
    limit = most(situation.world, rules, proposal.window)
    room = limit - len(flights)
    if flights and room < limit * REFILL and len(waiting) > room and _is_lively(situation):
        room = 0
    order = [instance.id for instance in rules.order.arrange(queues, lambda instance: instance)]
    held: dict[str, Wait] = {}
    sent = 0
    asked = {step.instance.id: step for own in proposal.recovering for step in own if isinstance(step, Evacuate)}
    for step in (asked[instance] for instance in order if instance in asked):
        source = step.instance.host
        if sent >= room:
            reason = "as many evacuations are in flight as may be now"
            held[step.instance.id] = _hold(step, Code.IN_FLIGHT_LIMIT, reason)
        elif rules.in_flight_per_source and by_source[source] >= rules.in_flight_per_source:
            reason = f"as many evacuations from {source} are in flight as may be"
            held[step.instance.id] = _hold(step, Code.SOURCE_LIMIT, reason)
        else:
            by_source[source] += 1
            sent += 1
    found = proposal.instead(lambda step: held.get(step.instance.id, step))
    return dataclasses.replace(found, order=order)


def _turn(step: Step) -> Instance | None:
    """The instance of a step that is an evacuation, or waits for its turn only."""
    if isinstance(step, Evacuate):
        return step.instance
    return step.instance if isinstance(step, Wait) and step.held else None


def _hold(step: Evacuate, code: Code, reason: str) -> Wait:
    return Wait(step.host, reason, code, step.instance, held=True)


def _is_lively(situation: Situation) -> bool:
    """Whether evacuations come and go, so that it is worth while to wait for more room."""
    records = (record for host in situation.world.hosts for record in host.evacuations)
    return any(record.in_flight and situation.memory.age(record, situation.now) < LIVELY for record in records)


def in_flight(situation: Situation) -> set[Flight]:
    """The evacuations that may be in flight to a living host.

    One of each instance. Not counted are those that are over whatever their records say, and those that are stuck: what
    never ends must not use up the limits.
    """
    world, attempts, now = situation.world, situation.memory, situation.now
    flights: dict[str, Flight] = {}
    for host in world.hosts:
        if not host.is_dead:
            continue
        done = {record.instance: record.id for record in host.evacuations if record.status in FINISHED}
        for record in host.evacuations:
            over = record.id < done.get(record.instance, 0) or attempts.is_stray(record)
            over = over or attempts.ended_with_its_host(record)
            gone = record.destination in world.dead or record.instance in host.whereabouts
            stuck = attempts.age(record, now) >= situation.rules.stuck_after
            if record.in_flight and not (over or gone or stuck):
                flights[record.instance] = (record.instance, record.source, record.destination)
    sources = {instance.id: instance.host for host in world.hosts for instance in host.instances}
    for instance in attempts.open(now) & set(sources):
        flights.setdefault(instance, (instance, sources[instance], None))
    return set(flights.values())


def most(world: World, rules: Rules, window: float) -> float:
    """How many evacuations may be in flight in all.

    :param window: how many may be, however many hosts could take them
    """
    if not rules.in_flight_per_destination:
        return window
    return min(window, rules.in_flight_per_destination * len(world.candidates))


def _open_group(recovering: Iterable[Iterable[Step]], situation: Situation) -> int:
    """The group whose turn it is: the first that has an instance to wait for."""
    order = situation.rules.order
    last = len(order.groups)
    waited_for = [
        order.group(instance)
        for step in itertools.chain(*recovering)
        if (instance := instance_of(step)) is not None and not isinstance(step, Skip)
        if not _is_given_up(step, instance, situation)
    ]
    return min(waited_for, default=last) if last else last


def _is_given_up(step: Step, instance: Instance, situation: Situation) -> bool:
    attempt = situation.memory.get(instance.id)
    failed = attempt is not None and attempt.failures >= FAILED_FOR_GOOD
    alarmed = isinstance(step, Wait) and step.needs_operator
    return failed or alarmed or situation.memory.pending(instance.id, situation.now) > situation.rules.group_patience
