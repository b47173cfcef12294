# SPDX-License-Identifier: Apache-2.0
"""What to do next: pure functions from a snapshot to steps, each step with its reason.

The engine carries the steps out, and asks again. Nothing here talks to anything, so that every rule can be tested by
the thousand, and an operator can be told what would be done by the code that does it.
"""

import dataclasses
import itertools
from typing import Optional

from nova_ha import attempts as tried
from nova_ha import flag, mark
from nova_ha.snapshot import FINISHED, Instance, Service


@dataclasses.dataclass(frozen=True)
class Step:
    """Something to do about a host; ``reason`` is for people."""

    host: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Wait(Step):
    """Nothing to do now about the host, or about one of its instances; it is not finished."""

    instance: Optional[Instance] = None


@dataclasses.dataclass(frozen=True)
class Leave(Step):
    """This instance is not recovered, for good."""

    instance: Instance = None


@dataclasses.dataclass(frozen=True)
class Claim(Step):
    """Take the host up: its flag, now ``old``, becomes this engine's claim."""

    old: str = flag.FLAGGED


@dataclasses.dataclass(frozen=True)
class TakeOut(Step):
    """Force the service down, and disable it for ``mark`` unless that is None."""

    service: Service = None
    mark: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Evacuate(Step):
    """Have Nova resurrect the instance elsewhere.

    :param newest: the instance's newest evacuation record, 0 if it has none
    """

    instance: Instance = None
    newest: int = 0


@dataclasses.dataclass(frozen=True)
class Close(Step):
    """The host is recovered: its flag becomes ``no``."""


@dataclasses.dataclass(frozen=True)
class PutBack(Step):
    """Un-force the service and put its status back to what it was before us."""

    service: Service = None


@dataclasses.dataclass(frozen=True)
class Clear(Step):
    """The host is in service again: its flag goes."""


def is_action(step):
    """Whether there is something to do about it now."""
    return not isinstance(step, (Wait, Leave))


# What Nova's evacuate accepts (any task state with them). The rest it refuses with 409.
EVACUABLE_STATES = frozenset({"active", "stopped", "error"})

# States in which there is no guest to resurrect, and why the instance is left as it is.
LEFT_STATES = {
    "deleted": "it is deleted",
    "soft-delete": "its owner deleted it: not revived",
    "building": "it was never built; nova-compute will set it to error when it returns",
    "shelved": "it is shelved: its owner can unshelve it",
    "shelved_offloaded": "it is shelved: its owner can unshelve it",
}
DELETING = frozenset({"deleting", "soft-deleting"})


def claims(flags, own, others):
    """Which hosts to take up.

    :param flags: ``{host: flag value}``
    :param own: ``{host: flag value}`` of the claims that this engine made in this life
    :param others: control nodes, other than this, on which the cluster holds an engine to be active
    :return: Claim and Wait steps; nothing for hosts that are ours or recovered already
    """
    steps = []
    for host, value in sorted(flags.items()):
        if value in (flag.RECOVERED, own.get(host)):
            continue
        claimant = flag.claimant(value)
        if value == flag.FLAGGED:
            steps.append(Claim(host, "flagged: its power was proved off", value))
        elif claimant is None:
            steps.append(Wait(host, f"its flag {value!r} is none that nova-ha knows: set it to yes or delete it"))
        elif claimant in others:
            steps.append(Wait(host, f"the engine on {claimant} has it, and runs"))
        else:
            steps.append(Claim(host, f"taken over from the engine on {claimant}", value))
    return steps


def steps(world, attempts, policy, in_flight_limit, now, reported):
    """What to do about every host that is ours or recovered.

    :param world: ``snapshot.World``
    :param attempts: ``attempts.Attempts``, only read
    :param policy: ``policy.Policy``
    :param in_flight_limit: how many evacuations may be in flight at once, over all hosts
    :param now: monotonic seconds
    :param reported: hosts whose nova-compute has reported since its recovery was closed
    """
    found = []
    for host in world.hosts:
        if host.problem is not None:
            found.append([Wait(host.name, host.problem)])
        elif host.flag == flag.RECOVERED:
            found.append([_return(host, host.name in reported)])
        else:
            found.append(_recover(host, world.dead, attempts, policy, now))
    return _limited(found, _in_flight(world, attempts), in_flight_limit)


