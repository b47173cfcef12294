# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: a recovered host's that may have instances queued, or that of these instances; pure.

What a host had been asked for when it died, its nova-compute takes up when it starts. As long as it has not reported
since its recovery it may still do so, and may boot at any moment. If one of these instances is just being evacuated
from elsewhere then, a guest may run that Nova does not know of (see ``double_failure``). So either the host's
nova-compute may start (flag ``no``), and those instances wait; or it is held back (flag ``restart``), and they are
evacuated. A host that is off is held back for as long as there is one to evacuate. One that the cluster reaches and
such instances take turns, so that neither waits for ever.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from nova_ha.model import flag
from nova_ha.model.actions import AllowStart, BlockStart, Evacuate, FinishRecovery, Skip, Step, Wait, instance_of
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Host
from nova_ha.recovery.decide.classification import GOING_ON
from nova_ha.recovery.decide.proposal import Proposal
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.memory.timing import RETURN_PATIENCE, STOPPING, TURN, TURN_DOUBLINGS

_LATE = (
    "instance {}, which may be queued here, is in error with the task of a late request: it is healed first. By hand,"
    " once it is well, set it to active"
)


def matter(situation: Situation) -> bool:
    """Whether anything may be queued where it matters, so that it must be known which hosts the cluster reaches."""
    world = situation.world
    coming = [host for host in world.hosts if host.may_have_queued_requests]
    dead = [host for host in world.hosts if host.is_dead]
    instances = [instance.id for host in dead for instance in host.instances] if coming else ()
    queued = any(_may_be_queued(instance, host, situation.memory) for host in coming for instance in instances)
    return queued or any(host.flag == flag.RESTART for host in coming)


def taken(
    recovering: Sequence[Sequence[Step]], others: Sequence[Step], situation: Situation
) -> tuple[list[list[Step]], list[Step]]:
    """The steps as they are to be, so that no host meets an instance that may be queued there.

    :param recovering: the steps for each host that is being recovered
    :param others: the steps for the recovered hosts
    :return: both
    """
    turns = _Turns(recovering, situation)
    sent = [[turns.evacuated(step) for step in found] for found in recovering]
    closed = [[turns.started(step) for step in found] for found in sent]
    # Those that the cluster reaches have the first word: of the others, one that is off would be let start, and be held
    # back again at once for their sake, for ever.
    answers = {n: turns.started(others[n]) for n in sorted(range(len(others)), key=lambda n: turns.is_off(others[n]))}
    return closed, [*(answers[n] for n in range(len(others))), *turns.held_back.values()]


def gate(proposal: Proposal) -> Proposal:
    """The same for all of a pass; evacuations that it holds back wait, and so do starts."""
    steps = itertools.chain(*proposal.recovering, proposal.others)
    if not any(isinstance(step, (Evacuate, FinishRecovery, AllowStart)) for step in steps):
        return proposal
    recovering, others = taken(proposal.recovering, proposal.others, proposal.situation)
    return dataclasses.replace(proposal, recovering=recovering, others=others)


