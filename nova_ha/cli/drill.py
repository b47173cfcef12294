# SPDX-License-Identifier: Apache-2.0
"""``nova-ha drill``: would a host be recovered if it died now? On paper (level 0), and by what it takes (level 1).

Nothing of the host is changed. That a drill of level 1 was passed is kept, for monitoring: ``model.drills``. What is
made of what was found: ``policy.drill``. ``--json`` prints (see ``schemas/drill.json``):

====== ==================================================================================================
key    value
====== ==================================================================================================
time   when it began; seconds since the epoch
host   the cluster's name of it
level  0 or 1
node   the control node that asked
passed whether nothing that was looked at is wrong
phases each with ``name``, ``ok`` (None: not looked at, and to be), ``text``, ``seconds`` (None: nothing was asked)
====== ==================================================================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from nova_ha.cli import maintained, orders, status
from nova_ha.cli.colour import GREEN, RED, YELLOW, Paint
from nova_ha.cli.deployment import Deployment
from nova_ha.cli.table import Row, table
from nova_ha.cloud.errors import CloudError
from nova_ha.cloud.survey import CloudSurvey
from nova_ha.cluster import cib_secrets
from nova_ha.cluster.configuration import Resource
from nova_ha.fencing.options import OptionError
from nova_ha.fencing.power_agent import PowerError
from nova_ha.fencing.wires import status as power_status
from nova_ha.model import drills, hostnames, pauses
from nova_ha.model.drills import Drill
from nova_ha.model.findings import Finding, FindingCode, Severity
from nova_ha.model.snapshot import Service
from nova_ha.policy import drill as decisions
from nova_ha.policy import holds
from nova_ha.policy.drill import Paper, Phase
from nova_ha.reporting.events import Event

PASSED, NOT_PASSED = 0, 4

_PASSED = "drill --level 1: passed"
_WORDS = {True: ("ok", GREEN), False: ("WRONG", RED), None: ("to do", YELLOW)}


class PhaseTold(TypedDict):
    """A phase, see above."""

    name: str
    ok: bool | None
    text: str
    seconds: float | None


class Told(TypedDict):
    """All of it, see above."""

    time: float
    host: str
    level: int
    node: str
    passed: bool
    phases: list[PhaseTold]


def paper(
    deployment: Deployment, host: str, findings: Iterable[Finding], cloud: CloudSurvey, domain: str | None
) -> Paper:
    """What is known of a host and of recovery.

    :param findings: what ``nova-ha check`` finds
    :param cloud: not connected yet
    :raises ClusterError: Pacemaker does not answer
    """
    cluster, known = deployment.cluster, list(findings)
    found = status.look(cluster, deployment.resource, deployment.state, deployment.board, time.time())
    engine = found["engine"]
    services, away = _services(cloud)
    problem = None if engine["state"] in status.GOES_ON else f"{engine['state']}: {engine['reason']}"
    name = hostnames.resolve(host, services, domain)
    standing = [pauses.Pause(**each) for each in found["pauses"] or ()]
    hold = holds.by_pause(host, standing)
    short = (each for each in known if each.code is FindingCode.NO_ROOM_FOR_HOST and each.subject == name)
    return Paper(
        host,
        cluster.flags(),
        problem or engine["complaint"],
        holds.UNREADABLE if found["pauses"] is None else hold and hold.reason,
        host in maintained.standing(cluster),
        host in cluster.online(),
        away,
        services[name] if name is not None else None,
        [f"{each.code.value} ({each.subject})" for each in known if each.severity is Severity.ERROR],
        next((each.text for each in short), None),
    )


def _services(cloud: CloudSurvey) -> tuple[Mapping[str, Service], str | None]:
    """The nova-compute services, and why they are not known, None if they are."""
    try:
        return cloud.connect(), None
    except CloudError as error:
        return {}, str(error)


def fencing(host: str, names: Iterable[str], known: Iterable[Resource], is_online: bool) -> list[Phase]:
    """The phases of level 1 in which each fencing device is asked for the host's power, from this node.

    :param names: of the devices that this node may use for the host
    :param known: the devices that are configured
    :param is_online: whether the cluster reaches the host
    """
    devices = {each.id: each for each in known}
    found = [_powered(devices[name], host, is_online) for name in names if name in devices]
    if not found:
        text = "this node's fencer knows no device for the host: it may run none, or there is none"
        found = [Phase("fencing", False, text)]
    return found


def _powered(device: Resource, host: str, is_online: bool) -> Phase:
    name, begun = f"fencing {device.id}", time.monotonic()
    try:
        state = power_status(device.type, cib_secrets.resolved(device.id, device.parameters), host)
    except (PowerError, OptionError, cib_secrets.NoSecret) as error:
        return Phase(name, False, str(error), time.monotonic() - begun)
    took = time.monotonic() - begun
    if state is None:
        return Phase(name, True, "it only flags: there is nothing to ask")
    if state == "off" and is_online:
        return Phase(
            name, False, "it says that the power is off, and the cluster reaches the host: it is another's", took
        )
    return Phase(name, True, f"the power is {state}", took)


def cloud(cloud: CloudSurvey, name: str | None) -> list[Phase]:
    """The phases of level 1 in which the cloud is asked from this node.

    :param cloud: not connected yet
    :param name: Nova's name of the host, None if it has none
    """
    found = [_asked("cloud", cloud.connect, "Keystone and Nova answer")]
    if not found[0].ok:
        return [*found, Phase("bus", None, "not asked, since the cloud does not answer")]
    if name is None:
        return [*found, Phase("bus", False, "Nova has no nova-compute service of it")]
    return [*found, _asked("bus", lambda: cloud.reaches(name), "its nova-compute answers over the message bus")]


def others(
    deployment: Deployment, host: str, here: str, events: Iterable[Mapping[str, Any]], now: float
) -> list[Phase]:
    """The phases of level 1 that other control nodes are to ask.

    :param events: the history's
    """
    asked: dict[str, float] = {}
    for each in events:
        words = f"{each['reason'] or ''}".partition(": no reason")[0]
        if each["event"] == Event.OPERATOR_ORDERED.value and each["host"] == host and words.startswith(_PASSED):
            node = words[len(_PASSED) :].partition("@")[2].partition(":")[0]
            asked[node] = max(asked.get(node, 0.0), each["time"])
    return decisions.of_others(here, deployment.cluster.control_nodes(), asked, host, now)


def keep(deployment: Deployment, found: Told) -> None:
    """Leave it in the journal and the history; and that it was passed in the cluster's configuration."""
    who, word = orders.given_by(deployment.cluster), "passed" if found["passed"] else "not passed"
    orders.note(f"drill --level {found['level']}: {word}", [found["host"]], who, None)
    if found["passed"] and found["level"]:
        text = drills.written(Drill(found["level"], int(found["time"])))
        deployment.cluster.beside(drills.BESIDE).set_flag(found["host"], text)


