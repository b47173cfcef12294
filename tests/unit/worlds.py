# SPDX-License-Identifier: Apache-2.0
"""Short ways to write the snapshots that tests decide on."""

import datetime

from nova_ha.model import flag
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SCHEDULING, Event, Request
from nova_ha.model.flag import RESTART
from nova_ha.model.reasons import Code, Problem
from nova_ha.model.restore_tags import DONE_TAGS, TAGS
from nova_ha.model.snapshot import Host, Instance, Migration, Service, World
from nova_ha.policy.rules import Rules
from nova_ha.recovery.decide import planner
from nova_ha.recovery.decide.situation import Situation
from nova_ha.recovery.memory.requests import Memory

OURS = "control-1@100"
NOW = 10000.0
AMBIGUOUS = Problem(Code.AMBIGUOUS_HOST, "compute-1 may be compute-1.a or compute-1.b")


def service(
    host="compute-1",
    up=False,
    enabled=False,
    forced_down=True,
    reason="nova-ha: being recovered",
    report="t0",
    zone="nova",
):
    """By default a dead host's service as the engine leaves it."""
    return Service(f"id-{host}", host, up, enabled, forced_down, reason, report, zone)


def living(host="compute-2", **more):
    """The service of a host that takes instances."""
    return service(host, **{"up": True, "enabled": True, "forced_down": False, "reason": None, **more})


def spare(host="spare-1", **more):
    """The service of a reserved host."""
    return living(host, **{"enabled": False, "reason": "nova-ha: reserved", **more})


def instance(number=1, vm_state="active", task_state=None, host="compute-1", noted=None, reached=None, **more):
    """Instance ``i1``, ``i2``, ..., by default one that ran.

    :param noted: the former state that its tag asks for
    :param reached: the former state into which its tag says that it was brought
    """
    tags = frozenset({TAGS[noted]} if noted else ()) | frozenset({DONE_TAGS[reached]} if reached else ())
    return Instance(f"i{number}", f"web-{number}", host, vm_state, task_state, **{"tags": tags, **more})


def record(number, status, instance="i1", destination="compute-2", source="compute-1", created=None):
    """An evacuation record."""
    return Migration(number, instance, status, source, destination, created)


def host(flag=OURS, instances=(), evacuations=(), service_=None, name="compute-1", **more):
    """A flagged host, by default claimed and taken out already; one that is held back is stopped."""
    if flag == RESTART:
        more.setdefault("stopped_for", more.get("flagged_for", 0.0))
    return Host(name, flag, service_ or service(name), tuple(instances), tuple(evacuations), **more)


def request(number=1, stage=QUEUED, host="compute-2", conductor="control-1", at=0):
    """An evacuate request, as far as it has come.

    :param host: where it runs, or has
    :param at: seconds, by Nova's clock, at which it was made and began to be scheduled
    """
    begun, over = Event(told(at), host=conductor), Event(told(at), told(at), host=conductor)
    run = {RUNNING: Event(told(at), host=host), OVER: Event(told(at), told(at), True, host)}.get(stage)
    return Request(f"req-{number}", told(at), {QUEUED: None, SCHEDULING: begun}.get(stage, over), run)


def told(seconds):
    """A moment as Nova writes it."""
    return f"{datetime.datetime(2026, 11, 28) + datetime.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}"


def world(*hosts, services=None, dead=None, **more):
    """Those hosts, and what else there is in the cloud.

    :param services: of the other hosts; by default compute-2 and compute-3 live
    :param dead: Nova's names of the dead hosts; by default those that are flagged and forced down
    """
    others = (living("compute-2"), living("compute-3")) if services is None else services
    known = {s.host: s for s in others}
    known.update({h.service.host: h.service for h in hosts if h.service})
    if dead is None:
        dead = {h.service.host for h in hosts if h.service and h.service.forced_down and flag.stands(h.flag)}
    return World(tuple(hosts), known, dead=frozenset(dead), **more)


def nothing_asked():
    """Attempts of an engine that has asked for nothing yet, whose back-off is exact."""
    return Memory(jitter=lambda: 1.0)


def decided(*hosts, memory=None, rules=None, window=40, now=NOW, **more):
    """The steps that are decided for those hosts; ``more`` is for ``world``."""
    seen = world(*hosts, **{"selection": Selection(), **more})
    return planner.steps(Situation(seen, memory or nothing_asked(), rules or Rules(), now), window)


def kinds(steps):
    """The names of the steps' classes."""
    return [type(step).__name__ for step in steps]
