# SPDX-License-Identifier: Apache-2.0
"""What to do next: pure functions from a snapshot to steps, each step with its reason.

The engine carries the steps out, and asks again. Nothing here talks to anything, so that every rule can be tested by
the thousand, and an operator can be told what would be done by the code that does it. One host's recovery is told here;
what each of its instances needs is ``recovering``, how a host comes back is ``returning``, who goes first and how many
at once is ``sending``.
"""

from nova_ha import flag, mark, reserve, restoring, returning, sending
from nova_ha.recovering import Case, instance_step, restart_in_place, unsettled
from nova_ha.steps import Claim, Close, Enlist, Leave, TakeOut, Wait

# Seconds that Pacemaker is given to begin with the stop of a nova-compute whose host is flagged again.
STOPPING = 10.0


def claims(flags, own, others, held):
    """Which hosts to take up.

    :param flags: ``{host: flag value}``
    :param own: ``{host: flag value}`` of the claims that this engine made in this life
    :param others: control nodes, other than this, on which the cluster holds an engine to be active
    :param held: ``{host: why}`` of the hosts that the mass failure guard holds
    :return: Claim and Wait steps; nothing for hosts that are ours or recovered already
    """
    steps = []
    for host, value in sorted(flags.items()):
        if value in (flag.RECOVERED, own.get(host)):
            continue
        claimant = flag.claimant(value)
        if host in held:
            steps.append(Wait(host, held[host], alarm=True))
        elif value in (flag.FLAGGED, flag.GO):
            steps.append(Claim(host, "flagged: its power was proved off", value))
        elif claimant is None:
            reason = f"its flag {value!r} is none that nova-ha knows: set it to yes or delete it"
            steps.append(Wait(host, reason, alarm=True))
        elif claimant in others:
            steps.append(Wait(host, f"the engine on {claimant} has it, and runs"))
        else:
            steps.append(Claim(host, f"taken over from the engine on {claimant}", value))
    return steps


def steps(world, attempts, rules, window, now):
    """What to do about every host that is ours or recovered.

    :param world: ``snapshot.World``
    :param attempts: ``attempts.Attempts``, only read
    :param rules: ``rules.Rules``
    :param window: how many evacuations may be in flight at once, over all hosts
    :param now: monotonic seconds
    """
    found = []
    for host in world.hosts:
        if host.problem is not None:
            found.append([Wait(host.name, host.problem, alarm=True)])
        elif host.flag == flag.RECOVERED:
            found.append(returning.steps(host, world, attempts, now))
        else:
            found.append(_recover(Case(host, world, attempts, rules, now)))
    found.append(restoring.steps(world, attempts, now))
    return sending.limited(found, world, attempts, rules, window, now)


def _recover(case):
    """The steps for a host whose recovery is ours."""
    host, world = case.host, case.world
    service = host.service
    if service is None:
        reason = "Nova has no nova-compute service of this host; if it never had, delete the flag"
        return [Wait(host.name, reason, alarm=True)]
    spare = _reserve(host, world)
    to_mark = mark.mark(service, spare)
    if not service.forced_down or to_mark is not None:
        return [TakeOut(host.name, "dead hosts are forced down and disabled in Nova", service, to_mark)]
    enlisted = world.services.get(mark.reserve(service))
    if enlisted is not None and reserve.is_reserved(enlisted):
        return [Enlist(host.name, f"reserved host {enlisted.host} takes its place", enlisted)]
    if case.attempts.since_start(host.name, case.now) < STOPPING:
        return [Wait(host.name, "Pacemaker stops its nova-compute, which is to start once more")]
    found = [instance_step(case, instance) for instance in host.instances]
    if not all(isinstance(step, Leave) for step in found):
        return restart_in_place(case, found) or found
    return found + (unsettled(case) or _queued(case) or [Close(host.name, "no instance is left to recover")])


def _queued(case):
    """Waits for evacuations of other hosts' instances that had first been sent to this one.

    This host's nova-compute, when it starts, takes up what is still queued for it. While the instance is just being
    started elsewhere, that would leave it with a guest that Nova does not know of (measured).
    """
    dead = case.host.service.host
    return [
        case.wait(f"instance {instance}, once sent here, is just being evacuated to {destination}")
        for instance, _, destination in sorted(sending.in_flight(case.world, case.attempts), key=str)
        if case.attempts.was_sent_to(instance, dead)
    ]


def _reserve(host, world):
    """Nova's name of the reserved host that is to take a lost host's place, or None."""
    promised = {mark.reserve(other.service) for other in world.hosts if other.service}
    flagged = {other.service.host for other in world.hosts if other.service}
    return reserve.choose(host.service, world.services, world.aggregates, promised | flagged)
