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

import collections
import dataclasses
import math

from nova_ha.cli.table import clipped, explained, table, way_out, wrapped
from nova_ha.config import loader
from nova_ha.model import flag, snapshot
from nova_ha.model.actions import DisableHost, EnableReservedHost
from nova_ha.model.wording import counted
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import planner, scheduling
from nova_ha.recovery.memory.requests import Attempts
from nova_ha.recovery.observe.observer import Observer

# In the place of a control node's name in the claim that a plan imagines.
PLANNER = "plan"

# What is done before instances are looked at: a plan goes on as if it were.
_PREPARATIONS = (DisableHost, EnableReservedHost)

_HEADINGS = ("INSTANCE", "NAME", "STATE", "WOULD")
_NAME = 20  # columns for an instance's name


def connect(conf):
    """The cloud that a configuration names.

    :param conf: from ``loader.load``
    :return: a ``nova.Nova``
    :raises nova.CloudError: it cannot be reached with these credentials
    """
    cloud = loader.cloud(conf)
    cloud.connect()
    return cloud


def look(host, flags, cloud, conf, now, clock):
    """The plan as plain data, see above.

    :param host: the cluster's name of it
    :param flags: ``{host: flag value}`` of all flagged hosts
    :param cloud: a ``nova.Nova``
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
        "in_flight": scheduling.most(world, chosen, conf.recovery.in_flight),
        "counts": dict(counts),
        "steps": said,
    }


def lines(found, width):
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
            said += wrapped(way_out(step), width, "    ") if step["command"] else []
    rows = [(_cells(step), [explained(step), way_out(step)]) for step in steps if step["instance"]]
    if not rows:
        return said
    counts = ", ".join(f"{number} {step}" for step, number in found["counts"].items())
    said += wrapped(f"then, at most {counted(found['in_flight'], 'evacuation')} at once: {counts}", width, "  ")
    return [*said, "", *table(_HEADINGS, rows, width)]


class Reader:
    """The cloud, of which nothing but reading is possible.

    :param cloud: a ``nova.Nova``
    :param done: steps, of _PREPARATIONS, that are shown as if they were done
    """

    _READS = frozenset(
        {
            "aggregates",
            "hypervisor_type",
            "in_error",
            "instance",
            "instances",
            "live_migrations",
            "migrations",
            "resizes",
            "restoring",
            "selection",
        }
    )

    def __init__(self, cloud, done=()):
        self._cloud = cloud
        self._done = tuple(done)

    def services(self):
        """As ``nova.Nova.services``, with the steps done."""
        services = self._cloud.services()
        changed = {step.service.host: _after(step) for step in self._done}
        return snapshot.Services({**services, **changed}, snapshot.unread(services))

    def __getattr__(self, name):
        if name not in self._READS:
            raise AttributeError(f"a plan does not do {name}")
        return getattr(self._cloud, name)


def _after(step):
    """A service as it would be after a step."""
    if isinstance(step, EnableReservedHost):
        return dataclasses.replace(step.service, enabled=True, disabled_reason=None)
    service = dataclasses.replace(step.service, up=False, forced_down=True)
    return service if step.mark is None else dataclasses.replace(service, enabled=False, disabled_reason=step.mark)


def _steps(host, flags, cloud, conf, rules, clock):
    """The world in which all dead hosts are prepared for their recovery, and all steps to do about one.

    However many evacuations are under way already, each instance is told what it comes to in the end.
    """
    done = []
    while True:
        observer = Observer(Reader(cloud, done), conf.recovery.domain, clock, tag=rules.policy.tag)
        world = observer.look(flags)
        found = planner.steps(world, Attempts(), rules, math.inf, clock())
        known = {(step.host, type(step)) for step in done}
        first = [step for step in found if isinstance(step, _PREPARATIONS) and (step.host, type(step)) not in known]
        if not first:
            return world, [step for step in done + found if step.host == host]
        done += first


def _held(host, standing, world, rules):
    """What the mass failure guard would say if these flags stood, as steps."""
    names = {other.name: other.service.host for other in world.hosts if other.service}
    in_nova = {name: standing[other] for other, name in names.items()}
    every = frozenset(world.services).union(snapshot.unread(world.services))
    held = rules.guard.held(in_nova, every, world.aggregates)
    why = held.get(names.get(host))
    return planner.claims({host: standing[host]}, {}, frozenset(), {host: why}) if why else []


def _plain(step):
    instance, code = getattr(step, "instance", None), getattr(step, "code", None)
    return {
        "step": step.label,
        "code": code and code.value,
        "reason": step.reason,
        "command": getattr(step, "command", None),
        "needs_operator": getattr(step, "needs_operator", False),
        "instance": instance and instance.id,
        "name": instance and instance.name,
        "vm_state": instance and instance.vm_state,
        "task_state": instance and instance.task_state,
    }


def _cells(step):
    state = step["vm_state"] + (f", {step['task_state']}" if step["task_state"] else "")
    return step["instance"], clipped(step["name"], _NAME), state, step["step"]
