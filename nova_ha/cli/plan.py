# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha plan`` shows: what the engine would do if a host were lost now, for each instance, and why.

The world is read and the steps are decided by the engine's own code (``observer``, ``planner``). The host is taken for
dead: claimed, and its service out of Nova. Nothing is changed, in the cluster or in Nova.

``--json`` prints (see ``schemas/plan.json``):

========= ============================================================================================
key       value
========= ============================================================================================
host      the cluster's name of it
flag      its flag now, None if it has none
time      when this was read, seconds since the epoch
in_flight how many evacuations the engine has under way at once, at most
counts    how many instances there are of each step: ``{"evacuate": 12, "skip": 1}``
steps     in the engine's order, each with ``step`` (its label, see ``actions``), ``code``, ``reason``, ``command``,
          ``needs_operator`` (see ``status_report``), and of a step about an instance ``instance`` (its id), ``name``,
          ``vm_state``, ``task_state``; else None
========= ============================================================================================
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict, Union

from oslo_config import cfg

from nova_ha.cli.table import Row, clipped, explained, table, way_out, wrapped
from nova_ha.cloud.reader import NovaReader
from nova_ha.config import loader
from nova_ha.model import flag, snapshot
from nova_ha.model.actions import DisableHost, EnableReservedHost, NoAction, Step, instance_of
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.snapshot import Instance, Migration, Service, Services, World
from nova_ha.model.wording import counted
from nova_ha.policy.holds import by_guard
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import planner, scheduling
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.observe.observer import Observer
from nova_ha.recovery.observe.reading import Cloud

# In the place of a control node's name in the claim that a plan imagines.
PLANNER = "plan"

# What is done before instances are looked at: a plan goes on as if it were.
_PREPARATIONS = (DisableHost, EnableReservedHost)
_Preparation = Union[DisableHost, EnableReservedHost]

_HEADINGS = ("INSTANCE", "NAME", "STATE", "WOULD")
_NAME = 20  # columns for an instance's name


class PlannedStep(TypedDict):
    """One step, see above."""

    step: str
    code: str | None
    reason: str
    command: str | None
    needs_operator: bool
    instance: str | None
    name: str | None
    vm_state: str | None
    task_state: str | None


class Plan(TypedDict):
    """All of it, see above."""

    host: str
    flag: str | None
    time: float
    in_flight: int
    counts: dict[str, int]
    steps: list[PlannedStep]


def connect(conf: cfg.ConfigOpts) -> NovaReader:
    """The cloud that a configuration names, to be read only.

    :param conf: from ``loader.load``
    :raises nova.CloudError: it cannot be reached with these credentials
    """
    cloud = loader.reader(conf)
    cloud.connect()
    return cloud


def look(
    host: str,
    flags: Mapping[str, str],
    cloud: Cloud,
    conf: cfg.ConfigOpts,
    now: float,
    clock: Callable[[], float],
) -> Plan:
    """The plan as plain data, see above.

    :param host: the cluster's name of it
    :param flags: ``{host: flag value}`` of all flagged hosts
    :param conf: from ``loader.load``
    :param now: seconds since the epoch
    :param clock: monotonic seconds
    :raises nova.CloudError: the cloud cannot be read
    """
    # The other dead hosts are part of the picture: they are no destinations, and they take their share of the limits.
    standing = {host: flag.FLAGGED, **{other: value for other, value in flags.items() if flag.is_dead(value)}}
    claimed = {**standing, host: flag.claim(PLANNER, now)}
    chosen = Rules.from_options(conf)
    # What would be done, sooner or later.
    rules = dataclasses.replace(chosen, evacuate_delay=0, in_flight_per_source=0, in_flight_per_destination=0)
    world, steps = _steps(host, claimed, cloud, conf, rules, clock)
    said = [_plain(step) for step in _held(host, standing, world, rules) + steps]
    counts = collections.Counter(step["step"] for step in said if step["instance"])
    return {
        "host": host,
        "flag": flags.get(host),
        "time": now,
        "in_flight": int(scheduling.most(world, chosen, conf.recovery.in_flight)),
        "counts": dict(counts),
        "steps": said,
    }


def lines(found: Plan, width: int) -> list[str]:
    """The plan for people.

    :param found: from ``look``
    """
    host, steps = found["host"], found["steps"]
    if flag.is_dead(found["flag"]):
        now = f"{host} is in recovery (flag {found['flag']}). What an engine would do that has tried nothing yet:"
    else:
        now = f"If {host} were lost now (nothing has been changed):"
    said = wrapped(now, width)
    for step in steps:
        if step["instance"] is None:
            said += wrapped(f"{step['step']}: {explained(step)}", width, "  ")
            command = way_out(step)
            said += wrapped(command, width, "    ") if command is not None else []
    rows: list[Row] = [(_cells(step), [explained(step), way_out(step)]) for step in steps if step["instance"]]
    if not rows:
        return said
    counts = ", ".join(f"{number} {step}" for step, number in found["counts"].items())
    said += wrapped(f"then, at most {counted(found['in_flight'], 'evacuation')} at once: {counts}", width, "  ")
    return [*said, "", *table(_HEADINGS, rows, width)]