def _recover(host, dead, attempts, policy, now):
    """The steps for a host whose recovery is ours."""
    service = host.service
    if service is None:
        return [Wait(host.name, "Nova has no nova-compute service of this host; if it never had, delete the flag")]
    to_mark = mark.mark(service)
    if not service.forced_down or to_mark is not None:
        return [TakeOut(host.name, "dead hosts are forced down and disabled in Nova", service, to_mark)]
    found = [_instance(host, instance, dead, attempts, policy, now) for instance in host.instances]
    if all(isinstance(step, Leave) for step in found):
        present = {instance.id for instance in host.instances}
        found += [
            Wait(host.name, f"evacuation {record.id} of instance {record.instance} is {record.status}")
            for record in _unsettled(host)
            if record.instance not in present
        ]
    if all(isinstance(step, Leave) for step in found):
        found.append(Close(host.name, "no instance is left to recover"))
    return found


def _instance(host, instance, dead, attempts, policy, now):
    """The step for one instance that Nova still has on a dead host."""
    if instance.task_state in DELETING:
        return Leave(host.name, "its owner was deleting it: not revived", instance)
    if instance.vm_state in LEFT_STATES:
        return Leave(host.name, LEFT_STATES[instance.vm_state], instance)
    records = [record for record in host.evacuations if record.instance == instance.id]
    for record in records:
        if record.in_flight and record.destination not in dead:
            where = record.destination or "a host that is still to be chosen"
            return Wait(host.name, f"evacuation {record.id} to {where} is {record.status}", instance)
    attempt = attempts.get(instance.id)
    newest = records[-1].id if records else 0
    held = _held(attempt, now)
    if held:
        return Wait(host.name, held, instance)
    excluded = policy.excluded(instance)
    if excluded:
        return Leave(host.name, excluded, instance)
    if instance.vm_state not in EVACUABLE_STATES:
        return Wait(host.name, f"Nova does not evacuate an instance that is {instance.vm_state}", instance)
    return Evacuate(host.name, attempt.reason if attempt else "its host is dead", instance, newest)


def _held(attempt, now):
    """Why nothing more may be asked for the instance now, or None."""
    if attempt is None:
        return None
    if attempt.outcome == tried.SENDING:
        return "the request is being sent"
    if now >= attempt.until:
        return None
    return f"{attempt.reason}; {'tried' if attempt.outcome == tried.FAILED else 'looked at'} again after a pause"


def _unsettled(host):
    """Evacuations in flight whose instance was not brought up by a later one."""
    settled = {}
    for record in host.evacuations:
        if record.status in FINISHED:
            settled[record.instance] = record.id
    return [record for record in host.evacuations if record.in_flight and record.id > settled.get(record.instance, 0)]


def _return(host, reported):
    """The step for a host whose recovery is closed."""
    service = host.service
    if service is None:
        return Clear(host.name, "Nova has no nova-compute service of this host any more")
    for record in _unsettled(host):
        return Wait(host.name, f"evacuation {record.id} of instance {record.instance} is {record.status}")
    if not service.forced_down and not mark.is_marked(service):
        if service.up:
            return Clear(host.name, "the host is in service")
        return Wait(host.name, "nova-compute does not report to Nova")
    if not reported:
        return Wait(host.name, "nova-compute has not reported to Nova since the recovery")
    remains = [record for record in host.evacuations if record.status == "done"]
    if remains:
        return Wait(host.name, f"nova-compute has still to clean up after {len(remains)} evacuated instances")
    return PutBack(host.name, "recovered, cleaned up, and nova-compute reports", service)


def _in_flight(world, attempts):
    """How many evacuations are, or may be, in flight."""
    records = {record.instance for host in world.hosts for record in host.evacuations if record.in_flight}
    return len(records | attempts.open())


def _limited(found, in_flight, limit):
    """All steps in one list, the hosts' evacuations interleaved so that none starves, no more than the limit allows."""
    evacuations = [[step for step in steps if isinstance(step, Evacuate)] for steps in found]
    interleaved = [step for turn in itertools.zip_longest(*evacuations) for step in turn if step is not None]
    others = [step for steps in found for step in steps if not isinstance(step, Evacuate)]
    room = max(0, limit - in_flight)
    held = [
        Wait(step.host, f"{limit} evacuations are in flight, the most allowed", step.instance)
        for step in interleaved[room:]
    ]
    return others + interleaved[:room] + held
