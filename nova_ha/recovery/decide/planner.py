# SPDX-License-Identifier: Apache-2.0
"""What to do next: pure functions from a snapshot to steps, each step with its reason.

The engine carries the steps out, and asks again. Nothing here talks to anything, so that every rule can be tested by
the thousand, and an operator can be told what would be done by the code that does it. One host's recovery is told here;
what each of its instances needs is ``instances`` (and ``restart_in_place``, where there is no room), how a host comes
back is ``host_return``, how instances get their former state back is ``instance_restore``, what hosts that died one
after the other have to do with each other is ``double_failure`` and ``start_interlock``, who goes first and how many at
once is ``scheduling``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from nova_ha.model import disabled_reason, flag
from nova_ha.model.actions import (
    Claim,
    DisableHost,
    EnableReservedHost,
    FinishRecovery,
    RepairInstanceState,
    Skip,
    Step,
    Wait,
)
from nova_ha.model.reasons import Code
from nova_ha.policy import reserved_hosts
from nova_ha.policy.holds import Hold
from nova_ha.recovery.decide import (
    double_failure,
    gates,
    host_return,
    instance_restore,
    restart_in_place,
    scheduling,
    start_interlock,
)
from nova_ha.recovery.decide.case import Case
from nova_ha.recovery.decide.flights import unsettled
from nova_ha.recovery.decide.instances import instance_step
from nova_ha.recovery.decide.proposal import Gate, Proposal
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.memory.timing import MANY, MIGRATION_PATIENCE, UNREAD_PATIENCE

# What each evacuation passes, in this order, before it is sent. What one of them holds back is a Wait, which
# ``nova-ha status`` shows with its code; or, without room, what ends an evacuation that is queued already.
GATES: tuple[Gate, ...] = (
    gates.room,
    gates.answered,
    gates.storage_delay,
    start_interlock.gate,
    scheduling.groups,
    scheduling.limits,
)

_LIVES = (
    "it is flagged, but its nova-compute goes on reporting to Nova: it is not dead. Nothing more of it is evacuated;"
    " what was may run twice. See whether its power is off, and which host the fencing devices and Nova's name mean;"
    " then have it fenced"
)


def claims(
    flags: Mapping[str, str], own: Mapping[str, str], others: Collection[str], held: Mapping[str, Hold]
) -> list[Step]:
    """Which hosts to take up.

    :param flags: ``{host: flag value}``
    :param own: ``{host: flag value}`` of the claims that this engine made in this life
    :param others: control nodes, other than this, on which the cluster holds an engine to be active
    :param held: ``{host: what holds it}`` of those that the mass failure guard or an operator holds
    :return: Claim and Wait steps; nothing for hosts that are ours or recovered already
    """
    steps: list[Step] = []
    for host, value in sorted(flags.items()):
        if value in flag.OVER or value == own.get(host):
            continue
        claimant = flag.claimant(value)
        if host in held:
            hold = held[host]
            steps.append(Wait(host, hold.reason, hold.code, needs_operator=hold.needs_operator, command=hold.command))
        elif value in (flag.FLAGGED, flag.GO):
            steps.append(Claim(host, "flagged: its power was proved off", value))
        elif claimant is None:
            reason = f"its flag {value!r} is none that nova-ha knows: set it to yes or delete it"
            steps.append(Wait(host, reason, Code.UNKNOWN_FLAG, needs_operator=True))
        elif claimant in others:
            steps.append(Wait(host, f"the engine on {claimant} has it, and runs", Code.OTHER_ENGINE))
        else:
            steps.append(Claim(host, f"taken over from the engine on {claimant}", value))
    return steps


def steps(situation: Situation, window: float) -> list[Step]:
    """What to do about every host that is ours or recovered.

    :param window: how many evacuations may be in flight at once, over all hosts
    """
    proposal = _proposal(situation, window)
    for gate in GATES:
        proposal = gate(proposal)
    others = [*proposal.others, *instance_restore.steps(situation)]
    return dataclasses.replace(proposal, others=others).steps()


def _proposal(situation: Situation, window: float) -> Proposal:
    """What is to be done if nothing is held back: each host seen by itself."""
    world = situation.world
    recovering: list[list[Step]] = []
    cases: dict[str, Case] = {}
    others: list[Step] = []
    services = [host.service for host in world.hosts if host.service]
    taken = {service.host for service in services}
    taken |= {spare for service in services if (spare := disabled_reason.reserve(service)) is not None}
    for host in world.hosts:
        if host.problem is not None:
            passes = host.unread_for is not None and host.unread_for < UNREAD_PATIENCE
            code, reason, command = host.problem
            others.append(Wait(host.name, reason, code, needs_operator=not passes, command=command))
        elif host.flag in flag.OVER:
            # An instance that two hosts have to do with is healed once.
            others += [step for step in host_return.steps(host, situation) if _is_new(step, others)]
        elif host.service is None:
            reason = "Nova has no nova-compute service of this host; if it never had, delete the flag"
            recovering.append([Wait(host.name, reason, Code.NO_SERVICE, needs_operator=True)])
        else:
            cases[host.name] = Case(host, host.service, situation)
            recovering.append(_recover(cases[host.name], taken))
    if any(_forces_down(step, situation.memory) for own in recovering for step in own):
        # Until Nova knows of every dead host, its scheduler may send an instance to one.
        window = 0
    return Proposal(situation, window, cases, recovering, others)


def _is_new(step: Step, others: Iterable[Step]) -> bool:
    return not isinstance(step, RepairInstanceState) or not any(
        isinstance(other, RepairInstanceState) and other.instance.id == step.instance.id for other in others
    )


def _forces_down(step: Step, memory: Memory) -> bool:
    """Whether a step is to force a host down, and has not failed at that: one such host must not hold up all others."""
    return isinstance(step, DisableHost) and not step.service.forced_down and memory.get(step.service.id) is None


def _recover(case: Case, taken: set[str]) -> list[Step]:
    """The steps for a host whose recovery is ours.

    :param taken: Nova's names of hosts that cannot take this one's place: flagged, or promised; a choice is added
    """
    host, world, service = case.host, case.world, case.service
    if not service.forced_down or disabled_reason.mark(service) is not None:
        spare = reserved_hosts.choose(service, world.services, world.aggregates, taken)
        if spare is not None:
            taken.add(spare)
        to_mark = disabled_reason.mark(service, spare)
        refused = case.memory.get(service.id)
        if refused is not None and case.now < refused.until:
            reason = f"it is to be forced down and disabled in Nova; tried again after a pause: {refused.reason}"
            return [case.wait(reason, Code.SERVICE_CHANGE_REFUSED, needs_operator=refused.failures >= MANY)]
        return [DisableHost(host.name, "dead hosts are forced down and disabled in Nova", service, to_mark)]
    if service.host in world.living:
        return [
            case.wait(_LIVES, Code.FLAGGED_HOST_LIVES, needs_operator=True, command=f"pcs stonith fence {host.name}")
        ]
    enlist = None if case.is_ended else _enable_reserved_host(case)
    asked = case.memory.get(enlist.service.id) if enlist else None
    if enlist and asked is None:
        return [enlist]
    found = [instance_step(case, instance) for instance in host.instances]
    if enlist and asked and asked.until <= case.now:
        found.append(enlist)
    skipped = [step for step in found if isinstance(step, Skip)]
    if len(skipped) < len(found):
        return restart_in_place.steps(case, found) or found
    waits: Sequence[Step] = unsettled(case) or host_return.heal(host, case.situation)
    waits = waits or double_failure.not_yet(case) or _arriving(case)
    why = "an operator has ended it" if case.is_ended else "no instance is left to recover"
    return found + [*(waits or [FinishRecovery(host.name, why + _told(skipped))])]


def _told(left: Iterable[Skip]) -> str:
    """Which instances stay though nobody wished it: the last word on the host that reaches an operator."""
    ids = [step.instance.id for step in left if step.needs_operator]
    return f"; Nova does not evacuate {', '.join(ids)}" if ids else ""


def _enable_reserved_host(case: Case) -> EnableReservedHost | None:
    """The step that enables the reserved host which is to take this one's place, or None."""
    enlisted = case.world.services.get(disabled_reason.reserve(case.service) or "")
    if enlisted is None or not reserved_hosts.is_reserved(enlisted) or not enlisted.up:
        return None
    if any(host.service and host.service.host == enlisted.host for host in case.world.hosts):
        return None  # it has been lost itself
    return EnableReservedHost(case.host.name, f"reserved host {enlisted.host} takes its place", enlisted)


def _arriving(case: Case) -> list[Wait]:
    """Waits for live migrations to the host: Nova may give it the instance when it is dead already."""
    found = []
    for record in case.host.live_migrations:
        if record.destination == case.service.host and record.source not in case.world.dead:
            reason = f"live migration {record.id} of instance {record.instance} to this host is {record.status}"
            late = case.memory.age(record, case.now) >= MIGRATION_PATIENCE
            found.append(case.wait(reason, Code.LIVE_MIGRATION, needs_operator=late))
    return found
