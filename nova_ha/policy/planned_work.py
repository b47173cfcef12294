# SPDX-License-Identifier: Apache-2.0
"""Planned work on a host: whether it may be taken into maintenance, or back, in which steps; what moves next. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from nova_ha.model import disabled_reason, flag, maintenance
from nova_ha.model.maintenance import Maintenance
from nova_ha.model.snapshot import Instance, Service
from nova_ha.model.wording import counted

RECORD, SERVICE, INSTANCES, CONNECTION = "record", "service", "instances", "connection"

LIVE, COLD = "live migration", "cold migration"

# Stands for the reason of a service that is disabled without one.
NO_REASON = "no reason given"

# States of instances that Nova migrates live (nova/compute/api.py: live_migrate).
_MOVES_LIVE = frozenset({"active", "paused"})
_STOPPED, _MOVED_COLD = "stopped", "resized"


class Work(NamedTuple):
    """A host, as cluster and Nova have it.

    :param record: of its maintenance, None if it is not in maintenance
    :param disabled: whether its connection is; None: it has none of its own
    :param online: whether the cluster reaches it
    """

    host: str
    flag: str | None
    record: Maintenance | None
    disabled: bool | None
    online: bool
    service: Service
    instances: tuple[Instance, ...] = ()


class Manner(NamedTuple):
    """What is to become of the instances.

    :param live: migrate those that run
    :param cold: migrate those that are stopped
    :param leave: go on though some are left
    :param at_once: so many move at the same time
    """

    live: bool = False
    cold: bool = False
    leave: bool = False
    at_once: int = 1


class Step(NamedTuple):
    """One of the steps.

    :param is_due: whether it is still to be done
    """

    name: str
    before: str
    after: str
    consequence: str
    is_due: bool


class Moves(NamedTuple):
    """What is to be done with the instances next.

    :param ask: by their ids, which migration each is asked for
    :param confirm: ids of those whose cold migration is to be confirmed
    :param waiting: how many are on their way, or busy
    :param left: why each of the others stays, by their ids
    """

    ask: Mapping[str, str]
    confirm: Sequence[str]
    waiting: int
    left: Mapping[str, str]


def refusal(work: Work) -> str | None:
    """Why a host may not be taken into maintenance now, None if it may."""
    if work.flag is not None:
        return f"its flag is {work.flag}, so its recovery is not over: see nova-ha status {work.host}"
    if work.disabled is None:
        return "the cluster has no connection of its own to it (ocf:pacemaker:remote), which could be disabled"
    if disabled_reason.is_marked(work.service):
        return f"nova-ha took it out of service, and its flag was deleted: nova-ha end {work.host}"
    if not work.disabled and not work.online:
        return f"the cluster does not reach it, so it may be dead: nova-ha evacuate {work.host}"
    return None


def refusal_of_return(work: Work) -> str | None:
    """Why a host may not be taken out of maintenance now, None if it may."""
    if flag.is_dead(work.flag):
        return f"its recovery is under way ({work.flag}): once it is over, give the order again"
    if work.record is None:
        return "it is not in maintenance"
    return None


def begin(work: Work, new: Maintenance, manner: Manner) -> list[Step]:
    """The steps into maintenance.

    :param new: the record to be made, unless there is one
    """
    record, connected = work.record or new, not work.disabled
    reason = maintenance.disabled_reason(record)
    before = "in maintenance" if work.record else "not in maintenance"
    after = f"in maintenance, by {record.who}: {record.reason}"
    shown = "nova-ha status shows it on every control node"
    placed = "Nova places no new instance there"
    count = counted(len(work.instances), "instance")
    emptied = "some may be left" if manner.leave else "0 instances"
    cut = "the cluster stops nova-compute, and watches the host no more: it is neither fenced nor recovered"
    return [
        Step(RECORD, before, after, shown, work.record is None),
        Step(SERVICE, _shown(work.service), f"disabled ({reason})", placed, not maintenance.is_ours(work.service)),
        Step(INSTANCES, count, emptied, _of_instances(manner), connected),
        Step(CONNECTION, _connection(work), "disabled", cut, connected),
    ]


def end(work: Work) -> list[Step]:
    """The steps out of maintenance, of a host that has a record."""
    assert work.record is not None
    ours = maintenance.is_ours(work.service) or disabled_reason.is_marked(work.service)
    now, before = _shown(work.service), work.record.before
    former = "enabled" if before is None else f"disabled ({before or NO_REASON})"
    watched = "the cluster starts nova-compute, and watches the host: if it dies, it is fenced and recovered"
    why = "as before the maintenance" if ours else "somebody else has changed it meanwhile"
    return [
        Step(CONNECTION, _connection(work), "enabled", watched, bool(work.disabled)),
        Step(SERVICE, now, former if ours else now, f"{why}; once the host is back", True),
        Step(RECORD, "in maintenance", "not in maintenance", "it is as any other host", True),
    ]


def is_back(work: Work, last_report: str | None) -> bool:
    """Whether a host whose connection was enabled does its work again.

    :param last_report: that of its service before; Nova has one up for a minute after it was stopped
    """
    service = work.service
    out = service.forced_down or disabled_reason.is_marked(service) or work.flag is not None
    return work.online and service.up and service.last_report != last_report and not out


def moves(
    instances: Collection[Instance],
    moved: Collection[Instance],
    asked: Mapping[str, str],
    refused: Mapping[str, str],
    flying: Collection[str],
    manner: Manner,
) -> Moves:
    """What is to be done next with the instances of a host.

    What has been asked for is over when nothing goes on with the instance, and no record of its move is in flight: Nova
    sets the task before it answers a request.

    :param instances: those on the host
    :param moved: those that have been asked for, and are elsewhere
    :param asked: by their ids, which migration has been asked for
    :param refused: by their ids, why Nova has not taken a request
    :param flying: ids of the instances with a record of a move, from the host or to it, that is not over
    """
    busy = [each for each in instances if each.task_state is not None or each.id in flying]
    confirm = [each.id for each in moved if each.vm_state == _MOVED_COLD and each.task_state is None]
    going = {each.id for each in moved if each.vm_state == _MOVED_COLD or each.task_state is not None}
    going |= {each.id for each in busy} | set(flying)
    left: dict[str, str] = dict(refused)
    able: dict[str, str] = {}
    for each in instances:
        if each.id in going or each.id in left:
            continue
        if each.id in asked:
            left[each.id] = f"its {asked[each.id]} ended, and it is still here: {each.fault or 'Nova says no more'}"
        elif kind := _kind(each, manner):
            able[each.id] = kind
        else:
            left[each.id] = _unmovable(each, manner)
    room = max(0, manner.at_once - len(going))
    ask = dict(list(able.items())[:room])
    return Moves(ask, confirm, len(going) + len(able) - len(ask), left)


def _kind(instance: Instance, manner: Manner) -> str | None:
    """By what an instance is to be moved, None by nothing."""
    if manner.live and instance.vm_state in _MOVES_LIVE:
        return LIVE
    return COLD if manner.cold and instance.vm_state == _STOPPED else None


def _unmovable(instance: Instance, manner: Manner) -> str:
    if instance.vm_state in _MOVES_LIVE:
        return f"{instance.vm_state}: --live-migrate moves it"
    if instance.vm_state == _STOPPED:
        return "stopped, so that live migration does not move it: --cold-migrate does"
    return f"{instance.vm_state}: Nova moves none in that state"


def _of_instances(manner: Manner) -> str:
    kinds = [kind for kind, wanted in ((LIVE, manner.live), (COLD, manner.cold)) if wanted]
    moved = f"moved by {' and '.join(kinds)}, {manner.at_once} at once" if kinds else "none is moved"
    rest = "the host's reboot stops those that are left" if manner.leave else "the next step is done if none is left"
    return f"{moved}; {rest}"


def _connection(work: Work) -> str:
    return "disabled" if work.disabled else "enabled"


def _shown(service: Service) -> str:
    if service.enabled:
        return "enabled"
    return f"disabled ({service.disabled_reason or NO_REASON})"