class _Turns:
    """Goes through the steps of one pass: first the evacuations, then the starts."""

    def __init__(self, recovering: Sequence[Sequence[Step]], situation: Situation) -> None:
        world = situation.world
        steps = [step for found in recovering for step in found]
        about = [(step, instance) for step in steps if (instance := instance_of(step)) is not None]
        asked = {step.instance.id for step in steps if isinstance(step, Evacuate)}
        self.held_back: dict[str, BlockStart] = {}  # by the host's name
        self._memory = situation.memory
        self._hosts = {host.name: host for host in world.hosts}
        self._coming = [host for host in world.hosts if host.may_have_queued_requests]
        self._world = world
        self._awaited = {instance.id for step, instance in about if not isinstance(step, Skip)}
        # What is asked for once more is over, whatever its records say.
        self._moving = {instance: where for instance, where in _moving(situation).items() if instance not in asked}
        # Hosts that may just be starting, or have left something to be healed; on a dead host that is evacuated.
        self._started = [host for host in self._coming if host.flag == flag.RECOVERED]
        healed = [host for host in world.hosts if any(each.host not in world.dead for each, _ in host.broken)]
        self._started += [host for host in healed if host not in self._started]

    def is_off(self, step: Step) -> bool:
        """Whether the cluster does not reach the host of a step."""
        return step.host in self._hosts and not self._hosts[step.host].online

    def evacuated(self, step: Step) -> Step:
        """The step, or a Wait if it would evacuate an instance that a host may take up meanwhile."""
        if not isinstance(step, Evacuate):
            return step
        instance = step.instance.id
        for name in sorted(self._world.unflagged):
            if self._hosts[step.host].inherited or self._memory.hosts.may_be_queued(instance, name):
                reason = f"it may be queued at {name}, whose flag was deleted"
                return Wait(step.host, reason, Code.START_INTERLOCK, step.instance)
        ahead = [host for host in self._coming if self._may_be_queued(instance, host) and not _is_kept_off(host)]
        for host in ahead:
            self._block_start(host, f"instance {instance}, which may be queued here, is to be evacuated")
        if ahead:
            names = ", ".join(host.nova_name for host in ahead)
            reason = f"it may be queued at {names}, which may just be starting"
            return Wait(step.host, reason, Code.START_INTERLOCK, step.instance)
        self._moving[instance] = None
        return step

    def started(self, step: Step) -> Step:
        """The step; if it would let a host start that must not now, a Wait, or the same without that."""
        if not isinstance(step, (FinishRecovery, AllowStart)):
            return step
        host = self._hosts[step.host]
        late = self._left_by_late_requests(host)
        reason = self._by_engines() or (_LATE.format(late) if late else None)
        reason = reason or self._by_instances(host, isinstance(step, FinishRecovery)) or self._by_hosts(host)
        if reason is None:
            self._started.append(host)
            return step
        if isinstance(step, FinishRecovery):
            return dataclasses.replace(step, held=True, reason=f"{step.reason}; {reason}")
        if late is None:
            return Wait(step.host, reason, Code.START_INTERLOCK)
        command = f"openstack server set --state active {late}"
        in_vain = host.flagged_for >= RETURN_PATIENCE
        return Wait(step.host, reason, Code.LATE_REQUEST, needs_operator=in_vain, command=command if in_vain else None)

    def _by_engines(self) -> str | None:
        """Why no host must start because of another engine, which the cluster has not stopped yet, or None."""
        return "another engine may be evacuating an instance that may be queued here" if self._world.contested else None

    def _left_by_late_requests(self, host: Host) -> str | None:
        """The instance for which a host must not start because another one's late request has broken it, or None.

        It looks as one that waits for what is queued here (measured).
        """
        return next((instance for instance in sorted(self._world.late) if self._may_be_queued(instance, host)), None)

    def _by_instances(self, host: Host, is_being_closed: bool) -> str | None:
        """Why a host must not start because of an instance that may be queued there, or None."""
        for instance in sorted(self._moving):
            if self._moving[instance] != host.nova_name and self._may_be_queued(instance, host):
                return f"instance {instance}, which may be queued here, is just being evacuated"
        for instance in sorted(self._awaited) if not (host.online or is_being_closed) else ():
            if self._may_be_queued(instance, host):
                return f"it is off, and instance {instance}, which may be queued here, is to be evacuated"
        return None

    def _by_hosts(self, host: Host) -> str | None:
        """Why a host must not start because of another that may have the same instance queued, or None.

        The request that one of them takes up fails, and sets the instance up for the request of the next (measured):
        between the two the instance must be healed. Where a request was queued, its record does not tell; only that an
        instance was asked for twice shows.
        """
        for other in self._started:
            known = not (host.inherited and other.inherited) and not self._world.asked_for_twice
            if not known or self._memory.hosts.may_have_the_same(host.nova_name, other.nova_name):
                if host.online and other in self._coming:
                    self._block_start(other, f"{host.name}, which may have been asked for the same instance, is back")
                return f"{other.name}, which may have been asked for the same instance, comes back first"
        return None

    def _block_start(self, host: Host, reason: str) -> None:
        """Hold a host back that may start, unless it is just about to: it is off, or has had its turn."""
        turn = TURN * 2 ** min(self._memory.flags.turns(host.name), TURN_DOUBLINGS)
        if host.flag == flag.RECOVERED and (not host.online or host.flagged_for >= turn):
            self.held_back.setdefault(host.name, BlockStart(host.name, reason, had_its_turn=host.online))

    def _may_be_queued(self, instance: str, host: Host) -> bool:
        return _may_be_queued(instance, host, self._memory)


def _moving(situation: Situation) -> dict[str, str | None]:
    """What is being evacuated, as ``{instance id: Nova's name of the host that it goes to, or None}``.

    Also what is begun under a record of a host that the instance has left since: a later request may have taken it. And
    what is stuck after it was begun: a late request would do away with what tells where its guest may be.
    """
    world, memory, now = situation.world, situation.memory, situation.now
    found: dict[str, str | None] = {}
    for host in world.hosts:
        here = {instance.id for instance in host.instances}
        found.update(dict.fromkeys(each for each in here if memory.begun_for(each, now) is not None))
        for each in situation.evacuations[host.name]:
            begun = each.is_begun and each.state in GOING_ON and not each.is_overtaken
            if begun and (each.record.instance in here or not each.is_late):
                found[each.record.instance] = each.record.destination
    nowhere = world.runs_nowhere
    for flight in situation.in_flight:
        # What no host can have begun is queued at one, and goes on there when that starts.
        if flight.destination is not None or not nowhere:
            found[flight.instance] = flight.destination
    return found


def _may_be_queued(instance: str, host: Host, memory: Memory) -> bool:
    return host.inherited or memory.hosts.may_be_queued(instance, host.nova_name)


def _is_kept_off(host: Host) -> bool:
    """Whether a recovered host's nova-compute surely does not run, and may stay off for now.

    Only the cluster's records tell: a start that is under way is not interrupted, and lasts for minutes.
    """
    if host.flag != flag.RESTART or host.stopped_for is None or host.flagged_for < STOPPING:
        return False
    return not host.online or host.stopped_for < TURN
