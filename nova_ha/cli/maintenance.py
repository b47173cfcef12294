# SPDX-License-Identifier: Apache-2.0
"""``nova-ha maintenance``: takes a host out for planned work, and back, step by step.

A step that fails leaves those before it; the order given again goes on from there, and ``--off`` takes all of them
back. What is decided: ``policy.planned_work``. ``--json`` prints (see ``schemas/maintenance.json``):

===== ================================================================================================
key   value
===== ================================================================================================
time  when this was read; seconds since the epoch, as all times here
hosts of each host in maintenance: ``since`` (0: not known), ``who``, ``reason``
steps of an order, which are done: ``step``, ``before``, ``after``, ``consequence``, and ``due``: whether there was
      something to do; none where nothing was ordered
===== ================================================================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from oslo_config import cfg

from nova_ha.cli import orders
from nova_ha.cli.deployment import CommandFailed
from nova_ha.cli.maintained import HostWork, listed, standing
from nova_ha.cli.table import ago, clean
from nova_ha.cloud.errors import Refused
from nova_ha.cloud.mover import Mover
from nova_ha.cluster.connections import Connections
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.config import loader
from nova_ha.model import disabled_reason, hostnames, maintenance
from nova_ha.model.maintenance import Maintenance
from nova_ha.model.snapshot import Instance, unfinished
from nova_ha.policy import planned_work
from nova_ha.policy.planned_work import LIVE, Manner, Moves, Step, Work

# Seconds in which the cluster stops a host's nova-compute (180 s at most, as Nova's graceful shutdown has it) and its
# connection; and in which a host that runs is reached again, and its nova-compute reports.
STOP_PATIENCE, RETURN_PATIENCE = 300.0, 300.0

# Seconds without any change after which moves of instances are not waited for any longer: as long as a large guest may
# take; and those between two looks at them.
MOVE_PATIENCE, MOVE_LOOK = 7200.0, 2.0

# Instances that a message names.
_SHOWN = 10


class StepTold(TypedDict):
    """A step of an order, see above."""

    step: str
    before: str
    after: str
    consequence: str
    due: bool


class Told(TypedDict):
    """What ``--json`` prints, see above."""

    time: float
    hosts: dict[str, HostWork]
    steps: list[StepTold]


def connect(conf: cfg.ConfigOpts) -> Mover:
    """The cloud that a configuration names.

    :param conf: from ``loader.load``
    :raises CloudError: it cannot be reached with these credentials
    """
    cloud = Mover(loader.access(conf))
    cloud.connect()
    return cloud


class Maintenances:
    """Takes a host into maintenance, and back.

    :param domain: completes the cluster's names to Nova's
    :param say: tells an operator what is done, a line at a time
    """

    def __init__(self, cluster: Cluster, cloud: Mover, domain: str | None, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._connections = Connections(runner=cluster.runner)
        self._door = cluster.beside(maintenance.BESIDE)
        self._nova = cloud
        self._domain = domain
        self._say: Callable[[str], None] = lambda text: say(clean(text))

    def begin(self, host: str, reason: str, manner: Manner, yes: bool) -> list[StepTold]:
        """Take a host into maintenance.

        :param host: the cluster's name of it
        :raises CommandFailed: it may not be, or a step is not done; or nobody has said yes
        :raises ClusterError: Pacemaker does not answer
        :raises CloudError: Nova does not answer
        """
        work = self._look(host)
        if why := planned_work.refusal(work):
            raise CommandFailed(f"{host}: {why}; nothing has been changed")
        new = Maintenance(int(time.time()), orders.given_by(self._cluster), reason, _before(work))
        steps, record = planned_work.begin(work, new, manner), work.record or new
        back = f"Back: nova-ha maintenance {host} --off"
        if not any(step.is_due for step in steps):
            self._say(f"{host} is in maintenance already. {back}")
            return _told(steps)
        self._confirm(host, steps, yes)
        if work.record is None and not self._door.swap_flag(host, None, maintenance.written(new)):
            raise CommandFailed(f"{host}: somebody else takes it into maintenance just now; nothing has been changed")
        orders.note("maintenance --on", [host], new.who, reason)
        deeds = {
            planned_work.SERVICE: lambda: self._disable(work, record),
            planned_work.INSTANCES: lambda: self._drain(work, manner),
            planned_work.CONNECTION: lambda: self._disconnect(host),
        }
        try:
            self._carry_out(steps, deeds)
        except CommandFailed as error:
            raise CommandFailed(f"{error}. Go on: give the order again. {back}") from None
        self._say(f"{host} may be switched off, or rebooted. {back}")
        return _told(steps)

    def end(self, host: str, reason: str | None, yes: bool) -> list[StepTold]:
        """Take a host out of maintenance.

        :param host: the cluster's name of it
        :raises CommandFailed: it may not be, or is not back in time; or nobody has said yes
        :raises ClusterError: Pacemaker does not answer
        :raises CloudError: Nova does not answer
        """
        work = self._look(host)
        if why := planned_work.refusal_of_return(work):
            raise CommandFailed(f"{host}: {why}; nothing has been changed")
        assert work.record is not None
        steps, record = planned_work.end(work), work.record
        self._confirm(host, steps, yes)
        orders.note("maintenance --off", [host], orders.given_by(self._cluster), reason)
        self._carry_out(
            steps,
            {
                planned_work.CONNECTION: lambda: self._connect(host),
                planned_work.SERVICE: lambda: self._enable(work, record),
                planned_work.RECORD: lambda: self._forget(host, record),
            },
        )
        return _told(steps)

    def _look(self, host: str, instances: bool = True) -> Work:
        """What is known of a host.

        :raises CommandFailed: Nova has no nova-compute service of that name
        """
        services = self._nova.services()
        name = hostnames.resolve(host, services, self._domain)
        if name is None:
            raise CommandFailed(f"{host}: Nova has no nova-compute service of that name; nothing has been changed")
        return Work(
            host,
            self._cluster.flag(host),
            standing(self._cluster).get(host),
            self._connections.is_disabled(host),
            host in self._cluster.online(),
            services[name],
            self._nova.instances(name) if instances else (),
        )

    def _confirm(self, host: str, steps: Sequence[Step], yes: bool) -> None:
        lines = [
            f"{host}: {number}/{len(steps)} {step.name}: "
            + (f"{step.before} -> {step.after}: {step.consequence}" if step.is_due else f"{step.after}, as it is")
            for number, step in enumerate(steps, 1)
        ]
        orders.confirm(lines, yes, self._say)

    def _carry_out(self, steps: Sequence[Step], deeds: Mapping[str, Callable[[], None]]) -> None:
        for number, step in enumerate(steps, 1):
            if step.is_due and step.name in deeds:
                deeds[step.name]()
            self._say(f"{number}/{len(steps)} {step.name}: {step.after}: done")

    def _disable(self, work: Work, record: Maintenance) -> None:
        self._nova.disable(work.service, maintenance.disabled_reason(record))

    def _drain(self, work: Work, manner: Manner) -> None:
        """Move what is to be moved, and return once nothing is under way."""
        left = self._moved(work.service.host, manner)
        if left and not manner.leave:
            named = "; ".join(f"{id}: {why}" for id, why in list(left.items())[:_SHOWN])
            more = f"; and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            way_out = "Leave them to be stopped by the reboot: --allow-instances"
            raise CommandFailed(f"{work.host}: {len(left)} of its instances are left: {named}{more}. {way_out}")

    def _moved(self, name: str, manner: Manner) -> Mapping[str, str]:
        """Move what is to be moved; returns why the others are left, by their ids.

        :param name: Nova's name of the host
        """
        asked: dict[str, str] = {}
        refused: dict[str, str] = {}
        confirmed: set[str] = set()
        last, since = "", time.monotonic()
        while True:
            # The records before the instances: see snapshot.Host.
            flying = [*(each.instance for each in self._nova.live_migrations(name)), *self._arriving(name)]
            here = {each.id: each for each in self._nova.instances(name)}
            gone = [each for id in asked if id not in here and (each := self._nova.instance(id)) is not None]
            next_ = planned_work.moves(tuple(here.values()), gone, asked, refused, flying, manner)
            for id, kind in next_.ask.items():
                asked[id] = kind
                if why := self._ask(here[id], kind):
                    refused[id] = why
            for each in gone:
                if each.id in next_.confirm and each.id not in confirmed:
                    self._nova.confirm_resize(each)
                    confirmed.add(each.id)
            if not next_.ask and not next_.confirm and not next_.waiting:
                return next_.left
            said = _progress(len(here), next_)
            if said != last:
                self._say(said)
                last, since = said, time.monotonic()
            elif time.monotonic() - since >= MOVE_PATIENCE:
                raise CommandFailed(f"{name}: nothing has changed for {ago(MOVE_PATIENCE)}: {said}")
            time.sleep(MOVE_LOOK)

    def _arriving(self, name: str) -> list[str]:
        """The ids of the instances that are being evacuated to a host.

        Some records stay unfinished for ever: on an instance of which nothing goes on, no evacuation does.
        """
        records = unfinished(self._nova.migrations(name))
        ids = {record.instance for record in records if record.destination == name}
        return [id for id in ids if (each := self._nova.instance(id)) is not None and each.task_state is not None]

    def _ask(self, instance: Instance, kind: str) -> str | None:
        """Have an instance moved; returns why Nova does not."""
        try:
            if kind == LIVE:
                self._nova.live_migrate(instance)
            else:
                self._nova.migrate(instance)
        except Refused as error:
            return str(error)
        return None

    def _disconnect(self, host: str) -> None:
        self._refuse_dead(host)
        if not self._connections.disable(host):
            raise CommandFailed(f"{host}: somebody else changes its connection just now")

        def is_over() -> bool:
            self._refuse_dead(host)
            return self._connections.has_stopped(host)

        if not orders.awaited(is_over, STOP_PATIENCE):
            late = f"the cluster has not stopped it within {STOP_PATIENCE:.0f} s: pcs status says why"
            raise CommandFailed(f"{host}: {late}")

    def _refuse_dead(self, host: str) -> None:
        value = self._cluster.flag(host)
        if value is not None:
            raise CommandFailed(f"{host}: it has died meanwhile, and is recovered (flag {value})")

    def _connect(self, host: str) -> None:
        if not self._connections.enable(host):
            raise CommandFailed(f"{host}: somebody else changes its connection just now")

    def _enable(self, work: Work, record: Maintenance) -> None:
        """Give the service its former state back, once the host does its work again."""
        former = work.service.last_report if work.disabled else None
        found: list[Work] = []

        def is_back() -> bool:
            found[:] = [self._look(work.host, instances=False)]
            return planned_work.is_back(found[0], former)

        if not orders.awaited(is_back, RETURN_PATIENCE):
            what = "its nova-compute does not report to Nova" if found[0].online else "the cluster does not reach it"
            if found[0].flag is not None:
                what = f"its recovery is not over (flag {found[0].flag})"
            raise CommandFailed(
                f"{work.host}: {what} within {RETURN_PATIENCE:.0f} s, so it stays in maintenance. Start it, and give"
                f" the order again. If it is dead for good, have its instances evacuated: nova-ha evacuate {work.host}"
            )
        service = found[0].service
        if not maintenance.is_ours(service):
            return
        if record.before is None:
            self._nova.enable(service)
        else:
            self._nova.disable(service, record.before or planned_work.NO_REASON)

    def _forget(self, host: str, record: Maintenance) -> None:
        if not self._door.swap_flag(host, maintenance.written(record), None):
            raise CommandFailed(f"{host}: somebody else changes its maintenance just now; all else is done")


def told(works: Mapping[str, Maintenance], steps: Sequence[StepTold], now: float) -> Told:
    """What ``--json`` prints.

    :param now: seconds since the epoch
    """
    return {"time": now, "hosts": listed(works), "steps": list(steps)}


def _before(work: Work) -> str | None:
    """How the service is before the maintenance, see ``model.maintenance``."""
    if disabled_reason.is_enabled(work.service) or maintenance.is_ours(work.service):
        return None
    return work.service.disabled_reason or ""


def _progress(here: int, moves: Moves) -> str:
    return f"{here} instances on it; {moves.waiting + len(moves.ask)} on their way or busy, {len(moves.left)} stay"


def _told(steps: Sequence[Step]) -> list[StepTold]:
    return [
        {
            "step": each.name,
            "before": each.before,
            "after": each.after,
            "consequence": each.consequence,
            "due": each.is_due,
        }
        for each in steps
    ]