class Imagined(Cloud):
    """The cloud, as it would be after some steps; it has nothing that changes it.

    :param done: steps, of _PREPARATIONS, that are shown as if they were done
    """

    def __init__(self, cloud: Cloud, done: Iterable[_Preparation] = ()) -> None:
        self._cloud = cloud
        self._done = tuple(done)

    def services(self) -> Services:
        """As ``NovaReader.services``, with the steps done."""
        services = self._cloud.services()
        changed = {step.service.host: _after(step) for step in self._done}
        return Services({**services, **changed}, snapshot.unread(services))

    # All else is as it is.

    def aggregates(self) -> Mapping[str, frozenset[str]]:
        return self._cloud.aggregates()

    def instances(self, host: str) -> tuple[Instance, ...]:
        return self._cloud.instances(host)

    def instance(self, id: str) -> Instance | None:
        return self._cloud.instance(id)

    def restoring(self) -> tuple[Instance, ...]:
        return self._cloud.restoring()

    def in_error(self) -> tuple[Instance, ...]:
        return self._cloud.in_error()

    def migrations(self, host: str) -> tuple[Migration, ...]:
        return self._cloud.migrations(host)

    def evacuation_requests(self, instance: str) -> Requests:
        return self._cloud.evacuation_requests(instance)

    def claims(self, instance: str) -> frozenset[str]:
        return self._cloud.claims(instance)

    def live_migrations(self, host: str) -> tuple[Migration, ...]:
        return self._cloud.live_migrations(host)

    def resizes(self, host: str) -> tuple[Migration, ...]:
        return self._cloud.resizes(host)

    def hypervisor_type(self, host: str, node: str) -> str | None:
        return self._cloud.hypervisor_type(host, node)

    def selection(self, tag: str) -> Selection:
        return self._cloud.selection(tag)


def _after(step: _Preparation) -> Service:
    """A service as it would be after a step."""
    if isinstance(step, EnableReservedHost):
        return dataclasses.replace(step.service, enabled=True, disabled_reason=None)
    service = dataclasses.replace(step.service, up=False, forced_down=True)
    return service if step.mark is None else dataclasses.replace(service, enabled=False, disabled_reason=step.mark)


def _steps(
    host: str,
    flags: Mapping[str, str],
    cloud: Cloud,
    conf: cfg.ConfigOpts,
    rules: Rules,
    clock: Callable[[], float],
) -> tuple[World, list[Step]]:
    """The world in which all dead hosts are prepared for their recovery, and all steps to do about one.

    However many evacuations are under way already, each instance is told what it comes to in the end.
    """
    done: list[_Preparation] = []
    while True:
        observer = Observer(Imagined(cloud, done), conf.recovery.domain, clock, tag=rules.policy.tag)
        world = observer.look(flags)
        found = planner.steps(Situation(world, Memory(), rules, clock()), math.inf)
        known = {(step.host, type(step)) for step in done}
        first = [step for step in found if isinstance(step, _PREPARATIONS) and (step.host, type(step)) not in known]
        if not first:
            return world, [step for step in [*done, *found] if step.host == host]
        done += first


def _held(host: str, standing: Mapping[str, str], world: World, rules: Rules) -> list[Step]:
    """What the mass failure guard would say if these flags stood, as steps."""
    names = {other.name: other.service.host for other in world.hosts if other.service}
    in_nova = {name: standing[other] for other, name in names.items()}
    every = frozenset(world.services).union(snapshot.unread(world.services))
    held = rules.guard.held(in_nova, every, world.aggregates)
    why = held.get(names[host]) if host in names else None
    return planner.claims({host: standing[host]}, {}, frozenset(), {host: by_guard(host, why)}) if why else []


def _plain(step: Step) -> PlannedStep:
    instance = instance_of(step)
    idle = step if isinstance(step, NoAction) else None
    return {
        "step": step.label,
        "code": idle.code.value if idle else None,
        "reason": step.reason,
        "command": idle.command if idle else None,
        "needs_operator": idle is not None and idle.needs_operator,
        "instance": instance.id if instance else None,
        "name": instance.name if instance else None,
        "vm_state": instance.vm_state if instance else None,
        "task_state": instance.task_state if instance else None,
    }


def _cells(step: PlannedStep) -> tuple[str | None, ...]:
    state = ", ".join(filter(None, (step["vm_state"], step["task_state"])))
    return step["instance"], clipped(step["name"] or "", _NAME), state, step["step"]
