# SPDX-License-Identifier: Apache-2.0
"""What a drill of a host looks at, and what it makes of that: pure.

Level 0 is on paper: would the host be recovered if it died now? Level 1 asks what would be needed for it: the fencing
devices, the cloud, the message bus. Neither changes anything of the host.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from nova_ha.model.snapshot import Service

# Seconds after which what another control node has asked does not count any more.
RECENT = 86400.0

# Things that a line names.
_SHOWN = 5


class Phase(NamedTuple):
    """One thing that was looked at.

    :param ok: whether it is as it should be; None: it was not looked at, and is to be
    :param text: what was found, in one line for people
    :param seconds: how long that took, None where nothing was asked
    """

    name: str
    ok: bool | None
    text: str
    seconds: float | None = None


class Paper(NamedTuple):
    """What is known of a host and of recovery, before anything is asked.

    :param flags: ``{host: value}``
    :param engine: why the engine would not recover it, None if it would
    :param paused: who has put its recovery off, None if nobody has
    :param maintained: whether it is in maintenance
    :param online: whether the cluster reaches it
    :param cloud: why Nova cannot be asked, None if it can
    :param service: its nova-compute service, None if Nova has none
    :param errors: what ``nova-ha check`` finds to be wrong
    :param room: why its instances would not all find room, None if they would
    """

    host: str
    flags: Mapping[str, str]
    engine: str | None
    paused: str | None
    maintained: bool
    online: bool
    cloud: str | None
    service: Service | None
    errors: Collection[str]
    room: str | None


def on_paper(paper: Paper) -> list[Phase]:
    """The phases of level 0."""
    flagged = [f"{host} ({value})" for host, value in sorted(paper.flags.items())]
    return [
        _phase("flags", _listed(flagged), "no host is flagged"),
        _phase("engine", paper.engine, "it runs, and recovers hosts"),
        _phase("pauses", paper.paused, "recovery of the host is not put off"),
        _phase("maintenance", "the host is in maintenance" if paper.maintained else None, "the host is not in it"),
        _phase("host", None if paper.online else "the cluster does not reach it", "the cluster reaches it"),
        _phase("service", paper.cloud or _out(paper.service), "Nova has it up, and places instances there"),
        _phase("check", _listed(paper.errors), "nova-ha check finds no error"),
        _phase("room", paper.room, "its instances would find room elsewhere"),
    ]


def of_others(here: str, nodes: Iterable[str], asked: Mapping[str, float], host: str, now: float) -> list[Phase]:
    """The phases of level 1 of which only another control node can tell.

    :param here: the node that asks
    :param nodes: the control nodes
    :param asked: ``{node: when it has passed the same drill last}``, seconds since the epoch
    """
    found = []
    for node in sorted(set(nodes) - {here}):
        age = now - asked.get(node, float("-inf"))
        is_recent = age <= RECENT
        minutes = f"passed there {age / 60:.0f} min ago" if is_recent else ""
        ask = f"only {node} can tell what it reaches; there: nova-ha drill {host} --level 1"
        found.append(Phase(f"from {node}", True if is_recent else None, minutes or ask))
    return found


def is_passed(phases: Iterable[Phase]) -> bool:
    """Whether nothing that was looked at is wrong."""
    return not any(phase.ok is False for phase in phases)


def _phase(name: str, problem: str | None, well: str) -> Phase:
    return Phase(name, problem is None, problem or well)


def _out(service: Service | None) -> str | None:
    if service is None:
        return "Nova has no nova-compute service of it"
    if not service.up:
        return "its nova-compute does not report to Nova"
    return None if service.enabled else f"it is disabled in Nova ({service.disabled_reason or 'no reason given'})"


def _listed(names: Collection[str]) -> str | None:
    if not names:
        return None
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(list(names)[:_SHOWN]) + more
