# SPDX-License-Identifier: Apache-2.0
"""Which evacuations are sent now: order, groups and limits over all hosts; pure."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable

from nova_ha.model.actions import Evacuate, Skip, Step, Wait, instance_of
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Instance, World
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide.proposal import Proposal
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.timing import FAILED_FOR_GOOD, LIVELY, REFILL


def groups(proposal: Proposal) -> Proposal:
    """The gate of the groups: an instance waits until those of the groups before its own are up."""
    order = proposal.situation.rules.order
    if not order.groups or not proposal.evacuates:
        return proposal
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
    if not any(queues):
        return proposal
    waiting = {instance.id for queue in queues for instance in queue}
    # What is asked for once more is over, whatever its records say: it must not stand in its own way.
    flights = {flight for flight in situation.in_flight if flight.instance not in waiting}
    by_source = collections.Counter(flight.source for flight in flights)
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
    return any(each.is_open and each.age < LIVELY for each in situation.every_evacuation())


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
    waited_for = [
        order.group(instance)
        for step in itertools.chain(*recovering)
        if (instance := instance_of(step)) is not None and not isinstance(step, Skip)
        if not _is_given_up(step, instance, situation)
    ]
    return min(waited_for, default=len(order.groups))


def _is_given_up(step: Step, instance: Instance, situation: Situation) -> bool:
    attempt = situation.memory.get(instance.id)
    failed = attempt is not None and attempt.failures >= FAILED_FOR_GOOD
    alarmed = isinstance(step, Wait) and step.needs_operator
    return failed or alarmed or situation.memory.pending(instance.id, situation.now) > situation.rules.group_patience