def told(host: str, level: int, node: str, phases: Iterable[Phase], now: float) -> Told:
    """All of it as plain data, see above."""
    every = list(phases)
    return {
        "time": now,
        "host": host,
        "level": level,
        "node": node,
        "passed": decisions.is_passed(every),
        "phases": [{"name": p.name, "ok": p.ok, "text": p.text, "seconds": p.seconds} for p in every],
    }


def lines(found: Told, width: int, paint: Paint) -> list[str]:
    """The same for people."""
    rows: list[Row] = []
    for each in found["phases"]:
        took = "" if each["seconds"] is None else f"{each['seconds']:.1f} s"
        rows.append(((each["name"], _WORDS[each["ok"]][0], took), [each["text"]]))
    colours = [_WORDS[each["ok"]][1] for each in found["phases"]]
    word = paint("PASSED", GREEN) if found["passed"] else paint("NOT PASSED", RED)
    summary = f"{found['host']}: level {found['level']}, from {found['node']}: {word}"
    return [*table(("PHASE", "", "TIME"), rows, width, colours, paint), "", summary]


def _asked(name: str, ask: Callable[[], object], well: str) -> Phase:
    """A phase in which something is asked."""
    begun = time.monotonic()
    try:
        ask()
    except CloudError as error:
        return Phase(name, False, str(error), time.monotonic() - begun)
    return Phase(name, True, well, time.monotonic() - begun)
